// SPDX-License-Identifier: GPL-2.0-only
/* What TAKE says of pages, and what SEND puts on the wire. */
#include <arpa/inet.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <time.h>

#include "client.h"

/* A connected pair of TCP sockets. */
static void tcp_pair(int family, int pair[2])
{
	struct sockaddr_storage at = { .ss_family = family };
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&at)->sin6_addr = in6addr_loopback;
	if (bind(listener, (void *)&at, len))
		SKIP("no loopback address of family %d", family);
	NEED(!listen(listener, 1) && !getsockname(listener, (void *)&at, &len));
	pair[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(!connect(pair[0], (void *)&at, len));
	pair[1] = accept(listener, NULL, NULL);
	NEED(pair[1] >= 0);
	close(listener);
}

struct reader {
	int fd;
	useconds_t pause;
	uint8_t *bytes;
	size_t count, room;
};

static void *read_on(void *arg)
{
	struct reader *reader = arg;
	ssize_t n;

	while ((n = read(reader->fd, reader->bytes + reader->count,
			 reader->room - reader->count)) > 0) {
		reader->count += n;
		usleep(reader->pause);
	}
	return NULL;
}

/* A created VM with data in some pages, a hole in some, zeros in some. */
static void vm_mixed(struct vm *vm)
{
	uint64_t page;

	vm_create(vm);
	for (page = 0; page < VM_PAGES; page++) {
		if (page % 3 == 0)
			memset(vm->ram + page * PAGE, 1 + page % 255, PAGE);
		if (page % 3 == 1 && page != CODE_PAGE)
			vm->ram[page * PAGE] = 0;
	}
	/* one byte, at the very end */
	vm->ram[(5 + 1) * PAGE - 1] = 1;
	NEED(!fallocate(vm->ram_fd, 0, 8 * PAGE, PAGE));
}

static int session_harvested(struct vm *vm)
{
	struct drover_harvest harvest;
	int session = session_create(vm, 0);

	NEED(session >= 0, "%s", reason);
	NEED(session_start(session) == 4, "%s", reason);
	NEED(!session_harvest(session, &harvest));
	return session;
}

static uint64_t file_blocks(const struct vm *vm)
{
	struct stat st;

	NEED(!fstat(vm->ram_fd, &st));
	return st.st_blocks;
}

TEST(take_tells_data_from_zero)
{
	struct pages pages;
	uint64_t page, blocks;
	struct vm vm;
	int session;

	vm_mixed(&vm);
	session = session_harvested(&vm);
	blocks = file_blocks(&vm);
	session_take_all(session, &pages);
	for (page = 0; page < VM_PAGES; page++) {
		char kind = page % 3 == 0 || page == CODE_PAGE || page == 5 ? 'd' : 'z';

		CHECK(pages.kind[page] == kind, "page %llu is '%c'", (unsigned long long)page,
		      pages.kind[page] ?: '-');
	}
	CHECK(file_blocks(&vm) == blocks, "a hole was filled");
	session_take_all(session, &pages);
	CHECK(!pages.count);
}

TEST(take_leaves_the_rest)
{
	struct drover_take take = { .first = 64, .count = 70 };
	struct pages pages;
	struct vm vm;
	int session;

	vm_mixed(&vm);
	session = session_harvested(&vm);
	NEED(!ioctl(session, DROVER_IOC_TAKE, &take));
	CHECK(take.data_pages + take.zero_pages == 70);
	CHECK((take.data[1] | take.zero[1]) == 0x3f && !take.data[2] && !take.zero[2]);
	session_take_all(session, &pages);
	CHECK(pages.count == VM_PAGES - 70);
	CHECK(pages.kind[63] && !pages.kind[64] && !pages.kind[133] && pages.kind[134]);
}

static int send_range(int session, int socket, uint64_t first, uint32_t count, uint64_t *bytes)
{
	struct drover_send send = { .socket_fd = socket, .first = first, .count = count };
	int ret;

	memset(send.data, 0xff, count / 8);
	ret = ioctl(session, DROVER_IOC_SEND, &send);
	*bytes = send.bytes;
	return ret;
}

