// SPDX-License-Identifier: GPL-2.0-or-later
/* QEMU's command line: a source and a target that differ in a word cannot migrate. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/config.h"
#include "vm/args.h"

#define MINIMAL "[vm]\nname = web1\nmemory = 512\n"

/* What every VM has behind its RAM. */
#define BASICS                                                                          \
	"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-rtc",   \
	"base=utc", "-msg", "timestamp=on", "-sandbox",                                 \
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

static struct drover_args_env plain_env(void)
{
	struct drover_args_env env = {
		.qemu = "/usr/bin/qemu", .dir = "/run/d/vms/web1", .ram_path = "/dev/shm/web1.ram",
	};

	memset(env.disk_fd, -1, sizeof(env.disk_fd));
	memset(env.nic_fd, -1, sizeof(env.nic_fd));
	return env;
}

static struct drover_args build(const char *text, const struct drover_args_env *env)
{
	struct drover_err err = { 0 };
	struct drover_vm_def def;
	struct drover_args args;

	drover_vmdef_parse(text, "web1.conf", &def, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(drover_args_build(&def, env, &args, &err), 0);
	assert_null(args.argv[args.count]);
	return args;
}

/* All of it, word by word; @wanted ends with NULL. */
static void words_are(const char *text, const struct drover_args_env *env,
		      const char *const *wanted)
{
	struct drover_args args = build(text, env);
	size_t i;

	for (i = 0; wanted[i] && i < args.count; i++)
		assert_string_equal(args.argv[i], wanted[i]);
	assert_null(wanted[i]);
	assert_int_equal(i, args.count);
	drover_args_free(&args);
	assert_null(args.argv);
}

/* The value of the option whose value holds @part, which must be the only one. */
static void option_is(const char *text, const struct drover_args_env *env, const char *option,
		      const char *part, const char *wanted)
{
	struct drover_args args = build(text, env);
	const char *found = NULL;

	for (size_t i = 1; i + 1 < args.count; i++) {
		if (strcmp(args.argv[i], option) || !strstr(args.argv[i + 1], part))
			continue;
		assert_null(found);
		found = args.argv[i + 1];
	}
	if (wanted) {
		assert_non_null(found);
		assert_string_equal(found, wanted);
	} else {
		assert_null(found);
	}
	drover_args_free(&args);
}

static bool has_word(const struct drover_args *args, const char *word)
{
	for (size_t i = 0; i < args->count; i++)
		if (!strcmp(args->argv[i], word))
			return true;
	return false;
}

/* --- the whole --- */

static void minimal(void **state)
{
	static const char *const wanted[] = {
		"/usr/bin/qemu",
		"-name", "guest=web1,debug-threads=on",
		"-machine", "q35,accel=kvm,memory-backend=ram0,dump-guest-core=off",
		"-cpu", "host,migratable=on",
		"-smp", "1",
		"-m", "512M",
		"-object", "{\"qom-type\":\"memory-backend-file\",\"id\":\"ram0\","
			   "\"mem-path\":\"/dev/shm/web1.ram\",\"share\":true,\"size\":536870912}",
		BASICS,
		"-chardev", "socket,id=qmp,path=/run/d/vms/web1/qmp.sock,server=on,wait=off",
		"-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=migrate,path=/run/d/vms/web1/migrate.sock,server=on,wait=off",
		"-mon", "chardev=migrate,mode=control",
		"-chardev", "file,id=console,append=on,path=/run/d/vms/web1/console.log",
		"-serial", "chardev:console",
		"-device", "{\"driver\":\"virtio-rng-pci\",\"id\":\"rng0\",\"bus\":\"pcie.0\","
			   "\"addr\":\"0x3\"}",
		NULL,
	};
	struct drover_args_env env = plain_env();

	words_are(MINIMAL, &env, wanted);
}

static void full(void **state)
{
	static const char text[] =
		"[vm]\nname = web1\nmemory = 4096\nvcpus = 4\nmachine = pc-i440fx-7.2\n"
		"cpu = Skylake-Server\nkernel = /k\ninitrd = /i\ncmdline = a=b, c\nfirmware = /f\n"
		"[disk root]\npath = /srv/root.qcow2\nformat = qcow2\n"
		"[disk data]\npath = nbd://san:10810/web1/data\ncache = writethrough\n"
		"readonly = yes\n"
		"[nic lan]\nbridge = br0\nmac = 52:54:00:01:02:03\n"
		"[console]\ntype = socket\n";
	static const char *const wanted[] = {
		"/usr/bin/qemu",
		"-name", "guest=web1,debug-threads=on",
		"-machine", "pc-i440fx-7.2,accel=kvm,memory-backend=ram0,dump-guest-core=off",
		"-cpu", "Skylake-Server,enforce",
		"-smp", "4",
		"-m", "4096M",
		"-object", "{\"qom-type\":\"memory-backend-file\",\"id\":\"ram0\","
			   "\"mem-path\":\"/dev/shm/web1.ram\",\"share\":true,\"size\":4294967296}",
		BASICS,
		"-S", "-incoming", "defer",
		"-kernel", "/k", "-initrd", "/i", "-append", "a=b, c", "-bios", "/f",
		"-chardev", "socket,id=qmp,path=/run/d/vms/web1/qmp.sock,server=on,wait=off",
		"-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=migrate,path=/run/d/vms/web1/migrate.sock,server=on,wait=off",
		"-mon", "chardev=migrate,mode=control",
		"-chardev", "socket,id=console,path=/run/d/vms/web1/console.sock,server=on,wait=off,"
			    "logfile=/run/d/vms/web1/console.log,logappend=on",
		"-serial", "chardev:console",
		"-device", "{\"driver\":\"virtio-rng-pci\",\"id\":\"rng0\",\"bus\":\"pci.0\","
			   "\"addr\":\"0x3\"}",
		"-add-fd", "fd=11,set=1,opaque=/srv/root.qcow2",
		"-blockdev", "{\"driver\":\"file\",\"filename\":\"/dev/fdset/1\",\"aio\":\"threads\","
			     "\"node-name\":\"file-root\",\"read-only\":false,\"discard\":\"unmap\","
			     "\"cache\":{\"direct\":true,\"no-flush\":false}}",
		"-blockdev", "{\"driver\":\"qcow2\",\"file\":\"file-root\","
			     "\"node-name\":\"disk-root\",\"read-only\":false,\"discard\":\"unmap\","
			     "\"cache\":{\"direct\":true,\"no-flush\":false}}",
		"-device", "{\"driver\":\"virtio-blk-pci\",\"id\":\"virtio-root\",\"bus\":\"pci.0\","
			   "\"addr\":\"0x4\",\"drive\":\"disk-root\",\"write-cache\":\"on\"}",
		"-blockdev", "{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\",\"host\":\"san\","
			     "\"port\":\"10810\"},\"export\":\"web1/data\","
			     "\"node-name\":\"file-data\",\"read-only\":true,\"discard\":\"unmap\","
			     "\"cache\":{\"direct\":false,\"no-flush\":false}}",
		"-blockdev", "{\"driver\":\"raw\",\"file\":\"file-data\","
			     "\"node-name\":\"disk-data\",\"read-only\":true,\"discard\":\"unmap\","
			     "\"cache\":{\"direct\":false,\"no-flush\":false}}",
		"-device", "{\"driver\":\"virtio-blk-pci\",\"id\":\"virtio-data\",\"bus\":\"pci.0\","
			   "\"addr\":\"0x5\",\"drive\":\"disk-data\",\"write-cache\":\"off\"}",
		"-netdev", "tap,id=net-lan,fd=12,vhost=off",
		"-device", "{\"driver\":\"virtio-net-pci\",\"id\":\"nic-lan\",\"bus\":\"pci.0\","
			   "\"addr\":\"0x14\",\"netdev\":\"net-lan\","
			   "\"mac\":\"52:54:00:01:02:03\",\"romfile\":\"\"}",
		NULL,
	};
	struct drover_args_env env = plain_env();

	env.incoming = true;
	env.disk_fd[0] = 11;
	env.nic_fd[0] = 12;
	words_are(text, &env, wanted);
}

/* Only that it waits: devices and memory must be those of the source. */
static void incoming_differs_in_nothing_else(void **state)
{
	struct drover_args_env env = plain_env();
	struct drover_args source = build(MINIMAL, &env), target;
	size_t j = 0;

	env.incoming = true;
	target = build(MINIMAL, &env);
	assert_int_equal(target.count, source.count + 3);
	for (size_t i = 0; i < target.count; i++) {
		if (!strcmp(target.argv[i], "-S") || !strcmp(target.argv[i], "-incoming") ||
		    !strcmp(target.argv[i], "defer"))
			continue;
		assert_string_equal(target.argv[i], source.argv[j++]);
	}
	assert_int_equal(j, source.count);
	drover_args_free(&source);
	drover_args_free(&target);
}

/* --- places on the bus --- */

static void slot_of(const struct drover_args *args, const char *id, const char *wanted)
{
	char part[64], addr[32];

	snprintf(part, sizeof(part), "\"id\":\"%s\"", id);
	snprintf(addr, sizeof(addr), "\"addr\":\"%s\"", wanted);
	for (size_t i = 0; i < args->count; i++)
		if (strstr(args->argv[i], part)) {
			assert_non_null(strstr(args->argv[i], addr));
			return;
		}
	fail_msg("there is no device %s", id);
}

/* A disk more must not move the NICs, or an old guest loses its network. */
static void places_are_fixed(void **state)
{
	struct drover_args_env env = plain_env();
	struct drover_args args =
		build(MINIMAL "[nic a]\nbridge = b\n[disk a]\npath = nbd://s/a\n"
			      "[nic b]\nbridge = b\n", &env);

	slot_of(&args, "rng0", "0x3");
	slot_of(&args, "virtio-a", "0x4");
	slot_of(&args, "nic-a", "0x14");
	slot_of(&args, "nic-b", "0x15");
	drover_args_free(&args);
}

static void as_many_as_there_may_be(void **state)
{
	struct drover_args_env env = plain_env();
	char text[2048] = MINIMAL, id[32];
	struct drover_args args;

	for (int i = 0; i < DROVER_DISKS_MAX; i++)
		sprintf(text + strlen(text), "[disk d%d]\npath = nbd://s/%d\n", i, i);
	for (int i = 0; i < DROVER_NICS_MAX; i++)
		sprintf(text + strlen(text), "[nic n%d]\nbridge = b\n", i);
	args = build(text, &env);
	for (int i = 0; i < DROVER_DISKS_MAX; i++) {
		sprintf(id, "virtio-d%d", i);
		sprintf(text, "0x%x", 4 + i);
		slot_of(&args, id, text);
	}
	for (int i = 0; i < DROVER_NICS_MAX; i++) {
		sprintf(id, "nic-n%d", i);
		sprintf(text, "0x%x", 20 + i);
		slot_of(&args, id, text);
	}
	drover_args_free(&args);
}

static void bus_of_machine(void **state)
{
	static const struct {
		const char *machine, *bus;
	} cases[] = {
		{ "q35", "pcie.0" }, { "pc-q35-7.2", "pcie.0" },
		{ "pc", "pci.0" }, { "pc-i440fx-7.2", "pci.0" },
	};
	struct drover_args_env env = plain_env();
	char text[128], wanted[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sprintf(text, MINIMAL "machine = %s\n", cases[i].machine);
		sprintf(wanted, "{\"driver\":\"virtio-rng-pci\",\"id\":\"rng0\",\"bus\":\"%s\","
				"\"addr\":\"0x3\"}", cases[i].bus);
		option_is(text, &env, "-device", "rng0", wanted);
	}
}

/* --- values that QEMU would take apart --- */

static void commas_are_safe(void **state)
{
	struct drover_args_env env = plain_env();

	env.ram_path = "/m,share=off/\"x\".ram";
	env.dir = "/run/a,b/vms/web1";
	option_is(MINIMAL, &env, "-object", "ram0",
		  "{\"qom-type\":\"memory-backend-file\",\"id\":\"ram0\","
		  "\"mem-path\":\"/m,share=off/\\\"x\\\".ram\",\"share\":true,\"size\":536870912}");
	option_is(MINIMAL, &env, "-chardev", "id=qmp",
		  "socket,id=qmp,path=/run/a,,b/vms/web1/qmp.sock,server=on,wait=off");
	option_is(MINIMAL, &env, "-chardev", "id=console",
		  "file,id=console,append=on,path=/run/a,,b/vms/web1/console.log");
	option_is(MINIMAL "[console]\ntype = socket\n", &env, "-chardev", "id=console",
		  "socket,id=console,path=/run/a,,b/vms/web1/console.sock,server=on,wait=off,"
		  "logfile=/run/a,,b/vms/web1/console.log,logappend=on");
	option_is(MINIMAL "kernel = /a,b\n", &env, "-kernel", "", "/a,b");
	option_is(MINIMAL "[disk a]\npath = nbd://s/a,b\"c\n", &env, "-blockdev", "nbd",
		  "{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\",\"host\":\"s\","
		  "\"port\":\"10809\"},\"export\":\"a,b\\\"c\",\"node-name\":\"file-a\","
		  "\"read-only\":false,\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false}}");
}

/* QEMU gets a file open; its path is there as a word to find it by, and no more. */
static void disks_travel_as_descriptors(void **state)
{
	static const char text[] = MINIMAL "[disk a]\npath = /srv/a,b.raw\naio = threads\n"
					   "[disk b]\npath = /dev/sdb\nreadonly = yes\n";
	struct drover_args_env env = plain_env();
	struct drover_args args;

	env.disk_fd[0] = 20;
	env.disk_fd[1] = 21;
	env.disk_is_device[1] = true;
	option_is(text, &env, "-add-fd", "fd=20", "fd=20,set=1,opaque=/srv/a,,b.raw");
	option_is(text, &env, "-add-fd", "fd=21", "fd=21,set=2,opaque=/dev/sdb");
	option_is(text, &env, "-blockdev", "\"node-name\":\"file-a\"",
		  "{\"driver\":\"file\",\"filename\":\"/dev/fdset/1\",\"aio\":\"threads\","
		  "\"node-name\":\"file-a\",\"read-only\":false,\"discard\":\"unmap\","
		  "\"cache\":{\"direct\":true,\"no-flush\":false}}");
	option_is(text, &env, "-blockdev", "\"node-name\":\"file-b\"",
		  "{\"driver\":\"host_device\",\"filename\":\"/dev/fdset/2\",\"aio\":\"native\","
		  "\"node-name\":\"file-b\",\"read-only\":true,\"discard\":\"unmap\","
		  "\"cache\":{\"direct\":true,\"no-flush\":false}}");
	args = build(text, &env);
	for (size_t i = 0; i < args.count; i++)
		assert_true(!strstr(args.argv[i], "/srv") || !strcmp(args.argv[i - 1], "-add-fd"));
	drover_args_free(&args);
}

static void nbd_by_address(void **state)
{
	struct drover_args_env env = plain_env();

	option_is(MINIMAL "[disk a]\npath = nbd://[fd00::1]/x\n", &env, "-blockdev", "nbd",
		  "{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\",\"host\":\"fd00::1\","
		  "\"port\":\"10809\"},\"export\":\"x\",\"node-name\":\"file-a\","
		  "\"read-only\":false,\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false}}");
}

static void cpu_models(void **state)
{
	struct drover_args_env env = plain_env();
	struct drover_args args;

	option_is(MINIMAL, &env, "-cpu", "", "host,migratable=on");
	option_is(MINIMAL "cpu = EPYC,-svm\n", &env, "-cpu", "", "EPYC,-svm,enforce");
	args = build(MINIMAL, &env);
	assert_false(has_word(&args, "-kernel"));
	assert_false(has_word(&args, "-append"));
	assert_false(has_word(&args, "-bios"));
	assert_false(has_word(&args, "-S"));
	drover_args_free(&args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimal),
		cmocka_unit_test(full),
		cmocka_unit_test(incoming_differs_in_nothing_else),
		cmocka_unit_test(places_are_fixed),
		cmocka_unit_test(as_many_as_there_may_be),
		cmocka_unit_test(bus_of_machine),
		cmocka_unit_test(commas_are_safe),
		cmocka_unit_test(disks_travel_as_descriptors),
		cmocka_unit_test(nbd_by_address),
		cmocka_unit_test(cpu_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
