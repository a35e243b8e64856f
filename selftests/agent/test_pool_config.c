// SPDX-License-Identifier: GPL-2.0-or-later
/* drover.conf: the sections [pool NAME] and [storage]. */
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
	char dir[] = "/tmp/drover-pool-config.XXXXXX";

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

static int read_text(const char *text, struct drover_conf *conf, struct drover_err *err)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	memset(err, 0, sizeof(*err));
	return drover_config_read(path, conf, err);
}

static void good(const char *text, struct drover_conf *conf)
{
	struct drover_err err;
	int r = read_text(text, conf, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
}

static void bad(const char *text, const char *sentence)
{
	struct drover_conf conf = { .port = 4711 };
	struct drover_err err;
	int r = read_text(text, &conf, &err);

	assert_string_equal(err.text, sentence);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(conf.port, 4711);
}

static void defaults(void **state)
{
	struct drover_conf conf;

	good(HOST "[pool a]\npath = /p\n", &conf);
	assert_false(conf.delete_old);
	assert_int_equal(conf.pool_threshold, 80);
	assert_int_equal(conf.pool_automation, DROVER_AUTOMATION_MANUAL);
	assert_int_equal(conf.pool_interval_s, 300);
	assert_int_equal(conf.storage_grace_s, 120);
	assert_int_equal(conf.pool_count, 1);
	assert_string_equal(conf.pools[0].name, "a");
	assert_string_equal(conf.pools[0].path, "/p");
	assert_string_equal(conf.pools[0].id, "");
	assert_string_equal(conf.pools[0].format, "raw");
	assert_false(conf.pools[0].mounted);
}

static void every_key(void **state)
{
	struct drover_conf conf;

	good(HOST "[storage]\ndelete_old = yes\nthreshold = 100\nautomation = full\n"
		  "interval_s = 86400\ngrace_s = 1\n"
		  "[pool fast.1]\npath = /srv/fast///\nid = san-1\nformat = qcow2\nmounted = yes\n"
		  "[pool slow]\npath = /srv/fast2\nid = san-2\nformat = raw\nmounted = no\n",
	     &conf);
	assert_true(conf.delete_old);
	assert_int_equal(conf.pool_threshold, 100);
	assert_int_equal(conf.pool_automation, DROVER_AUTOMATION_FULL);
	assert_int_equal(conf.pool_interval_s, 86400);
	assert_int_equal(conf.storage_grace_s, 1);
	assert_int_equal(conf.pool_count, 2);
	assert_string_equal(conf.pools[0].name, "fast.1");
	assert_string_equal(conf.pools[0].path, "/srv/fast");
	assert_string_equal(conf.pools[0].id, "san-1");
	assert_string_equal(conf.pools[0].format, "qcow2");
	assert_true(conf.pools[0].mounted);
	assert_string_equal(conf.pools[1].path, "/srv/fast2");
	good("[storage]\nautomation = partial\n", &conf);
	assert_int_equal(conf.pool_automation, DROVER_AUTOMATION_PARTIAL);
}

static void mistakes_in_storage(void **state)
{
	bad("[storage]\n[storage]\n", "drover.conf:2: a second section [storage]");
	bad("[storage x]\n", "drover.conf:1: unknown section [storage x]");
	bad("[storage]\npath = /p\n", "drover.conf:2: unknown key \"path\" in [storage]");
	bad("[storage]\nthreshold = 0\n", "drover.conf:2: \"0\" is no number from 1 to 100");
	bad("[storage]\nthreshold = 101\n", "drover.conf:2: \"101\" is no number from 1 to 100");
	bad("[storage]\nthreshold = 80%\n", "drover.conf:2: \"80%\" is no number from 1 to 100");
	bad("[storage]\ngrace_s = 0\n", "drover.conf:2: \"0\" is no number from 1 to 86400");
	bad("[storage]\ninterval_s = 86401\n",
	    "drover.conf:2: \"86401\" is no number from 1 to 86400");
	bad("[storage]\nautomation = auto\n",
	    "drover.conf:2: \"auto\" is none of manual, partial, full");
	bad("[storage]\ndelete_old = 1\n", "drover.conf:2: \"1\" is none of no, yes");
}

static void mistakes_in_pools(void **state)
{
	bad("[pool]\n", "drover.conf:1: \"\" is no valid name of a pool");
	bad("[pool ../a]\n", "drover.conf:1: \"../a\" is no valid name of a pool");
	bad(HOST "[pool a]\nid = x\n", "drover.conf:3: [pool a] has no path");
	bad("[pool a]\npath = p\n", "drover.conf:2: \"p\" is no absolute path");
	bad("[pool a]\npath =\n", "drover.conf:2: the value is empty");
	bad("[pool a]\npath = /\n", "drover.conf:2: \"/\" is no directory for a pool");
	bad("[pool a]\npath = /p//q\n", "drover.conf:2: \"/p//q\" is no directory for a pool");
	bad("[pool a]\npath = /p/../q\n", "drover.conf:2: \"/p/../q\" has \".\" or \"..\" in it");
	bad("[pool a]\npath = /p/./q\n", "drover.conf:2: \"/p/./q\" has \".\" or \"..\" in it");
	bad("[pool a]\npath = /p/..\n", "drover.conf:2: \"/p/..\" has \".\" or \"..\" in it");
	bad("[pool a]\npath = /p\nformat = vmdk\n", "drover.conf:3: \"vmdk\" is none of raw, qcow2");
	bad("[pool a]\npath = /p\nid = a b\n", "drover.conf:3: \"a b\" is no valid id of a pool");
	bad("[pool a]\npath = /p\nmounted = maybe\n",
	    "drover.conf:3: \"maybe\" is none of no, yes");
	bad("[pool a]\npath = /p\nsize = 1\n", "drover.conf:3: unknown key \"size\" in [pool a]");
	bad("[pool a]\npath = /p\n[pool a]\n", "drover.conf:3: a second section [pool a]");
}

static void pools_that_lie_in_each_other(void **state)
{
	struct drover_conf conf;

	bad("[pool a]\npath = /p\n[pool b]\npath = /p/\n",
	    "drover.conf:3: [pool a] and [pool b] lie in the same directory");
	bad("[pool a]\npath = /p\n#\n[pool b]\npath = /p/q\n[host]\n",
	    "drover.conf:4: [pool a] and [pool b] lie in the same directory");
	bad("[pool a]\npath = /p/q\n[pool c]\npath = /r\n[pool b]\npath = /p\n",
	    "drover.conf:5: [pool a] and [pool b] lie in the same directory");
	bad("[pool a]\npath = /p\nid = x\n[pool b]\npath = /q\nid = x\n",
	    "drover.conf:4: [pool a] and [pool b] have the same id");
	good(HOST "[pool a]\npath = /p/q\n[pool b]\npath = /p/q2\n[pool c]\npath = /p/r.d\n", &conf);
	assert_int_equal(conf.pool_count, 3);
}

static void so_many_and_no_more(void **state)
{
	struct drover_conf conf;
	char text[4096] = HOST;

	for (int i = 0; i < DROVER_POOLS_MAX; i++)
		sprintf(text + strlen(text), "[pool p%d]\npath = /p%d\n", i, i);
	good(text, &conf);
	assert_int_equal(conf.pool_count, 32);
	strcat(text, "[pool more]\npath = /more\n");
	bad(text, "drover.conf:67: more than 32 pools");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(mistakes_in_storage),
		cmocka_unit_test(mistakes_in_pools),
		cmocka_unit_test(pools_that_lie_in_each_other),
		cmocka_unit_test(so_many_and_no_more),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
