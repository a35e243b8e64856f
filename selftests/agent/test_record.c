// SPDX-License-Identifier: GPL-2.0-or-later
/* The durable records: what was written first stands, and damage is never read as a word. */
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "migrate/record.h"

#define RUNNING DROVER_DECISION_RUNNING
#define NEVER	DROVER_DECISION_NEVER
#define NONE	DROVER_DECISION_NONE

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	struct drover_conf *conf = calloc(1, sizeof(*conf));

	strcpy(conf->state_dir, "/tmp/drover-record.XXXXXX");
	if (!mkdtemp(conf->state_dir) || drover_record_init(conf, NULL) < 0)
		return -1;
	*state = conf;
	return 0;
}

static int teardown(void **state)
{
	struct drover_conf *conf = *state;

	nftw(conf->state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(conf);
	return 0;
}

static void put(const struct drover_conf *conf, const char *name, const char *text)
{
	char path[DROVER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", conf->state_dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static enum drover_decision decide(const struct drover_conf *conf, uint64_t id,
				   enum drover_decision want)
{
	enum drover_decision got = 99;
	struct drover_err err = { 0 };

	assert_int_equal(drover_record_decide(conf, "host1", id, want, &got, &err), 0);
	return got;
}

static void init_is_repeatable(void **state)
{
	struct drover_conf *conf = *state;
	struct drover_err err = { 0 };
	struct stat st;
	char path[DROVER_PATH_MAX];

	assert_int_equal(drover_record_init(conf, &err), 0);
	snprintf(path, sizeof(path), "%s/migrations", conf->state_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void first_decision_stands(void **state)
{
	struct drover_conf *conf = *state;

	assert_int_equal(decide(conf, 1, NONE), NONE);
	assert_int_equal(decide(conf, 1, RUNNING), RUNNING);
	assert_int_equal(decide(conf, 1, NEVER), RUNNING);
	assert_int_equal(decide(conf, 1, NONE), RUNNING);
	assert_int_equal(decide(conf, 2, NEVER), NEVER);
	assert_int_equal(decide(conf, 2, RUNNING), NEVER);
	assert_int_equal(decide(conf, UINT64_MAX, RUNNING), RUNNING);
	assert_int_equal(decide(conf, UINT64_MAX, NEVER), RUNNING);
}

static void sources_do_not_mix(void **state)
{
	enum drover_decision got;

	assert_int_equal(drover_record_decide(*state, "host", 11, RUNNING, &got, NULL), 0);
	assert_int_equal(drover_record_decide(*state, "host-1", 1, NEVER, &got, NULL), 0);
	assert_int_equal(got, NEVER);
	assert_int_equal(drover_record_decide(*state, "host1", 1, NONE, &got, NULL), 0);
	assert_int_equal(got, NONE);
}

struct racer {
	const struct drover_conf *conf;
	enum drover_decision want, got;
	uint64_t id;
	int result;
	pthread_t thread;
	pthread_barrier_t *start;
};

static void *race(void *data)
{
	struct racer *r = data;

	pthread_barrier_wait(r->start);
	r->result = drover_record_decide(r->conf, "host1", r->id, r->want, &r->got, NULL);
	return NULL;
}

static void threads_agree(void **state)
{
	for (uint64_t id = 100; id < 150; id++) {
		struct racer r[6];
		pthread_barrier_t start;

		pthread_barrier_init(&start, NULL, 6);
		for (int i = 0; i < 6; i++) {
			r[i] = (struct racer){ *state, i % 2 ? RUNNING : NEVER, NONE, id };
			r[i].start = &start;
			pthread_create(&r[i].thread, NULL, race, &r[i]);
		}
		for (int i = 0; i < 6; i++)
			pthread_join(r[i].thread, NULL);
		for (int i = 0; i < 6; i++) {
			assert_int_equal(r[i].result, 0);
			assert_int_equal(r[i].got, r[0].got);
		}
		assert_int_equal(decide(*state, id, NONE), r[0].got);
		pthread_barrier_destroy(&start);
	}
}

static void retract_turns_running_into_never(void **state)
{
	assert_int_equal(decide(*state, 3, RUNNING), RUNNING);
	assert_int_equal(drover_record_retract(*state, "host1", 3, NULL), 0);
	assert_int_equal(decide(*state, 3, RUNNING), NEVER);
	assert_int_equal(decide(*state, 3, NONE), NEVER);
}

/* Neither the one word nor the other may be read out of a file that says neither. */
static void damaged_decision_decides_nothing(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "{}", "running", "{\"decision\": 1}", "{\"decision\": \"runnin",
		"{\"decision\": \"\"}", "{\"decision\": \"runnimg\"}", "{\"decision\": null}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		enum drover_decision got = 99;
		struct drover_err err = { 0 };

		put(*state, "migrations/decision-host1-4", texts[i]);
		assert_int_equal(drover_record_decide(*state, "host1", 4, NEVER, &got, &err), -EBADMSG);
		assert_int_equal(got, 99);
		assert_non_null(strstr(err.text, "decision-host1-4 is damaged"));
		/* Asking does not mend it. */
		assert_int_equal(drover_record_decide(*state, "host1", 4, NONE, &got, &err), -EBADMSG);
	}
}

static void commits_are_kept_until_settled(void **state)
{
	struct drover_commit *list = NULL;
	size_t count = 99;

	assert_int_equal(drover_record_commits(*state, &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(list);
	for (uint64_t id = 1; id <= 3; id++) {
		struct drover_commit c = { .id = id == 3 ? UINT64_MAX : id, .vm = "web1",
					   .target = "host2" };

		assert_int_equal(drover_record_commit(*state, &c, NULL), 0);
	}
	/* What a power loss leaves of a commit that was never made. */
	put(*state, "migrations/commit-9.new", "{");
	put(*state, "migrations/decision-host1-1", "{");
	assert_int_equal(drover_record_settle(*state, 2, NULL), 0);
	assert_int_equal(drover_record_settle(*state, 2, NULL), 0);
	assert_int_equal(drover_record_commits(*state, &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_true(list[i].id == 1 || list[i].id == UINT64_MAX);
		assert_string_equal(list[i].vm, "web1");
		assert_string_equal(list[i].target, "host2");
	}
	assert_true(list[0].id != list[1].id);
	free(list);
}

static void commits_know_their_disks(void **state)
{
	struct drover_commit c = { .id = 7, .vm = "web1", .target = "host2", .delete_old = true,
				   .disk_count = DROVER_DISKS_MAX }, *list;
	size_t count;

	for (int i = 0; i < DROVER_DISKS_MAX; i++) {
		struct drover_commit_disk *d = &c.disks[i];

		snprintf(d->disk, sizeof(d->disk), "disk%d", i);
		memset(d->old_path, 'a' + i, sizeof(d->old_path) - 1);
		memset(d->new_path, 'A' + i, sizeof(d->new_path) - 1);
		strcpy(d->old_format, "raw");
		strcpy(d->new_format, "qcow2");
	}
	assert_int_equal(drover_record_commit(*state, &c, NULL), 0);
	assert_int_equal(drover_record_commits(*state, &list, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_memory_equal(list, &c, sizeof(c));
	free(list);
	/* One of an earlier release. */
	put(*state, "migrations/commit-7", "{\"id\": 7, \"vm\": \"web1\", \"target\": \"host2\"}");
	assert_int_equal(drover_record_commits(*state, &list, &count, NULL), 0);
	assert_int_equal(list[0].disk_count, 0);
	assert_false(list[0].delete_old);
	free(list);
}

static void a_vm_with_a_commit_is_not_settled(void **state)
{
	struct drover_commit c = { .id = 7, .vm = "web1", .target = "host2" };
	struct drover_err err = { 0 };

	assert_int_equal(drover_record_check_settled(*state, "web1", &err), 0);
	assert_int_equal(drover_record_commit(*state, &c, NULL), 0);
	assert_int_equal(drover_record_check_settled(*state, "web", &err), 0);
	assert_int_equal(drover_record_check_settled(*state, "web1", &err), -EBUSY);
	assert_string_equal(err.text, "migration 7 of vm web1 is not settled here yet; restart droverd");
	assert_int_equal(drover_record_settle(*state, 7, NULL), 0);
	assert_int_equal(drover_record_check_settled(*state, "web1", NULL), 0);
	put(*state, "migrations/commit-8", "{");
	assert_int_equal(drover_record_check_settled(*state, "web1", NULL), -EBADMSG);
}

struct settler {
	const struct drover_conf *conf;
	atomic_bool stop;
};

static void *commit_and_settle(void *data)
{
	struct drover_commit c = { .id = 1, .vm = "web1", .target = "host2" };
	struct settler *s = data;

	while (!s->stop) {
		drover_record_commit(s->conf, &c, NULL);
		drover_record_settle(s->conf, c.id, NULL);
	}
	return NULL;
}

/* A migration that settles just now is nothing to those of other VMs. */
static void others_may_settle_meanwhile(void **state)
{
	struct settler s = { .conf = *state };
	struct drover_err err = { 0 };
	pthread_t thread;

	pthread_create(&thread, NULL, commit_and_settle, &s);
	for (int i = 0; i < 5000; i++)
		if (drover_record_check_settled(*state, "web2", &err) < 0)
			break;
	s.stop = true;
	pthread_join(thread, NULL);
	assert_string_equal(err.text, "");
}

static void damaged_commit_is_an_error(void **state)
{
	static const char *const texts[] = {
		"", "{\"id\": 5}", "{\"id\": 5, \"vm\": \"web1\", \"target",
		"{\"id\": 5, \"vm\": \"web1\", \"target\": \"host2\", \"disks\": [{}]}",
	};
	struct drover_commit good = { .id = 1, .vm = "web1", .target = "host2" };

	assert_int_equal(drover_record_commit(*state, &good, NULL), 0);
	for (int i = 0; i < 4; i++) {
		struct drover_commit *list = NULL;
		struct drover_err err = { 0 };
		size_t count = 99;

		put(*state, "migrations/commit-5", texts[i]);
		assert_int_equal(drover_record_commits(*state, &list, &count, &err), -EBADMSG);
		assert_null(list);
		assert_int_equal(count, 99);
		assert_non_null(strstr(err.text, "commit-5 is damaged"));
	}
}

static void commit_survives_being_written_twice(void **state)
{
	struct drover_commit c = { .id = 7, .vm = "web1", .target = "host2" }, *list;
	size_t count;

	assert_int_equal(drover_record_commit(*state, &c, NULL), 0);
	assert_int_equal(drover_record_commit(*state, &c, NULL), 0);
	assert_int_equal(drover_record_commits(*state, &list, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].id, 7);
	free(list);
}

/* As a full disk: no file may grow beyond @bytes. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_disk_decides_nothing(void **state)
{
	struct drover_commit c = { .id = 8, .vm = "web1", .target = "host2" }, *list;
	struct drover_err err = { 0 };
	enum drover_decision got = 99;
	size_t count = 99;
	int decided, committed;

	limit_files(5);
	decided = drover_record_decide(*state, "host1", 8, RUNNING, &got, &err);
	committed = drover_record_commit(*state, &c, NULL);
	limit_files(RLIM_INFINITY);
	assert_int_equal(decided, -EFBIG);
	assert_int_equal(committed, -EFBIG);
	assert_int_equal(got, 99);
	assert_non_null(strstr(err.text, "cannot write"));
	assert_int_equal(drover_record_commits(*state, &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(list);
	/* The other decision is still free. */
	assert_int_equal(decide(*state, 8, NEVER), NEVER);
}

static void full_disk_keeps_what_was_there(void **state)
{
	int r;

	assert_int_equal(decide(*state, 9, RUNNING), RUNNING);
	limit_files(5);
	r = drover_record_retract(*state, "host1", 9, NULL);
	limit_files(RLIM_INFINITY);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(decide(*state, 9, NONE), RUNNING);
}

static void no_directory(void **state)
{
	struct drover_commit c = { .id = 1, .vm = "web1", .target = "host2" }, *list;
	struct drover_conf conf = *(struct drover_conf *)*state;
	struct drover_err err = { 0 };
	enum drover_decision got = 99;
	size_t count;

	put(*state, "file", "");
	strcat(conf.state_dir, "/file");
	assert_int_equal(drover_record_init(&conf, &err), -ENOTDIR);
	assert_int_equal(drover_record_commit(&conf, &c, &err), -ENOTDIR);
	assert_int_equal(drover_record_commits(&conf, &list, &count, &err), -ENOTDIR);
	assert_true(drover_record_decide(&conf, "host1", 1, NEVER, &got, &err) < 0);
	assert_int_equal(got, 99);
}

static void placement(void **state)
{
	char host[DROVER_NAME_LEN] = "unset";
	struct drover_err err = { 0 };

	assert_int_equal(drover_record_where(*state, "web1", host, &err), 0);
	assert_string_equal(host, "");
	assert_int_equal(drover_record_moved(*state, "web1", "host2", &err), 0);
	assert_int_equal(drover_record_moved(*state, "web1", "host3", &err), 0);
	assert_int_equal(drover_record_where(*state, "web1", host, &err), 0);
	assert_string_equal(host, "host3");
	assert_int_equal(drover_record_moved(*state, "web1", NULL, &err), 0);
	assert_int_equal(drover_record_moved(*state, "web1", NULL, &err), 0);
	assert_int_equal(drover_record_where(*state, "web1", host, &err), 0);
	assert_string_equal(host, "");
	put(*state, "placement/web1.json", "{\"host\": 1}");
	assert_int_equal(drover_record_where(*state, "web1", host, &err), -EBADMSG);
}

/* "web1.new" is a name that a VM may have. */
static void placement_of_similar_names(void **state)
{
	char host[DROVER_NAME_LEN];

	assert_int_equal(drover_record_moved(*state, "web1.new", "host2", NULL), 0);
	assert_int_equal(drover_record_moved(*state, "web1", "host3", NULL), 0);
	assert_int_equal(drover_record_where(*state, "web1.new", host, NULL), 0);
	assert_string_equal(host, "host2");
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(init_is_repeatable),
		test(first_decision_stands),
		test(sources_do_not_mix),
		test(threads_agree),
		test(retract_turns_running_into_never),
		test(damaged_decision_decides_nothing),
		test(commits_are_kept_until_settled),
		test(commits_know_their_disks),
		test(a_vm_with_a_commit_is_not_settled),
		test(others_may_settle_meanwhile),
		test(damaged_commit_is_an_error),
		test(commit_survives_being_written_twice),
		test(full_disk_decides_nothing),
		test(full_disk_keeps_what_was_there),
		test(no_directory),
		test(placement),
		test(placement_of_similar_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
