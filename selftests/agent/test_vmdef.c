// SPDX-License-Identifier: GPL-2.0-or-later
/* VM definitions: every key, its default and its range, and every mistake with its line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/config.h"

#define VM   "[vm]\nname = web1\nmemory = 512\n"
#define DISK VM "[disk a]\npath = /a\n"
#define NIC  VM "[nic a]\nbridge = br0\n"

static void good(const char *text, struct drover_vm_def *def)
{
	struct drover_err err = { 0 };
	int r = drover_vmdef_parse(text, "web1.conf", def, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
}

/* Refused with that sentence, and nothing is handed out. */
static void bad(const char *text, const char *sentence)
{
	struct drover_vm_def def = { .vcpus = 4711 };
	struct drover_err err = { 0 };
	int r = drover_vmdef_parse(text, "web1.conf", &def, &err);

	assert_string_equal(err.text, sentence);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_int_equal(def.vcpus, 4711);
}

/* --- what is good --- */

static void defaults(void **state)
{
	struct drover_vm_def def;

	good(VM, &def);
	assert_string_equal(def.name, "web1");
	assert_int_equal(def.memory_mib, 512);
	assert_int_equal(def.vcpus, 1);
	assert_string_equal(def.machine, "q35");
	assert_string_equal(def.cpu, "host");
	assert_string_equal(def.kernel, "");
	assert_string_equal(def.initrd, "");
	assert_string_equal(def.cmdline, "");
	assert_string_equal(def.firmware, "");
	assert_int_equal(def.disk_count, 0);
	assert_int_equal(def.nic_count, 0);
	assert_int_equal(def.console, DROVER_CONSOLE_LOG);
}

static void every_key_of_vm(void **state)
{
	struct drover_vm_def def;

	good("[vm]\nname = db-1.x_y\nmemory = 16777216\nvcpus = 255\nmachine = pc-q35-7.2\n"
	     "cpu = Skylake-Server,-hle\nkernel = /boot/k\ninitrd = /boot/i\ncmdline = a=b c=d\n"
	     "firmware = /f\n[console]\ntype = socket\n",
	     &def);
	assert_string_equal(def.name, "db-1.x_y");
	assert_int_equal(def.memory_mib, 16777216);
	assert_int_equal(def.vcpus, 255);
	assert_string_equal(def.machine, "pc-q35-7.2");
	assert_string_equal(def.cpu, "Skylake-Server,-hle");
	assert_string_equal(def.kernel, "/boot/k");
	assert_string_equal(def.initrd, "/boot/i");
	assert_string_equal(def.cmdline, "a=b c=d");
	assert_string_equal(def.firmware, "/f");
	assert_int_equal(def.console, DROVER_CONSOLE_SOCKET);
	good(VM "[console]\ntype = log\n", &def);
	assert_int_equal(def.console, DROVER_CONSOLE_LOG);
}

static void disk_is(const char *lines, const char *format, const char *cache, const char *aio,
		    bool readonly)
{
	struct drover_vm_def def;
	char text[256];

	sprintf(text, DISK "%s", lines);
	good(text, &def);
	assert_int_equal(def.disk_count, 1);
	assert_string_equal(def.disks[0].name, "a");
	assert_string_equal(def.disks[0].path, "/a");
	assert_string_equal(def.disks[0].format, format);
	assert_string_equal(def.disks[0].cache, cache);
	assert_string_equal(def.disks[0].aio, aio);
	assert_int_equal(def.disks[0].readonly, readonly);
}

static void every_key_of_disk(void **state)
{
	disk_is("", "raw", "none", "", false);
	disk_is("format = raw\ncache = none\naio = native\nreadonly = no\n", "raw", "none",
		"native", false);
	disk_is("format = qcow2\nreadonly = yes\n", "qcow2", "none", "", true);
	disk_is("cache = writeback\n", "raw", "writeback", "", false);
	disk_is("cache = writethrough\naio = threads\n", "raw", "writethrough", "threads", false);
	disk_is("aio = io_uring\ncache = writeback\n", "raw", "writeback", "io_uring", false);
	disk_is("aio = threads\n", "raw", "none", "threads", false);
}

static void every_key_of_nic(void **state)
{
	struct drover_vm_def def;

	good(NIC "mac = 02:aB:cd:Ef:00:09\n", &def);
	assert_int_equal(def.nic_count, 1);
	assert_string_equal(def.nics[0].name, "a");
	assert_string_equal(def.nics[0].bridge, "br0");
	assert_string_equal(def.nics[0].mac, "02:aB:cd:Ef:00:09");
}