/* Hands the keys of a TLS 1.3 connection to the kernel, as a TLS library would. */
static void use_kernel_tls(const int pair[2])
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info = { TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128 },
		.key = "0123456789abcde",
		.iv = "iv",
		.salt = "sal",
	};
	int n;

	for (n = 0; n < 2; n++)
		if (setsockopt(pair[n], SOL_TCP, TCP_ULP, "tls", sizeof("tls")))
			SKIP("no kernel TLS here");
	NEED(!setsockopt(pair[0], SOL_TLS, TLS_TX, &keys, sizeof(keys)));
	NEED(!setsockopt(pair[1], SOL_TLS, TLS_RX, &keys, sizeof(keys)));
}

/* Takes and sends all that was harvested; the other end gets just the data pages, in order. */
static void check_stream(int family, int sndbuf, useconds_t pause, void (*prepare)(const int pair[2]))
{
	struct reader reader = { .pause = pause, .room = 2 * VM_BYTES };
	size_t expected = 0;
	pthread_t thread;
	uint64_t first, page;
	int session, pair[2];
	struct vm vm;

	vm_mixed(&vm);
	session = session_harvested(&vm);
	tcp_pair(family, pair);
	if (prepare)
		prepare(pair);
	if (sndbuf)
		NEED(!setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)));
	reader.fd = pair[1];
	reader.bytes = malloc(reader.room);
	NEED(!pthread_create(&thread, NULL, read_on, &reader));
	for (first = 0; first < VM_PAGES; first += DROVER_TAKE_PAGES_MAX) {
		struct drover_take take = { .first = first, .count = DROVER_TAKE_PAGES_MAX };
		struct drover_send send = { .socket_fd = pair[0], .first = first,
					    .count = DROVER_TAKE_PAGES_MAX };

		NEED(!ioctl(session, DROVER_IOC_TAKE, &take));
		memcpy(send.data, take.data, sizeof(send.data));
		NEED(!ioctl(session, DROVER_IOC_SEND, &send));
		CHECK(send.bytes == take.data_pages * PAGE);
		expected += send.bytes;
	}
	close(pair[0]);
	pthread_join(thread, NULL);
	NEED(reader.count == expected, "%zu of %zu bytes", reader.count, expected);
	expected = 0;
	for (page = 0; page < VM_PAGES; page++) {
		if (page % 3 && page != CODE_PAGE && page != 5)
			continue;
		NEED(!memcmp(reader.bytes + expected, vm.ram + page * PAGE, PAGE), "page %llu",
		     (unsigned long long)page);
		expected += PAGE;
	}
}

TEST(send_ipv4)
{
	check_stream(AF_INET, 0, 0, NULL);
}

TEST(send_ipv6)
{
	check_stream(AF_INET6, 0, 0, NULL);
}

TEST(send_to_a_slow_reader)
{
	check_stream(AF_INET, 4096, 100, NULL);
}

TEST(send_through_kernel_tls)
{
	check_stream(AF_INET, 0, 0, use_kernel_tls);
}

/* What became a hole since TAKE is sent as zeros, and stays a hole. */
TEST(send_holes)
{
	struct reader reader = { .room = 64 * PAGE };
	uint64_t bytes, blocks, n;
	int session, pair[2];
	struct vm vm;

	vm_mixed(&vm);
	session = session_harvested(&vm);
	NEED(!madvise(vm.ram + 64 * PAGE, 16 * PAGE, MADV_REMOVE));
	blocks = file_blocks(&vm);
	tcp_pair(AF_INET, pair);
	NEED(!send_range(session, pair[0], 64, 16, &bytes) && bytes == 16 * PAGE);
	close(pair[0]);
	reader.fd = pair[1];
	reader.bytes = malloc(reader.room);
	read_on(&reader);
	CHECK(reader.count == 16 * PAGE && file_blocks(&vm) == blocks);
	for (n = 0; n < reader.count; n++)
		NEED(!reader.bytes[n]);
}

