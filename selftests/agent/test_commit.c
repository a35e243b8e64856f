// SPDX-License-Identifier: GPL-2.0-or-later
/* The target's word, and what becomes of its VM: given, not come true, heard by the next agent. */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "core/clock.h"
#include "migrate/record.h"
#include "migrate/target.h"
#include "migrate/target_stages.h"
#include "monitor.h"
#include "vm/qmp.h"
#include "vm/state.h"

#define DEFINITION "[vm]\nname = %s\nmemory = 16\n"

static char dir[64];
static struct drover_conf conf;

static const char *in(const char *fmt, ...)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];
	int n = snprintf(path, sizeof(paths[0]), "%s/", dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(paths[0]) - n, fmt, ap);
	va_end(ap);
	return path;
}

/* This many times more a directory cannot be synced: what was written to it may stand or not. */
static int unsynced;

int fsync(int fd)
{
	struct stat st;

	if (unsynced && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		unsynced--;
		errno = EIO;
		return -1;
	}
	return syscall(SYS_fsync, fd);
}

/* Its "QEMU" is a child of ours that sleeps, and a monitor. */
struct guest {
	struct drover_vm *vm;
	struct monitor monitor;
};

static void guest_start(struct guest *g, const char *name)
{
	struct drover_vm *vm = calloc(1, sizeof(*vm));
	struct drover_err err = { 0 };
	const char *socket;

	strcpy(vm->def.name, name);
	strcpy(vm->dir, in("run/vms/%s", name));
	strcpy(vm->ram_path, in("%s.ram", name));
	vm->ram_fd = -1;
	vm->incoming = true;
	assert_true(asprintf(&vm->text, DEFINITION, name) > 0);
	assert_int_equal(drover_io_mkdirs(vm->dir, 0755, NULL), 0);
	vm->pid = fork();
	if (!vm->pid) {
		pause();
		_exit(0);
	}
	vm->pidfd = syscall(SYS_pidfd_open, vm->pid, 0);
	assert_int_equal(drover_state_text(vm, &err), 0);
	assert_int_equal(drover_vm_save(vm, &err), 0);
	socket = in("%s.sock", name);
	monitor_start(&g->monitor, socket);
	assert_int_equal(drover_qmp_connect(socket, 5000, &vm->qmp, &err), 0);
	g->vm = vm;
}

