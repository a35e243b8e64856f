// SPDX-License-Identifier: GPL-2.0-or-later
/* drover.conf: every key, its default and its range, and every mistake with its line. */
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

#include "core/config.h"

#define HOST "[host]\nname = host1\n"

static char path[64];

static int setup(void **state)
{
	char dir[] = "/tmp/drover-config.XXXXXX";

	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/drover.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static int read_bytes(const char *bytes, size_t len, struct drover_conf *conf,
		      struct drover_err *err)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
	memset(err, 0, sizeof(*err));
	return drover_config_read(path, conf, err);
}

static void good(const char *text, struct drover_conf *conf)
{
	struct drover_err err;
	int r = read_bytes(text, strlen(text), conf, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
}

/* Refused with that sentence, and nothing is handed out. */
static void bad(const char *text, const char *sentence)
{
	struct drover_conf conf = { .port = 4711 };
	struct drover_err err;
	int r = read_bytes(text, strlen(text), &conf, &err);

	assert_string_equal(err.text, sentence);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_int_equal(conf.port, 4711);
}

/* --- what is good --- */

static void defaults(void **state)
{
	struct drover_conf conf;

	good(HOST, &conf);
	assert_string_equal(conf.host, "host1");
	assert_string_equal(conf.address, "0.0.0.0");
	assert_int_equal(conf.port, 7654);
	assert_string_equal(conf.vm_dir, "/etc/drover/vms");
	assert_string_equal(conf.state_dir, "/var/lib/drover");
	assert_string_equal(conf.run_dir, "/run/drover");
	assert_string_equal(conf.ram_dir, "/dev/shm/drover");
	assert_string_equal(conf.qemu, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(conf.user, "drover-qemu");
	assert_int_equal(conf.streams, 2);
	assert_int_equal(conf.downtime_limit_ms, 300);
	assert_int_equal(conf.bandwidth_mib, 0);
	assert_int_equal(conf.max_rounds, 30);
	assert_int_equal(conf.peer_count, 0);
	assert_false(conf.tls.on);
}

static void every_key(void **state)
{
	struct drover_conf conf;

	good("[host]\nname = a.b-c_9\naddress = ::1\nport = 65535\nvm_dir = /v\nstate_dir = /s\n"
	     "run_dir = /r\nram_dir = /m\nqemu = /q\nuser = somebody\n"
	     "[migration]\nstreams = 16\ndowntime_limit_ms = 3600000\nbandwidth_mib = 1000000\n"
	     "max_rounds = 120\n"
	     "[peer host2]\naddress = host2.example\nport = 1\n",
	     &conf);
	assert_string_equal(conf.host, "a.b-c_9");
	assert_string_equal(conf.address, "::1");
	assert_int_equal(conf.port, 65535);
	assert_string_equal(conf.vm_dir, "/v");
	assert_string_equal(conf.state_dir, "/s");
	assert_string_equal(conf.run_dir, "/r");
	assert_string_equal(conf.ram_dir, "/m");
	assert_string_equal(conf.qemu, "/q");
	assert_string_equal(conf.user, "somebody");
	assert_int_equal(conf.streams, 16);
	assert_int_equal(conf.downtime_limit_ms, 3600000);
	assert_int_equal(conf.bandwidth_mib, 1000000);
	assert_int_equal(conf.max_rounds, 120);
	assert_int_equal(conf.peer_count, 1);
	assert_string_equal(conf.peers[0].name, "host2");
	assert_string_equal(conf.peers[0].address, "host2.example");
	assert_int_equal(conf.peers[0].port, 1);
}

static void encryption(void **state)
{
	struct drover_conf conf;

	good(HOST "[tls]\n", &conf);
	assert_true(conf.tls.on);
	assert_string_equal(conf.tls.certificate, "/etc/drover/tls/host.crt");
	assert_string_equal(conf.tls.key, "/etc/drover/tls/host.key");
	assert_string_equal(conf.tls.authority, "/etc/drover/tls/ca.crt");
	good(HOST "[tls]\ncertificate = /c\nkey = /k\nauthority = /a\n", &conf);
	assert_string_equal(conf.tls.certificate, "/c");
	assert_string_equal(conf.tls.key, "/k");
	assert_string_equal(conf.tls.authority, "/a");
	bad(HOST "[tls]\n[tls]\n", "drover.conf:4: a second section [tls]");
	bad(HOST "[tls x]\n", "drover.conf:3: unknown section [tls x]");
	bad(HOST "[tls]\ncipher = none\n", "drover.conf:4: unknown key \"cipher\" in [tls]");
	bad(HOST "[tls]\nkey = here\n", "drover.conf:4: \"here\" is no absolute path");
}

static void missing_file_is_all_defaults(void **state)
{
	struct drover_err err = { 0 };
	struct drover_conf conf;
	char name[64] = "";

	gethostname(name, sizeof(name) - 1);
	name[strcspn(name, ".")] = '\0';
	if (!drover_name_valid(name))
		skip();
	unlink(path);
	assert_int_equal(drover_config_read(path, &conf, &err), 0);
	assert_string_equal(conf.host, name);
	assert_int_equal(conf.streams, 2);
}

static void layout_is_free(void **state)
{
	struct drover_conf conf;

	good("\n  # a comment\r\n;another = one\n\t[ peer \t host2 ] \r\n  address=10.0.0.2\t\n"
	     "[peer host3]\naddress = host3 # not a comment\n[host]\n name\t=\thost1\r\n"
	     "qemu = /a b/=c",
	     &conf);
	assert_string_equal(conf.host, "host1");
	assert_string_equal(conf.qemu, "/a b/=c");
	assert_string_equal(conf.peers[0].address, "10.0.0.2");
	assert_int_equal(conf.peers[0].port, 7654);
	assert_string_equal(conf.peers[1].address, "host3 # not a comment");
}

static void peers_are_found(void **state)
{
	struct drover_conf conf;
	char text[8192] = HOST;

	for (int i = 0; i < DROVER_PEERS_MAX; i++)
		sprintf(text + strlen(text), "[peer p%d]\naddress = a%d\n", i, i);
	good(text, &conf);
	assert_int_equal(conf.peer_count, 64);
	assert_string_equal(drover_config_find_peer(&conf, "p63")->address, "a63");
	assert_null(drover_config_find_peer(&conf, "p64"));
	assert_null(drover_config_find_peer(&conf, "host1"));
	strcat(text, "[peer one-more]\naddress = a\n");
	bad(text, "drover.conf:131: more than 64 peers");
}

static void values_may_be_as_long_as_they_fit(void **state)
{
	struct drover_conf conf;
	char value[257], text[512];

	memset(value, 'v', 256);
	value[0] = '/';
	value[256] = '\0';
	sprintf(text, HOST "vm_dir = %.255s", value);
	good(text, &conf);
	assert_int_equal(strlen(conf.vm_dir), 255);
	sprintf(text, HOST "vm_dir = %s", value);
	bad(text, "drover.conf:3: the value is longer than 255 bytes");
	sprintf(text, HOST "user = %.64s", value);
	bad(text, "drover.conf:3: the value is longer than 63 bytes");
	sprintf(text, "[host]\nname = %.63s", value + 1);
	good(text, &conf);
	assert_int_equal(strlen(conf.host), 63);
}

/* --- what is not --- */

static void mistakes_in_layout(void **state)
{
	bad("name = host1\n", "drover.conf:1: a key stands before the first section");
	bad(HOST "\n\nport 7654\n", "drover.conf:5: a line is written key = value");
	bad(HOST "[peer host2\n", "drover.conf:3: a section is written [kind] or [kind name]");
	bad(HOST "[peer host2] x\n", "drover.conf:3: a section is written [kind] or [kind name]");
	bad("#\n[hosts]\n", "drover.conf:2: unknown section [hosts]");
	bad("[]\n", "drover.conf:1: unknown section []");
	bad(HOST "run_dir = run\n", "drover.conf:3: \"run\" is no absolute path");
	bad("[host name]\n", "drover.conf:1: unknown section [host name]");
	bad("[migration a]\n", "drover.conf:1: unknown section [migration a]");
	bad(HOST "[host]\n", "drover.conf:3: a second section [host]");
	bad("[migration]\n[migration]\n", "drover.conf:2: a second section [migration]");
}

static void mistakes_in_keys(void **state)
{
	bad(HOST "vmdir = /v\n", "drover.conf:3: unknown key \"vmdir\" in [host]");
	bad(HOST " = /v\n", "drover.conf:3: unknown key \"\" in [host]");
	bad("[migration]\nport = 1\n", "drover.conf:2: unknown key \"port\" in [migration]");
	bad("[peer b]\naddress = b\nname = b\n",
	    "drover.conf:3: unknown key \"name\" in [peer b]");
	bad("[host]\nport = 1\nport = 2\n", "drover.conf:3: a second \"port\" in this section");
	bad("[peer b]\naddress = b\naddress = c\n",
	    "drover.conf:3: a second \"address\" in this section");
}

static void mistakes_in_values(void **state)
{
	static const char *const keys[] = { "address", "vm_dir", "state_dir", "run_dir", "ram_dir",
					    "qemu", "user" };
	char text[128];

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		sprintf(text, HOST "%s =\n", keys[i]);
		bad(text, "drover.conf:3: the value is empty");
	}
	bad("[peer b]\naddress = \n", "drover.conf:2: the value is empty");
	bad("[host]\nname =\n", "drover.conf:2: \"\" is no valid name of a host");
	bad("[host]\nname = -a\n", "drover.conf:2: \"-a\" is no valid name of a host");
	bad("[host]\nname = a b\n", "drover.conf:2: \"a b\" is no valid name of a host");
}

static void number_out_of_range(const char *section, const char *key, const char *value,
				unsigned int min, unsigned int max)
{
	char text[128], sentence[128];

	sprintf(text, "[%s]\n%s = %s\n", section, key, value);
	sprintf(sentence, "drover.conf:2: \"%s\" is no number from %u to %u", value, min, max);
	bad(text, sentence);
}

static void numbers_out_of_range(void **state)
{
	static const char *const odd[] = { "", "x", "-1", "+5", "5x", "5 5", "0x10", "1.5",
					   "99999999999999999999999" };
	static const struct {
		const char *section, *key;
		unsigned int min, max;
	} keys[] = {
		{ "host", "port", 1, 65535 },
		{ "peer b", "port", 1, 65535 },
		{ "migration", "streams", 1, 16 },
		{ "migration", "downtime_limit_ms", 1, 3600000 },
		{ "migration", "bandwidth_mib", 0, 1000000 },
		{ "migration", "max_rounds", 2, 120 },
	};
	char value[16];

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		for (size_t j = 0; j < sizeof(odd) / sizeof(*odd); j++)
			number_out_of_range(keys[i].section, keys[i].key, odd[j], keys[i].min,
					    keys[i].max);
		sprintf(value, "%u", keys[i].max + 1);
		number_out_of_range(keys[i].section, keys[i].key, value, keys[i].min, keys[i].max);
		if (!keys[i].min)
			continue;
		sprintf(value, "%u", keys[i].min - 1);
		number_out_of_range(keys[i].section, keys[i].key, value, keys[i].min, keys[i].max);
	}
}