TEST(send_refuses_other_files)
{
	struct drover_send send = { .socket_fd = 0, .count = 64, .data = { 1 } };
	struct sockaddr_in at = { .sin_family = AF_INET };
	int session, pair[2];
	uint64_t bytes;
	struct vm vm;

	vm_mixed(&vm);
	session = session_harvested(&vm);
	CHECK_ERROR(send_range(session, -1, 0, 8, &bytes), EBADF);
	CHECK_ERROR(send_range(session, vm.ram_fd, 0, 8, &bytes), ENOTSOCK);
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_ERROR(send_range(session, pair[0], 0, 8, &bytes), EOPNOTSUPP);
	CHECK_ERROR(send_range(session, socket(AF_INET, SOCK_DGRAM, 0), 0, 8, &bytes), EOPNOTSUPP);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(!bind(pair[0], (void *)&at, sizeof(at)) && !listen(pair[0], 1));
	CHECK_ERROR(send_range(session, pair[0], 0, 8, &bytes), ENOTCONN);
	CHECK_ERROR(send_range(session, socket(AF_INET, SOCK_STREAM, 0), 0, 8, &bytes), EPIPE);
	tcp_pair(AF_INET, pair);
	send.socket_fd = pair[0];
	send.first = 1;
	CHECK_ERROR(ioctl(session, DROVER_IOC_SEND, &send), EINVAL);
	send.first = VM_PAGES;
	CHECK_ERROR(ioctl(session, DROVER_IOC_SEND, &send), EINVAL);
	send.first = 0;
	send.count = 3;
	send.data[0] = 8;
	CHECK_ERROR(ioctl(session, DROVER_IOC_SEND, &send), EINVAL);
	send.data[0] = 4;
	CHECK(!ioctl(session, DROVER_IOC_SEND, &send) && send.bytes == PAGE);
}

/* SIGPIPE would end the test. */
TEST(send_to_a_closed_peer)
{
	int session, pair[2], tries, ret = 0;
	uint64_t bytes;
	struct vm vm;

	vm_mixed(&vm);
	session = session_harvested(&vm);
	tcp_pair(AF_INET, pair);
	close(pair[1]);
	for (tries = 0; !ret && tries < 100; tries++) {
		ret = send_range(session, pair[0], 0, 512, &bytes);
		usleep(1000);
	}
	CHECK(ret == -1 && (errno == EPIPE || errno == ECONNRESET));
	shutdown(pair[0], SHUT_WR);
	CHECK_ERROR(send_range(session, pair[0], 0, 8, &bytes), EPIPE);
}

static void on_signal(int signal)
{
}

TEST(send_can_be_interrupted)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerspec when = { { 0, 0 }, { 0, 300000000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	uint64_t bytes, sum = 0;
	int session, pair[2], ret;
	timer_t timer;
	struct vm vm;

	vm_create(&vm);
	vm_fill(&vm);
	session = session_harvested(&vm);
	tcp_pair(AF_INET, pair);
	NEED(!sigaction(SIGUSR1, &action, NULL) && !timer_create(CLOCK_MONOTONIC, &event, &timer));
	NEED(!timer_settime(timer, 0, &when, NULL));
	do {
		ret = send_range(session, pair[0], 0, 512, &bytes);
		sum += bytes;
	} while (!ret && sum < 64 * VM_BYTES);
	CHECK(ret == -1 && errno == EINTR);
	CHECK(bytes < 512 * PAGE);
}

/* Swap space of a test's own. Returns its device, or gives the test up. */
static const char *add_swap(void)
{
	static const char *device = "/dev/zram0";

	if (system("modprobe zram num_devices=1 2>/dev/null && test -e /dev/zram0 && "
		   "{ echo 1 >/sys/block/zram0/reset; echo 64M >/sys/block/zram0/disksize; } "
		   "2>/dev/null && mkswap /dev/zram0 >/dev/null"))
		SKIP("no zram here");
	if (swapon(device, 0))
		SKIP("no swap here");
	return device;
}

/* Pages that were written and swapped out between two harvests are found, and read in. */
TEST(swapped_pages)
{
	const char *swap = add_swap();
	struct drover_harvest harvest;
	struct pages pages;
	struct vm vm;
	uint64_t page;
	int session, missing = 0;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	for (page = 1024; page < 2048; page++)
		vm.ram[page * PAGE] = 7;
	NEED(!madvise(vm.ram + 1024 * PAGE, 1024 * PAGE, MADV_PAGEOUT));
	for (page = 1024; page < 2048; page += 8) {
		unsigned char resident;

		NEED(!mincore(vm.ram + page * PAGE, PAGE, &resident));
		missing += !(resident & 1);
	}
	NEED(!session_harvest(session, &harvest));
	session_take_all(session, &pages);
	for (page = 1024; page < 2048; page++)
		CHECK(pages.kind[page] == 'd', "page %llu is '%c'", (unsigned long long)page,
		      pages.kind[page] ?: '-');
	for (page = 1024; page < 2048; page++)
		NEED(vm.ram[page * PAGE] == 7);
	close(session);
	munmap(vm.ram, VM_BYTES);
	ftruncate(vm.ram_fd, 0) ?: swapoff(swap);
	if (!missing)
		SKIP("nothing was swapped out");
}

TEST_MAIN
