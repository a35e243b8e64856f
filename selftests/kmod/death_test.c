// SPDX-License-Identifier: GPL-2.0-only
/* Closing, and the sudden end of either process, in every phase; nothing may be left. */
#include <linux/close_range.h>
#include <poll.h>
#include <sys/syscall.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "client.h"

enum phase {
	CREATED,
	STARTED,
	HARVESTED,
	TAKEN,
	SENDING,
	STOPPED,
	PHASES
};

struct party {
	pid_t pid;
	int link;
};

/* What the VM's process tells of its file descriptors. */
struct fds {
	int vm, ram;
};

static int sessions_open(void)
{
	FILE *file = fopen("/sys/kernel/debug/drover/sessions", "r");
	char line[400];
	int lines = 0;

	if (!file)
		SKIP("no debugfs here");
	while (fgets(line, sizeof(line), file))
		lines++;
	fclose(file);
	return lines - 1;
}

static int module_users(void)
{
	FILE *file = fopen("/sys/module/drover/refcnt", "r");
	int count = -1;

	if (!file)
		SKIP("drover is not a module here");
	if (fscanf(file, "%d", &count) != 1)
		count = -1;
	fclose(file);
	return count;
}

/* The end of a process closes its files a little later than wait() returns. */
static void expect_nothing_left(void)
{
	int tries;

	for (tries = 0; tries < 200 && (sessions_open() || module_users()); tries++)
		usleep(10000);
	CHECK(!sessions_open() && !module_users(), "%d sessions, %d users", sessions_open(),
	      module_users());
}

static struct party start_party(void (*run)(int link))
{
	struct party party;
	int pair[2];

	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	party.link = pair[0];
	party.pid = fork();
	if (!party.pid) {
		close(pair[0]);
		run(pair[1]);
		pause();
		_exit(0);
	}
	close(pair[1]);
	return party;
}

static void end_party(struct party *party, int signal)
{
	kill(party->pid, signal);
	waitpid(party->pid, NULL, 0);
	close(party->link);
}

/* Only the VM's own process may ask KVM. */
static char count_logged(const struct vm *vm)
{
	static const unsigned int slots[] = { 0, 1, SMM, SMM | 1 };
	static uint64_t bits[VM_PAGES / 64];
	char count = 0;
	int n;

	for (n = 0; n < 4; n++) {
		struct kvm_dirty_log log = { .slot = slots[n], .dirty_bitmap = bits };

		count += !ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
	}
	return count;
}

/* The VM's process: writes to its RAM all the time. */
static void run_vm(int link)
{
	struct fds fds;
	char c;
	struct vm vm;
	uint64_t page;

	vm_create(&vm);
	vm_fill(&vm);
	fds = (struct fds){ vm.fd, vm.ram_fd };
	if (write(link, &fds, sizeof(fds)) != sizeof(fds))
		_exit(1);
	for (page = 0;; page = (page + 1) % VM_PAGES) {
		vm.ram[page * PAGE]++;
		if (page % 64)
			continue;
		usleep(1000);
		if (recv(link, &c, 1, MSG_DONTWAIT) == 1) {
			c = count_logged(&vm);
			if (write(link, &c, 1) != 1)
				_exit(1);
		}
	}
}

static struct party start_vm(struct vm *seen)
{
	struct party party = start_party(run_vm);
	struct fds fds;
	int pidfd;

	NEED(read(party.link, &fds, sizeof(fds)) == sizeof(fds));
	pidfd = syscall(SYS_pidfd_open, party.pid, 0);
	seen->fd = syscall(SYS_pidfd_getfd, pidfd, fds.vm, 0);
	seen->ram_fd = syscall(SYS_pidfd_getfd, pidfd, fds.ram, 0);
	NEED(seen->fd >= 0 && seen->ram_fd >= 0);
	close(pidfd);
	return party;
}

static void send_on(int session)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct drover_send send = { .count = 512 };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(!bind(listener, (void *)&at, len) && !listen(listener, 1));
	NEED(!getsockname(listener, (void *)&at, &len));
	send.socket_fd = socket(AF_INET, SOCK_STREAM, 0);
	NEED(!connect(send.socket_fd, (void *)&at, len));
	memset(send.data, 0xff, sizeof(send.data));
	/* nobody reads: it blocks once the buffers are full */
	while (!ioctl(session, DROVER_IOC_SEND, &send))
		;
}

/* Brings a session into a phase. */
static int session_at(const struct vm *vm, enum phase phase)
{
	struct drover_harvest harvest;
	struct pages pages;
	int session = session_create(vm, 0);

	NEED(session >= 0, "%s", reason);
	if (phase >= STARTED)
		NEED(session_start(session) == 4, "%s", reason);
	if (phase >= HARVESTED)
		NEED(!session_harvest(session, &harvest));
	if (phase >= TAKEN)
		session_take_all(session, &pages);
	if (phase == STOPPED)
		NEED(!ioctl(session, DROVER_IOC_STOP));
	return session;
}

static enum phase agent_phase;
static struct vm agent_vm;