static void layout_is_free(void **state)
{
	struct drover_vm_def def;

	good("[nic n]\n\tbridge=br0\r\n[disk\tx]\npath = /with a blank, a comma = and more  \n"
	     "; comment\n#\n[ vm ]\nmemory=16\nname\t= web1",
	     &def);
	assert_string_equal(def.disks[0].path, "/with a blank, a comma = and more");
	assert_string_equal(def.nics[0].bridge, "br0");
	assert_int_equal(def.memory_mib, 16);
}

static void nbd_paths(void **state)
{
	static const char *const fine[] = { "nbd://san/web1", "nbd://10.0.0.1:10810/a/b",
					    "nbd://[fd00::1]/web1", "nbd://[fd00::1]:65535/web1",
					    "nbd://san/", "nbd://san" };
	static const char *const wrong[] = { "nbd://", "nbd:///web1", "nbd://:1/x", "nbd://san:/x",
					     "nbd://san:0/x", "nbd://san:65536/x", "nbd://san:a/x",
					     "nbd://fd00::1/x", "nbd://[fd00::1/x", "nbd://[]/x",
					     "nbd://[fd00::1]1/x" };
	struct drover_vm_def def;
	char text[128], sentence[128];

	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
		sprintf(text, VM "[disk a]\npath = %s\n", fine[i]);
		good(text, &def);
		assert_string_equal(def.disks[0].path, fine[i]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		sprintf(text, VM "[disk a]\npath = %s\n", wrong[i]);
		sprintf(sentence, "web1.conf:5: \"%s\" is not nbd://HOST[:PORT]/EXPORT", wrong[i]);
		bad(text, sentence);
	}
}

static void long_command_lines(void **state)
{
	struct drover_vm_def def;
	char cmdline[1025], text[1200];

	for (int i = 0; i < 1024; i++)
		cmdline[i] = i % 8 ? 'x' : ' ';
	cmdline[0] = 'r';
	cmdline[1024] = '\0';
	sprintf(text, VM "kernel = /k\ncmdline = %.1023s\n", cmdline);
	good(text, &def);
	assert_int_equal(strlen(def.cmdline), 1023);
	assert_memory_equal(def.cmdline, cmdline, 1023);
	sprintf(text, VM "kernel = /k\ncmdline = %s\n", cmdline);
	bad(text, "web1.conf:5: the value is longer than 1023 bytes");
}

/* --- addresses --- */

static void derived(const char *vm, const char *nic, char mac[18])
{
	struct drover_vm_def def;
	char text[256];

	sprintf(text, "[vm]\nname = %s\nmemory = 16\n[nic %s]\nbridge = br0\n", vm, nic);
	good(text, &def);
	strcpy(mac, def.nics[0].mac);
}

/* A golden value: a guest must not find another card after an update of Drover. */
static void derived_mac_is_stable(void **state)
{
	char mac[18], other[18];

	derived("web1", "lan", mac);
	assert_string_equal(mac, "52:54:00:40:4b:98");
	derived("web2", "lan", other);
	assert_string_not_equal(mac, other);
	derived("web1", "san", other);
	assert_string_not_equal(mac, other);
	derived("web", "1lan", other);
	assert_string_not_equal(mac, other);
}

static void derived_mac_ignores_the_rest(void **state)
{
	struct drover_vm_def def;

	good("[nic san]\nbridge = br1\n[disk a]\npath = /a\n[nic lan]\nbridge = br7\n"
	     "[vm]\nvcpus = 3\nmemory = 64\nname = web1\n",
	     &def);
	assert_string_equal(def.nics[1].mac, "52:54:00:40:4b:98");
}

/* --- what is not good --- */

static void mistakes_in_layout(void **state)
{
	bad("", "web1.conf: [vm] needs a name and memory");
	bad("[vm]\nname = web1\n", "web1.conf:1: [vm] needs a name and memory");
	bad("\n[vm]\nmemory = 16\n\n", "web1.conf:2: [vm] needs a name and memory");
	bad("name = web1\n", "web1.conf:1: a key stands before the first section");
	bad(VM "\nvcpus 2\n", "web1.conf:5: a line is written key = value");
	bad(VM "[disk a\n", "web1.conf:4: a section is written [kind] or [kind name]");
	bad(VM "[vm a]\n", "web1.conf:4: unknown section [vm a]");
	bad(VM "[console a]\n", "web1.conf:4: unknown section [console a]");
	bad(VM "[cdrom]\n", "web1.conf:4: unknown section [cdrom]");
}

static void mistakes_in_keys(void **state)
{
	bad("[vm]\nmemroy = 1\n", "web1.conf:2: unknown key \"memroy\" in [vm]");
	bad(VM "path = /a\n", "web1.conf:4: unknown key \"path\" in [vm]");
	bad(DISK "name = b\n", "web1.conf:6: unknown key \"name\" in [disk a]");
	bad(NIC "ip = 1\n", "web1.conf:6: unknown key \"ip\" in [nic a]");
	bad(VM "[console]\nlog = 1\n", "web1.conf:5: unknown key \"log\" in [console]");
}