/* Values become JSON for QEMU, words of its command line, and lines of the journal. */
static void what_is_no_text(void **state)
{
	static const char *const values[] = {
		"a\001b", "a\177", "\033[2J", "\xc3(", "\xe2\x82", "\xff",
		"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	};
	struct drover_conf conf;
	char text[64];

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		sprintf(text, HOST "user = %s\n", values[i]);
		bad(text, "drover.conf:3: the line holds control characters or is not UTF-8");
	}
	good(HOST "run_dir = /\xc3\xbc/\xe2\x82\xac/\xf0\x9f\x90\x84\tx\n", &conf);
	assert_string_equal(conf.run_dir, "/\xc3\xbc/\xe2\x82\xac/\xf0\x9f\x90\x84\tx");
}

static void mistakes_in_peers(void **state)
{
	bad("[peer]\n", "drover.conf:1: \"\" is no valid name of a host");
	bad("[peer a b]\n", "drover.conf:1: \"a b\" is no valid name of a host");
	bad("[peer ../b]\n", "drover.conf:1: \"../b\" is no valid name of a host");
	bad("[peer b]\naddress = 1\n[peer b]\n", "drover.conf:3: a second section [peer b]");
	bad(HOST "[peer b]\nport = 9\n", "drover.conf:3: [peer b] has no address");
	bad(HOST "[peer host1]\naddress = a\n", "drover.conf: [peer host1] is this host itself");
}