static void run_agent(int link)
{
	int session = session_at(&agent_vm, agent_phase);

	if (write(link, "", 1) != 1)
		_exit(1);
	if (agent_phase == SENDING)
		send_on(session);
}

/* Asks the VM's process how many of its slots are under log. */
static int slots_logged(const struct party *machine)
{
	char count = -1;

	NEED(write(machine->link, "", 1) == 1 && read(machine->link, &count, 1) == 1);
	return count;
}

TEST(close_in_each_phase)
{
	enum phase phase;
	struct vm vm;

	vm_create(&vm);
	for (phase = CREATED; phase < PHASES; phase++) {
		if (phase == SENDING)
			continue;
		close(session_at(&vm, phase));
		CHECK(!sessions_open(), "phase %d", phase);
	}
	expect_nothing_left();
}

TEST(agent_killed_in_each_phase)
{
	struct party machine, agent;
	char c;

	machine = start_vm(&agent_vm);
	for (agent_phase = CREATED; agent_phase < PHASES; agent_phase++) {
		agent = start_party(run_agent);
		NEED(read(agent.link, &c, 1) == 1, "phase %d", agent_phase);
		usleep(agent_phase == SENDING ? 200000 : 0);
		end_party(&agent, SIGKILL);
		expect_nothing_left();
		CHECK(!slots_logged(&machine));
	}
	CHECK(!kill(machine.pid, 0) && !waitpid(machine.pid, NULL, WNOHANG));
	end_party(&machine, SIGKILL);
}

TEST(vm_killed_in_each_phase)
{
	enum phase phase;

	for (phase = CREATED; phase < PHASES; phase++) {
		struct drover_take take = { .count = 64 };
		struct drover_harvest harvest;
		struct pollfd poller;
		struct party machine;
		struct vm vm;
		int session;

		if (phase == SENDING)
			continue;
		machine = start_vm(&vm);
		session = session_at(&vm, phase);
		poller = (struct pollfd){ session, 0, 0 };
		CHECK(!poll(&poller, 1, 0));
		end_party(&machine, SIGKILL);
		CHECK(poll(&poller, 1, 5000) == 1 && poller.revents == POLLHUP, "phase %d", phase);
		CHECK_ERROR(session_harvest(session, &harvest), ESRCH);
		CHECK_ERROR(session_start(session), ESRCH);
		CHECK(!strcmp(reason, "the VM's process is gone"), "%s", reason);
		CHECK(!ioctl(session, DROVER_IOC_TAKE, &take));
		close(session);
		CHECK_ERROR(session_create(&vm, 0), ESRCH);
		CHECK(!strcmp(reason, "the VM's process is gone"), "%s", reason);
		close(vm.fd);
		close(vm.ram_fd);
		expect_nothing_left();
	}
}

TEST(vm_killed_while_harvesting)
{
	int round;

	for (round = 0; round < 10; round++) {
		struct drover_harvest harvest;
		struct party machine;
		struct vm vm;
		int session, ret;

		machine = start_vm(&vm);
		session = session_at(&vm, HARVESTED);
		if (!fork()) {
			usleep(5000 * round);
			kill(machine.pid, SIGKILL);
			_exit(0);
		}
		do {
			ret = session_harvest(session, &harvest);
		} while (!ret);
		CHECK(errno == ESRCH || errno == ESTALE);
		end_party(&machine, SIGKILL);
		close(session);
		close(vm.fd);
		close(vm.ram_fd);
		wait(NULL);
		expect_nothing_left();
	}
}

TEST(both_killed_at_once)
{
	char c;

	for (agent_phase = CREATED; agent_phase < PHASES; agent_phase++) {
		struct party machine = start_vm(&agent_vm);
		struct party agent = start_party(run_agent);

		NEED(read(agent.link, &c, 1) == 1);
		kill(machine.pid, SIGKILL);
		end_party(&agent, SIGKILL);
		end_party(&machine, SIGKILL);
		close(agent_vm.fd);
		close(agent_vm.ram_fd);
		expect_nothing_left();
	}
}

TEST(module_stays_while_a_session_is_open)
{
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_at(&vm, STARTED);
	CHECK_ERROR(syscall(SYS_delete_module, "drover", O_NONBLOCK), EWOULDBLOCK);
	close(session);
	expect_nothing_left();
}

/* A session that is passed on lives until its last holder closes it. */
TEST(session_outlives_its_maker)
{
	struct vm vm;
	int session, child, go[2];
	char c;

	vm_create(&vm);
	NEED(!pipe(go));
	session = session_at(&vm, HARVESTED);
	child = fork();
	if (!child) {
		close(go[1]);
		c = read(go[0], &c, 1);
		_exit(0);
	}
	close(session);
	CHECK(sessions_open() == 1);
	CHECK_ERROR(session_create(&vm, 0), EBUSY);
	close(go[1]);
	waitpid(child, NULL, 0);
	expect_nothing_left();
	CHECK(session_create(&vm, 0) >= 0);
}

TEST_MAIN