static void given_twice(void **state)
{
	bad(VM "memory = 512\n", "web1.conf:4: a second \"memory\" in this section");
	bad(DISK "path = /b\n", "web1.conf:6: a second \"path\" in this section");
	bad(NIC "bridge = br0\n", "web1.conf:6: a second \"bridge\" in this section");
	bad(VM "[console]\ntype = log\ntype = log\n",
	    "web1.conf:6: a second \"type\" in this section");
	bad(VM "[vm]\n", "web1.conf:4: a second section [vm]");
	bad(VM "[console]\n[console]\n", "web1.conf:5: a second section [console]");
	bad(DISK "[disk a]\n", "web1.conf:6: a second section [disk a]");
	bad(NIC "[nic a]\n", "web1.conf:6: a second section [nic a]");
}

/* The same words in different sections are no mistake. */
static void not_given_twice(void **state)
{
	struct drover_vm_def def;

	good(DISK "[disk b]\npath = /a\n[nic a]\nbridge = br0\n[nic b]\nbridge = br0\n", &def);
	assert_int_equal(def.disk_count, 2);
	assert_int_equal(def.nic_count, 2);
}

static void mistakes_in_vm(void **state)
{
	bad("[vm]\nname = \n", "web1.conf:2: \"\" is no valid name");
	bad("[vm]\nname = a/b\n", "web1.conf:2: \"a/b\" is no valid name");
	bad(VM "machine = q35,accel=tcg\n", "web1.conf:4: \"q35,accel=tcg\" is no valid name");
	bad(VM "cpu =\n", "web1.conf:4: the value is empty");
	bad(VM "kernel =\n", "web1.conf:4: the value is empty");
	bad(VM "initrd =\n", "web1.conf:4: the value is empty");
	bad(VM "cmdline =\n", "web1.conf:4: the value is empty");
	bad(VM "firmware =\n", "web1.conf:4: the value is empty");
	bad(VM "kernel = k\n", "web1.conf:4: \"k\" is no absolute path");
	bad(VM "initrd = i\n", "web1.conf:4: \"i\" is no absolute path");
	bad(VM "firmware = f\n", "web1.conf:4: \"f\" is no absolute path");
	bad(VM "initrd = /i\n", "web1.conf:1: an initrd needs a kernel");
	bad(VM "cmdline = x\n", "web1.conf:1: a cmdline needs a kernel");
}

static void numbers_out_of_range(void **state)
{
	static const char *const vcpus[] = { "0", "256", "-1", "", "two", "1.5" };
	static const char *const memory[] = { "15", "16777217", "1G", "-512", "", "0x200" };
	char text[64], sentence[128];

	for (size_t i = 0; i < sizeof(vcpus) / sizeof(*vcpus); i++) {
		sprintf(text, VM "vcpus = %s\n", vcpus[i]);
		sprintf(sentence, "web1.conf:4: \"%s\" is no number from 1 to 255", vcpus[i]);
		bad(text, sentence);
	}
	for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++) {
		sprintf(text, "[vm]\nmemory = %s\n", memory[i]);
		sprintf(sentence, "web1.conf:2: \"%s\" is no number from 16 to 16777216", memory[i]);
		bad(text, sentence);
	}
	bad("[vm]\nmemory = 511\n", "web1.conf:2: memory is counted in MiB and must be even");
}

static void mistakes_in_disks(void **state)
{
	bad(VM "[disk]\n",
	    "web1.conf:4: a disk needs a name of at most 16 letters, as in [disk root]");
	bad(VM "[disk a,b]\n",
	    "web1.conf:4: a disk needs a name of at most 16 letters, as in [disk root]");
	bad(VM "[disk seventeen-letters]\n",
	    "web1.conf:4: a disk needs a name of at most 16 letters, as in [disk root]");
	bad(VM "[disk a]\n", "web1.conf:4: [disk a] has no path");
	bad(VM "[disk a]\n\n[disk b]\npath = /b\n", "web1.conf:4: [disk a] has no path");
	bad(VM "[disk a]\npath = a.img\n", "web1.conf:5: \"a.img\" is no absolute path");
	bad(VM "[disk a]\npath =\n", "web1.conf:5: the value is empty");
	bad(DISK "format = vmdk\n", "web1.conf:6: \"vmdk\" is none of raw, qcow2");
	bad(DISK "cache = unsafe\n",
	    "web1.conf:6: \"unsafe\" is none of none, writeback, writethrough");
	bad(DISK "aio = posix\n", "web1.conf:6: \"posix\" is none of native, threads, io_uring");
	bad(DISK "readonly = true\n", "web1.conf:6: \"true\" is none of no, yes");
	bad(DISK "cache = writeback\naio = native\n",
	    "web1.conf:4: [disk a]: aio = native needs cache = none");
}

