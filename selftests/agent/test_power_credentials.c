// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of credentials: what they say, what is refused, and that secrets leave no trace. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "power/credentials.h"
#include "power/wol.h"

#define SECRET "Swordfish-4711"
#define IPMI   "[ipmi]\naddress = bmc1\nuser = drover\npassword = " SECRET "\n"
#define PIN    "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static char dir[64], path[96];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/drover-power.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/host1.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void put(const char *text, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct drover_power_host good(const char *text)
{
	struct drover_power_host host;
	struct drover_err err = { 0 };

	put(text, 0600);
	drover_power_load(dir, "host1", &host, &err);
	assert_string_equal(err.text, "");
	return host;
}

static void bad(const char *text, const char *sentence)
{
	struct drover_power_host host = { .count = 4711 };
	struct drover_err err = { 0 };

	put(text, 0600);
	assert_int_equal(drover_power_load(dir, "host1", &host, &err), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_null(strstr(err.text, SECRET));
	assert_int_equal(host.count, 4711);
}

static void all_three(void **state)
{
	struct drover_power_host host = good("# comments may be there\n"
					     "[wol]\nmac = 52:54:00:77:00:1f\ninterface = br0\n"
					     "[redfish]\nurl = https://bmc1:8443/\nuser = admin\n"
					     "password = two words\nca = /etc/ssl/bmc.pem\n"
					     "fingerprint = " PIN "\nsystem = 1\n" IPMI);
	const uint8_t mac[] = { 0x52, 0x54, 0, 0x77, 0, 0x1f };

	assert_string_equal(host.name, "host1");
	assert_int_equal(host.count, 3);
	assert_ptr_equal(host.ways[0].ops, &drover_power_ipmi);
	assert_string_equal(host.ways[0].address, "bmc1");
	assert_string_equal(host.ways[0].user, "drover");
	assert_string_equal(host.ways[0].password, SECRET);
	assert_int_equal(host.ways[0].cipher, 3);
	assert_int_equal(host.ways[0].privilege, 3);
	assert_int_equal(host.ways[0].port, 623);
	assert_int_equal(host.ways[0].workarounds, 0);
	assert_ptr_equal(host.ways[1].ops, &drover_power_redfish);
	assert_string_equal(host.ways[1].url, "https://bmc1:8443");
	assert_string_equal(host.ways[1].password, "two words");
	assert_string_equal(host.ways[1].ca, "/etc/ssl/bmc.pem");
	assert_string_equal(host.ways[1].fingerprint, PIN);
	assert_string_equal(host.ways[1].system, "1");
	assert_ptr_equal(host.ways[2].ops, &drover_power_wol);
	assert_memory_equal(host.ways[2].mac, mac, 6);
	assert_string_equal(host.ways[2].interface, "br0");
	assert_int_equal(host.ways[2].port, 9);
}

static void ipmi_keys(void **state)
{
	struct drover_power_host host = good(IPMI "port = 6230\ncipher = 17\nprivilege = admin\n"
						  "workarounds = opensesspriv, authcap\n");

	assert_int_equal(host.count, 1);
	assert_int_equal(host.ways[0].port, 6230);
	assert_int_equal(host.ways[0].cipher, 17);
	assert_int_equal(host.ways[0].privilege, 4);
	assert_int_equal(host.ways[0].workarounds, 0x11);
	host = good("[ipmi]\naddress = fe80::1\nuser = a234567890123456\n"
		    "password = just twenty bytes, x\n");
	assert_string_equal(host.ways[0].address, "fe80::1");
}

static void wrong(void **state)
{
	bad("# nothing\n", "host1.conf has no section");
	bad("user = x\n", "host1.conf:1: a key stands before the first section");
	bad("[ilo]\n", "host1.conf:1: unknown section [ilo]; there are ipmi, redfish and wol");
	bad("[ipmi bmc1]\n",
	    "host1.conf:1: unknown section [ipmi bmc1]; there are ipmi, redfish and wol");
	bad(IPMI IPMI, "host1.conf:5: a second section [ipmi]");
	bad(IPMI "mac = 52:54:00:77:00:1f\n", "host1.conf:5: unknown key \"mac\" in [ipmi]");
	bad(IPMI "cipher = 0\n", "host1.conf:5: \"0\" is none of 3, 8, 12, 17");
	bad(IPMI "privilege = user\n", "host1.conf:5: \"user\" is none of operator, admin");
	bad(IPMI "workarounds = opensesspriv, magic\n",
	    "host1.conf:5: \"magic\" is none of authcap, intel20, supermicro20, sun20, "
	    "opensesspriv, integritycheckvalue");
	bad(IPMI "port = 0\n", "host1.conf:5: \"0\" is no number from 1 to 65535");
	bad(IPMI "password\n", "host1.conf:5: a line is written key = value");
	bad(IPMI "password = " SECRET "\n", "host1.conf:5: a second \"password\" in this section");
	bad("[ipmi]\npassword = " SECRET SECRET "\n",
	    "host1.conf:2: the value is longer than 20 bytes");
	bad("[ipmi]\nuser = drover\npassword = " SECRET "\n",
	    "host1.conf:1: [ipmi] has no address");
	bad("[ipmi]\naddress = a\npassword = " SECRET "\n", "host1.conf:1: [ipmi] has no user");
	bad("[ipmi]\naddress = a\nuser = a\n", "host1.conf:1: [ipmi] has no password");
	bad("[ipmi]\naddress = [::1]:623\n",
	    "host1.conf:2: \"[::1]:623\" is no host name or IP address");
	bad("[redfish]\nuser = a\npassword = " SECRET "\n", "host1.conf:1: [redfish] has no url");
	bad("[redfish]\nurl = http://a\n",
	    "host1.conf:2: an url is written https://NAME or https://NAME:PORT");
	bad("[redfish]\nurl = https://a:" SECRET "@bmc\n",
	    "host1.conf:2: an url is written https://NAME or https://NAME:PORT");
	bad("[redfish]\nca = bmc.pem\n", "host1.conf:2: \"bmc.pem\" is no absolute path");
	bad("[redfish]\nfingerprint = 12:34\n",
	    "host1.conf:2: a fingerprint is written sha256// and 44 digits of Base64");
	bad("[wol]\ninterface = br0\n", "host1.conf:1: [wol] has no mac");
	bad("[wol]\nmac = 52:54:00:77:00\n",
	    "host1.conf:2: \"52:54:00:77:00\" is no address of a network card");
	bad("[wol]\nmac = 53:54:00:77:00:11\n",
	    "host1.conf:2: \"53:54:00:77:00:11\" is no address of a network card");
}

static void readable_by_others(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0660, 0606, 0610, 0601 };
	struct drover_power_host host;

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct drover_err err = { 0 };
		char sentence[256];

		put(IPMI, modes[i]);
		snprintf(sentence, sizeof(sentence),
			 "%s is refused: its mode %o lets others than root at the passwords in it; "
			 "chmod 600 helps, and new passwords", path, modes[i]);
		assert_int_equal(drover_power_load(dir, "host1", &host, &err), -EACCES);
		assert_string_equal(err.text, sentence);
	}
	put(IPMI, 0400);
	assert_int_equal(drover_power_load(dir, "host1", &host, NULL), 0);
}