static void unreadable_files(void **state)
{
	struct drover_conf conf;
	struct drover_err err = { 0 };
	static char large[(1 << 20) + 1];

	memset(large, '\n', sizeof(large));
	assert_int_equal(read_bytes(large, sizeof(large), &conf, &err), -EFBIG);
	assert_int_equal(drover_config_read("/", &conf, &err), -EIO);
	assert_int_equal(drover_config_read("/dev/null/x", &conf, &err), -ENOTDIR);
	/* What stands behind such a byte would be ignored. */
	assert_int_equal(read_bytes("[host]\nname = a\n\0[frob]\n", 24, &conf, &err), -EINVAL);
	assert_string_equal(err.text, "drover.conf is no text: it has a byte 0");
}

static void names(void **state)
{
	static const char *const valid[] = { "a", "9", "_", "web1", "A.b-c_d." };
	static const char *const invalid[] = { "", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "é",
					       "a,b", "a:b", "a=b" };
	char name[65];

	for (size_t i = 0; i < sizeof(valid) / sizeof(*valid); i++)
		assert_true(drover_name_valid(valid[i]));
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++)
		assert_false(drover_name_valid(invalid[i]));
	memset(name, 'n', 64);
	name[64] = '\0';
	assert_false(drover_name_valid(name));
	name[63] = '\0';
	assert_true(drover_name_valid(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(encryption),
		cmocka_unit_test(missing_file_is_all_defaults),
		cmocka_unit_test(layout_is_free),
		cmocka_unit_test(peers_are_found),
		cmocka_unit_test(values_may_be_as_long_as_they_fit),
		cmocka_unit_test(mistakes_in_layout),
		cmocka_unit_test(mistakes_in_keys),
		cmocka_unit_test(mistakes_in_values),
		cmocka_unit_test(numbers_out_of_range),
		cmocka_unit_test(what_is_no_text),
		cmocka_unit_test(mistakes_in_peers),
		cmocka_unit_test(unreadable_files),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