static void mistakes_in_nics(void **state)
{
	static const char *const macs[] = { "", "52:54:00:01:02", "52:54:00:01:02:03:04",
					    "52-54-00-01-02-03", "52:54:00:01:02:0g",
					    "53:54:00:01:02:03", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00",
	};
	char text[128], sentence[128];

	bad(VM "[nic]\n", "web1.conf:4: a NIC needs a name of at most 16 letters, as in [nic lan]");
	bad(VM "[nic a]\n", "web1.conf:4: [nic a] has no bridge");
	bad(VM "[nic a]\nbridge =\n", "web1.conf:5: the value is empty");
	bad(VM "[nic a]\nbridge = a/b\n", "web1.conf:5: \"a/b\" is no name of a bridge");
	bad(VM "[nic a]\nbridge = sixteen-letters-\n",
	    "web1.conf:5: the value is longer than 15 bytes");
	for (size_t i = 0; i < sizeof(macs) / sizeof(*macs); i++) {
		sprintf(text, NIC "mac = %s\n", macs[i]);
		sprintf(sentence, "web1.conf:6: \"%s\" is no MAC address of one machine", macs[i]);
		bad(text, sentence);
	}
	bad(VM "[console]\ntype = pty\n", "web1.conf:5: \"pty\" is none of log, socket");
}

static void too_many(void **state)
{
	char text[2048] = VM;
	struct drover_vm_def def;

	for (int i = 0; i < DROVER_DISKS_MAX; i++)
		sprintf(text + strlen(text), "[disk d%d]\npath = /%d\n", i, i);
	for (int i = 0; i < DROVER_NICS_MAX; i++)
		sprintf(text + strlen(text), "[nic n%d]\nbridge = br%d\n", i, i);
	good(text, &def);
	assert_int_equal(def.disk_count, 16);
	assert_int_equal(def.nic_count, 8);
	assert_string_equal(def.disks[15].path, "/15");
	assert_string_equal(def.nics[7].bridge, "br7");
	strcpy(text + strlen(text), "[nic more]\n");
	bad(text, "web1.conf:52: more than 8 NICs");
	strcpy(strstr(text, "[nic more]"), "[disk more]\n");
	bad(text, "web1.conf:52: more than 16 disks");
}

/* --- files --- */

static void put(const char *dir, const char *name, const char *text)
{
	char path[64];
	FILE *f;

	sprintf(path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void files(void **state)
{
	char dir[] = "/tmp/drover-vmdef.XXXXXX", path[64];
	struct drover_err err = { 0 };
	auto_free char *text = NULL;
	struct drover_vm_def def;

	assert_non_null(mkdtemp(dir));
	put(dir, "web1.conf", VM);
	assert_int_equal(drover_vmdef_read(dir, "web1", &def, &text, &err), 0);
	assert_string_equal(text, VM);
	assert_int_equal(drover_vmdef_read(dir, "web1", &def, NULL, &err), 0);
	assert_int_equal(drover_vmdef_read(dir, "web2", &def, NULL, &err), -ENOENT);
	assert_int_equal(drover_vmdef_read(dir, "../web1", &def, NULL, &err), -EINVAL);
	assert_string_equal(err.text, "\"../web1\" is no valid name of a VM");
	put(dir, "web1.conf", "[vm]\nname = web2\nmemory = 16\n");
	assert_int_equal(drover_vmdef_read(dir, "web1", &def, NULL, &err), -EINVAL);
	assert_string_equal(err.text, "web1.conf: the name in it is web2");
	put(dir, "web1.conf", VM "frob = 1\n");
	assert_int_equal(drover_vmdef_read(dir, "web1", &def, NULL, &err), -EINVAL);
	assert_string_equal(err.text, "web1.conf:4: unknown key \"frob\" in [vm]");
	sprintf(path, "%s/web1.conf", dir);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key_of_vm),
		cmocka_unit_test(every_key_of_disk),
		cmocka_unit_test(every_key_of_nic),
		cmocka_unit_test(layout_is_free),
		cmocka_unit_test(nbd_paths),
		cmocka_unit_test(long_command_lines),
		cmocka_unit_test(derived_mac_is_stable),
		cmocka_unit_test(derived_mac_ignores_the_rest),
		cmocka_unit_test(mistakes_in_layout),
		cmocka_unit_test(mistakes_in_keys),
		cmocka_unit_test(given_twice),
		cmocka_unit_test(not_given_twice),
		cmocka_unit_test(mistakes_in_vm),
		cmocka_unit_test(numbers_out_of_range),
		cmocka_unit_test(mistakes_in_disks),
		cmocka_unit_test(mistakes_in_nics),
		cmocka_unit_test(too_many),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