static void no_file(void **state)
{
	struct drover_power_host host;
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_load(dir, "host2", &host, &err), -ENOENT);
	assert_int_equal(drover_power_load(dir, "../host1", &host, &err), -EINVAL);
	assert_string_equal(err.text, "\"../host1\" is no valid name of a host");
	put("", 0600);
	assert_int_equal(drover_power_load(dir, "host1", &host, &err), -EINVAL);
	assert_non_null(strstr(err.text, "host1.conf is empty"));
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(drover_power_load(dir, "host1", &host, &err), -ELOOP);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(drover_power_load(dir, "host1", &host, &err), -EINVAL);
	assert_int_equal(rmdir(path), 0);
}

/* What is searched for is kept as its complement, so that it is not found in the search itself. */
static void complement(unsigned char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = ~buf[i];
}

/* How often memory from @from to @to holds the complement of @inverse. */
static int count_in(int mem, uint64_t from, uint64_t to, const unsigned char *inverse, size_t n)
{
	unsigned char buf[65536];
	int found = 0;

	for (uint64_t at = from; at < to; at += sizeof(buf) - n) {
		size_t want = to - at < sizeof(buf) ? to - at : sizeof(buf);
		ssize_t got = pread(mem, buf, want, at);

		/* Each piece overlaps the next, and leaves nothing behind on our stack. */
		for (ssize_t i = 0; i + (ssize_t)n <= got; i++) {
			size_t k = 0;

			while (k < n && buf[i + k] == (unsigned char)~inverse[k])
				k++;
			found += k == n;
		}
		memset(buf, 0, sizeof(buf));
	}
	return found;
}

/* All writable memory but the sanitizer's shadow, which is huge and holds no text. */
static int count_in_memory(const unsigned char *inverse, size_t n)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC), found = 0;
	char line[512], mode[8];
	uint64_t from, to;

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, mode) == 3 &&
		    !strncmp(mode, "rw", 2) && to - from < UINT64_C(256) << 20)
			found += count_in(mem, from, to, inverse, n);
	fclose(maps);
	close(mem);
	return found;
}

#define RANDOM_LEN 16

/* A file whose password is known to nobody; the complement of it. */
static void put_random(unsigned char *inverse)
{
	unsigned char text[128] = "[ipmi]\naddress = a\nuser = a\npassword = ";
	size_t n = strlen((char *)text);

	for (size_t i = 0; i < RANDOM_LEN; i++)
		text[n + i] = 'a' + random() % 26;
	memcpy(inverse, text + n, RANDOM_LEN);
	complement(inverse, RANDOM_LEN);
	text[n + RANDOM_LEN] = '\n';
	put((char *)text, 0600);
	explicit_bzero(text, sizeof(text));
}

static void leaves_no_trace(void **state)
{
	unsigned char inverse[RANDOM_LEN];
	struct drover_power_host host;

	srandom(getpid());
	put_random(inverse);
	assert_int_equal(count_in_memory(inverse, RANDOM_LEN), 0);
	assert_int_equal(drover_power_load(dir, "host1", &host, NULL), 0);
	assert_int_equal(count_in_memory(inverse, RANDOM_LEN), 1);
	drover_power_forget(&host);
	assert_int_equal(count_in_memory(inverse, RANDOM_LEN), 0);
}

static void magic_packet(void **state)
{
	const uint8_t mac[] = { 0x52, 0x54, 0, 0x77, 0, 0x1f };
	uint8_t packet[DROVER_WOL_PACKET_LEN];

	drover_wol_packet(mac, packet);
	for (int i = 0; i < 6; i++)
		assert_int_equal(packet[i], 0xff);
	for (int i = 6; i < DROVER_WOL_PACKET_LEN; i++)
		assert_int_equal(packet[i], mac[i % 6]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_three),
		cmocka_unit_test(ipmi_keys),
		cmocka_unit_test(wrong),
		cmocka_unit_test(readable_by_others),
		cmocka_unit_test(no_file),
		cmocka_unit_test(leaves_no_trace),
		cmocka_unit_test(magic_packet),
	};

	return cmocka_run_group_tests_name("power_credentials", tests, setup, teardown);
}