static bool lives(const struct guest *g)
{
	struct pollfd p = { .fd = g->vm->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* Also of one that has ended. */
static void guest_end(struct guest *g)
{
	if (g->vm)
		drover_vm_kill(g->vm, DROVER_VM_KILL_MS, NULL);
	drover_vm_release(g->vm);
	monitor_end(&g->monitor);
}

static int setup(void **state)
{
	unsynced = 0;
	strcpy(dir, "/tmp/drover-commit.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	loop_conf(&conf, "host2", "host1");
	snprintf(conf.state_dir, sizeof(conf.state_dir), "%s/state", dir);
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s/run", dir);
	return drover_record_init(&conf, NULL);
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static enum drover_decision word(uint64_t id)
{
	enum drover_decision got = 99;

	assert_int_equal(drover_record_decide(&conf, "host1", id, DROVER_DECISION_NONE, &got, NULL), 0);
	return got;
}

/* --- Commit --- */

static void note_change(void *data, const struct drover_migration_info *info)
{
}

static const struct drover_migrate_env env = { .conf = &conf, .changed = note_change };

/* A migration whose target is ready, and the source's end of its control connection. */
struct arrival {
	struct guest guest;
	struct drover_target t;
	struct drover_peer *source;
};

static void arrival_start(struct arrival *a, const char *vm, uint64_t id)
{
	struct drover_err err = { 0 };

	memset(a, 0, sizeof(*a));
	guest_start(&a->guest, vm);
	loop_peers(&a->source, &a->t.peer);
	a->t.m = drover_migration_create(&env, id, vm, "host1", "host2");
	a->t.vm = a->guest.vm;
	assert_int_equal(drover_qmp_connect(in("%s.sock", vm), 5000, &a->t.qmp, &err), 0);
}

static void arrival_end(struct arrival *a)
{
	a->guest.vm = a->t.vm;
	drover_qmp_close(a->t.qmp);
	guest_end(&a->guest);
	drover_peer_close(a->source);
	drover_peer_close(a->t.peer);
	drover_migration_put(a->t.m);
}

static int take_over(struct arrival *a)
{
	Drover__Commit commit = DROVER__COMMIT__INIT;
	struct drover_err err = { 0 };

	commit.migration_id = a->t.m->info.id;
	return drover_target_take_over(&a->t, &commit, &err);
}

static enum drover_decision outcome(uint64_t id)
{
	enum drover_decision got = 99;
	struct drover_err err = { 0 };

	if (drover_target_outcome(&conf, "host1", id, &got, &err) < 0)
		fail_msg("%s", err.text);
	return got;
}

static void a_word_comes_true(void **state)
{
	struct arrival a;

	arrival_start(&a, "web1", 7);
	assert_int_equal(take_over(&a), 0);
	assert_true(a.t.running && a.t.decided);
	assert_true(lives(&a.guest));
	assert_int_equal(a.guest.monitor.granted, 1);
	assert_int_equal(outcome(7), DROVER_DECISION_RUNNING);
	arrival_end(&a);
}

static void never_stands(void **state)
{
	struct arrival a;

	arrival_start(&a, "web1", 7);
	assert_int_equal(outcome(7), DROVER_DECISION_NEVER);
	assert_int_equal(take_over(&a), -ECONNABORTED);
	assert_false(a.t.running || a.t.decided);
	assert_int_equal(a.guest.monitor.granted, 0);
	arrival_end(&a);
}

static void a_word_that_does_not_come_true_is_taken_back(void **state)
{
	struct arrival a;

	arrival_start(&a, "web1", 7);
	a.guest.monitor.refuse = 1;
	assert_int_equal(take_over(&a), -EREMOTEIO);
	assert_false(a.t.running || a.t.decided);
	assert_null(a.t.vm);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(outcome(7), DROVER_DECISION_NEVER);
	arrival_end(&a);
}

/* The writing failed, and yet the word can be read: it must not be left to stand. */
static void a_word_that_may_stand_is_taken_back(void **state)
{
	struct arrival a;

	arrival_start(&a, "web1", 7);
	unsynced = 1;
	assert_int_equal(take_over(&a), -EIO);
	assert_false(a.t.running || a.t.decided);
	assert_null(a.t.vm);
	assert_int_equal(a.guest.monitor.granted, 0);
	assert_int_equal(word(7), DROVER_DECISION_NEVER);
	arrival_end(&a);
}

static void what_cannot_be_taken_back_is_known(void **state)
{
	struct arrival a;

	arrival_start(&a, "web1", 7);
	unsynced = 2;
	assert_int_equal(take_over(&a), -EIO);
	assert_false(a.t.running);
	assert_true(a.t.decided);
	assert_null(a.t.vm);
	arrival_end(&a);
}

/* As one whose memory takes the kernel too long: no pidfd, so that it cannot be ended. */
static void one_that_does_not_end_remains(void **state)
{
	struct arrival a;
	pid_t pid;

	arrival_start(&a, "web1", 7);
	pid = a.t.vm->pid;
	dup2(open("/dev/null", O_RDONLY), a.t.vm->pidfd);
	a.guest.monitor.refuse = 1;
	assert_int_equal(take_over(&a), -EREMOTEIO);
	assert_true(a.t.remains && a.t.decided);
	assert_null(a.t.vm);
	assert_int_equal(outcome(7), DROVER_DECISION_RUNNING);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	arrival_end(&a);
}

static void *take_over_in_thread(void *data)
{
	return (void *)(intptr_t)take_over(data);
}

static void *ask_in_thread(void *data)
{
	return (void *)(intptr_t)outcome(*(uint64_t *)data);
}

static void await_word(uint64_t id)
{
	for (int i = 0; i < 5000 && word(id) != DROVER_DECISION_RUNNING; i++)
		usleep(1000);
	assert_int_equal(word(id), DROVER_DECISION_RUNNING);
}

/* One whose QEMU takes its time: who asks about that one waits, and nobody else does. */
static void a_slow_one_holds_up_itself_alone(void **state)
{
	uint64_t id = 7, begin = drover_clock_monotonic();
	struct arrival slow, quick;
	pthread_t taking, asking;
	void *result;

	arrival_start(&slow, "web1", 7);
	arrival_start(&quick, "web2", 8);
	slow.guest.monitor.hold = true;
	slow.guest.monitor.refuse = 1;
	pthread_create(&taking, NULL, take_over_in_thread, &slow);
	await_word(7);
	pthread_create(&asking, NULL, ask_in_thread, &id);
	assert_int_equal(take_over(&quick), 0);
	assert_int_equal(outcome(8), DROVER_DECISION_RUNNING);
	assert_int_equal(outcome(9), DROVER_DECISION_NEVER);
	/* Of the two answers that it could give only one is true. */
	usleep(100000);
	assert_int_equal(pthread_tryjoin_np(asking, NULL), EBUSY);
	assert_in_range(drover_clock_monotonic() - begin, 0, 10000000);
	slow.guest.monitor.hold = false;
	pthread_join(taking, &result);
	assert_int_equal((intptr_t)result, -EREMOTEIO);
	pthread_join(asking, &result);
	assert_int_equal((intptr_t)result, DROVER_DECISION_NEVER);
	arrival_end(&slow);
	arrival_end(&quick);
}

static void a_device_state_that_does_not_come(void **state)
{
	uint64_t begin = drover_clock_monotonic();
	struct drover_arrival a = { .device_done = true };
	struct drover_err err = { 0 };

	assert_int_equal(drover_arrival_wait_device(&a, 300, &err), 0);
	a.device_done = false;
	assert_int_equal(drover_arrival_wait_device(&a, 300, &err), -ETIMEDOUT);
	assert_text(err, "no device state came");
	assert_in_range(drover_clock_monotonic() - begin, 300000, 5000000);
}

/* --- the next agent --- */

static void came_from(const char *vm, uint64_t id)
{
	char text[64];

	snprintf(text, sizeof(text), "host1 %llu\n", (unsigned long long)id);
	assert_int_equal(drover_io_write_durable(in("run/vms/%s/incoming", vm), text, strlen(text), 0600,
						 NULL), 0);
}

static void decide(uint64_t id, enum drover_decision want)
{
	enum drover_decision got;

	assert_int_equal(drover_record_decide(&conf, "host1", id, want, &got, NULL), 0);
}

static bool adopt(struct guest *g)
{
	struct drover_err err = { 0 };
	bool runs = false;

	if (drover_target_adopt(&conf, g->vm, &runs, &err) < 0)
		fail_msg("%s", err.text);
	return runs;
}

static void the_next_agent_keeps_the_word(void **state)
{
	struct guest g;

	guest_start(&g, "web1");
	came_from("web1", 7);
	decide(7, DROVER_DECISION_RUNNING);
	assert_true(adopt(&g));
	assert_int_equal(g.monitor.granted, 1);
	assert_false(g.vm->incoming);
	assert_int_equal(access(in("run/vms/web1/incoming"), F_OK), -1);
	guest_end(&g);
	guest_start(&g, "web2");
	came_from("web2", 8);
	assert_false(adopt(&g));
	assert_false(lives(&g));
	assert_int_equal(word(8), DROVER_DECISION_NEVER);
	guest_end(&g);
}

/* vm.json cannot be written, so the agent after next reads in it that the VM is arriving still. */
static void a_vm_that_could_not_be_saved_runs_on(void **state)
{
	struct guest g;

	guest_start(&g, "web1");
	came_from("web1", 7);
	decide(7, DROVER_DECISION_RUNNING);
	assert_int_equal(mkdir(in("run/vms/web1/vm.json.new"), 0755), 0);
	assert_true(adopt(&g));
	g.vm->incoming = true;
	assert_true(adopt(&g));
	assert_true(lives(&g));
	assert_int_equal(rmdir(in("run/vms/web1/vm.json.new")), 0);
	assert_true(adopt(&g));
	assert_int_equal(access(in("run/vms/web1/incoming"), F_OK), -1);
	guest_end(&g);
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_PLACE(a_word_comes_true),
		IN_A_PLACE(never_stands),
		IN_A_PLACE(a_word_that_does_not_come_true_is_taken_back),
		IN_A_PLACE(a_word_that_may_stand_is_taken_back),
		IN_A_PLACE(what_cannot_be_taken_back_is_known),
		IN_A_PLACE(one_that_does_not_end_remains),
		IN_A_PLACE(a_slow_one_holds_up_itself_alone),
		IN_A_PLACE(a_device_state_that_does_not_come),
		IN_A_PLACE(the_next_agent_keeps_the_word),
		IN_A_PLACE(a_vm_that_could_not_be_saved_runs_on),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
