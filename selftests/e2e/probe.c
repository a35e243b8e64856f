// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Watches the guest that checks itself from outside: one TCP connection to its
 * echo port, kept for the whole run, and its heartbeat. SIGUSR1 forgets the
 * largest gaps, SIGUSR2 writes the figures so far, SIGTERM writes and ends.
 * With --ask it only puts one question to the guest's control port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS	 10000000ull
#define RETRY_NS 500000000ull
#define ALIVE_NS 5000000000ull
#define ASK_SECONDS 180

static struct {
	struct sockaddr_in tcp, control;
	unsigned long beat_port, seconds;
	const char *out;
} opt;

/* The echo: 8 bytes a tick, and each must come back as it went. */
static struct {
	enum { NEVER, CONNECTING, ALIVE, DEAD } state;
	int sock;
	uint64_t retry, next_tick, last, max_gap, errors;
	uint64_t sent, received; /* bytes */
} echo = { .sock = -1 };

static struct {
	uint64_t count, lost, old, seq, errors;
	uint64_t last, guest_last;
	uint64_t max_gap, max_gap_at, guest_gap; /* _at: ms since the epoch */
} beat;

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool parse(const char *text, struct sockaddr_in *ret_addr)
{
	char host[32], *colon;

	snprintf(host, sizeof(host), "%s", text);
	colon = strchr(host, ':');
	if (!colon)
		return false;
	*colon = '\0';
	ret_addr->sin_family = AF_INET;
	ret_addr->sin_port = htons((uint16_t)atoi(colon + 1));
	return ret_addr->sin_port && inet_pton(AF_INET, host, &ret_addr->sin_addr) == 1;
}

/* One question and its line of an answer, all within @seconds. */
static bool ask(const struct sockaddr_in *addr, const char *question, unsigned long seconds,
		char *answer, size_t size)
{
	struct timeval limit = { .tv_sec = (time_t)seconds };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t end = now_ns(CLOCK_MONOTONIC) + seconds * 1000000000;
	size_t at = 0;
	ssize_t n;

	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	answer[0] = '\0';
	if (!connect(sock, (const struct sockaddr *)addr, sizeof(*addr)) &&
	    dprintf(sock, "%s\n", question) > 0)
		while (!strchr(answer, '\n') && at + 1 < size && now_ns(CLOCK_MONOTONIC) < end) {
			n = recv(sock, answer + at, size - at - 1, 0);
			if (n <= 0)
				break;
			at += (size_t)n;
			answer[at] = '\0';
		}
	close(sock);
	if (!strchr(answer, '\n'))
		return false;
	*strchr(answer, '\n') = '\0';
	return true;
}

static void echo_drop(bool for_good)
{
	close(echo.sock);
	echo.sock = -1;
	echo.state = for_good ? DEAD : NEVER;
	echo.retry = now_ns(CLOCK_MONOTONIC) + RETRY_NS;
}

/* Only until the first success: there is no second connection. */
static void echo_connect(void)
{
	int one = 1;

	echo.sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(echo.sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	echo.state = CONNECTING;
	if (connect(echo.sock, (struct sockaddr *)&opt.tcp, sizeof(opt.tcp)) && errno != EINPROGRESS)
		echo_drop(false);
}

static void echo_connected(uint64_t now)
{
	socklen_t size = sizeof(int);
	int err = 0;

	if (getsockopt(echo.sock, SOL_SOCKET, SO_ERROR, &err, &size) || err) {
		echo_drop(false);
		return;
	}
	echo.state = ALIVE;
	echo.last = echo.next_tick = now;
}

/* Byte @at of the stream of counters. */
static unsigned char stream_byte(uint64_t at)
{
	return (unsigned char)(at / 8 >> (at % 8 * 8));
}

static void echo_send(uint64_t now)
{
	/* What a full socket buffer left over goes first. */
	uint64_t want = (echo.sent / 8 + 1) * 8 - echo.sent;
	unsigned char data[8];
	ssize_t n;

	for (uint64_t i = 0; i < want; i++)
		data[i] = stream_byte(echo.sent + i);
	n = send(echo.sock, data, want, MSG_NOSIGNAL);
	if (n > 0)
		echo.sent += (uint64_t)n;
	else if (errno != EAGAIN)
		echo_drop(true);
	echo.next_tick = now + TICK_NS;
}

static void echo_receive(uint64_t now)
{
	unsigned char data[4096];
	ssize_t n = recv(echo.sock, data, sizeof(data), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		echo_drop(true);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		echo.errors += data[i] != stream_byte(echo.received++);
	if (now - echo.last > echo.max_gap)
		echo.max_gap = now - echo.last;
	echo.last = now;
}

static void beat_receive(int sock, uint64_t now)
{
	uint64_t seq, guest, errors;
	char text[128];
	ssize_t n = recv(sock, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "drover-beat %" SCNu64 " %" SCNu64 " %" SCNu64, &seq, &guest, &errors) != 3)
		return;
	/* Late or twice: two guests that run would look like this. */
	if (beat.count && seq <= beat.seq) {
		beat.old++;
		return;
	}
	if (beat.count) {
		beat.lost += seq - beat.seq - 1;
		if (seq == beat.seq + 1 && guest - beat.guest_last > beat.guest_gap)
			beat.guest_gap = guest - beat.guest_last;
		if (now - beat.last > beat.max_gap) {
			beat.max_gap = now - beat.last;
			beat.max_gap_at = now_ns(CLOCK_REALTIME) / 1000000;
		}
	}
	beat.count++;
	beat.seq = seq;
	beat.guest_last = guest;
	beat.errors = errors;
	beat.last = now;
}

/* The gap that is open now counts as well. */
static double gap_ms(uint64_t max, uint64_t last, uint64_t now)
{
	uint64_t open = last && now > last ? now - last : 0;

	return (double)(open > max ? open : max) / 1e6;
}

static const char *verdict(uint64_t now)
{
	if (echo.state == NEVER || echo.state == CONNECTING)
		return "never";
	return echo.state == ALIVE && echo.received && now - echo.last < ALIVE_NS ? "alive" : "dead";
}

/* Whole or not at all: under another name first. @guest: its own report, or NULL. */
static bool write_figures(const char *guest)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s.new", opt.out);
	file = fopen(path, "we");
	if (!file) {
		perror(path);
		return false;
	}
	fprintf(file,
		"{\"tcp\":\"%s\", \"tcp_echoes\":%" PRIu64 ", \"tcp_max_gap_ms\":%.3f, "
		"\"tcp_errors\":%" PRIu64 ", \"tcp_reconnects\":0, ",
		verdict(now), echo.received / 8, gap_ms(echo.max_gap, echo.last, now), echo.errors);
	fprintf(file,
		"\"beats\":%" PRIu64 ", \"beats_lost\":%" PRIu64 ", \"beats_old\":%" PRIu64
		", \"beat_max_gap_ms\":%.3f, \"beat_max_gap_at_ms\":%" PRIu64
		", \"guest_gap_ms\":%.3f, \"guest_errors\":%" PRIu64 ", \"guest\":%s}\n",
		beat.count, beat.lost, beat.old, gap_ms(beat.max_gap, beat.last, now),
		beat.max_gap_at, (double)beat.guest_gap / 1e6, beat.errors, guest ? guest : "null");
	return !fclose(file) && !rename(path, opt.out);
}

/* Returns true if the signal ends the run. */
static bool take_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGUSR1)
		echo.max_gap = beat.max_gap = beat.max_gap_at = beat.guest_gap = 0;
	else if (info.ssi_signo == SIGUSR2)
		write_figures(NULL);
	else
		return true;
	return false;
}

static void watch(int beats, int signals)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), end = now + opt.seconds * 1000000000;
	struct pollfd polls[] = { { .fd = signals, .events = POLLIN },
				  { .fd = beats, .events = POLLIN },
				  { .fd = -1 } };

	for (; now < end; now = now_ns(CLOCK_MONOTONIC)) {
		if (echo.state == NEVER && now >= echo.retry)
			echo_connect();
		if (echo.state == ALIVE && now >= echo.next_tick)
			echo_send(now);
		polls[2].fd = echo.sock;
		polls[2].events = echo.state == CONNECTING ? POLLOUT : POLLIN;
		if (poll(polls, 3, (int)(TICK_NS / 2000000)) <= 0)
			continue;
		now = now_ns(CLOCK_MONOTONIC);
		if (polls[1].revents)
			beat_receive(beats, now);
		if (polls[2].revents && echo.state == CONNECTING)
			echo_connected(now);
		else if (polls[2].revents)
			echo_receive(now);
		if (polls[0].revents && take_signal(signals))
			return;
	}
}

static int beat_socket(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	addr.sin_port = htons((uint16_t)opt.beat_port);
	if (sock >= 0 && !bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return sock;
	perror("probe: the heartbeat's port");
	return -1;
}

static int usage(void)
{
	fputs("usage: probe --tcp ADDR:PORT --beat PORT --out FILE [--control ADDR:PORT] [--seconds N]\n"
	      "       probe --ask ADDR:PORT [--seconds N] COMMAND\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "tcp", 1, NULL, 't' },     { "beat", 1, NULL, 'b' }, { "control", 1, NULL, 'c' },
		{ "seconds", 1, NULL, 's' }, { "out", 1, NULL, 'o' },  { "ask", 1, NULL, 'a' }, { 0 },
	};
	struct sockaddr_in asked = { 0 };
	char answer[4096];
	sigset_t set;
	int c, beats;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if ((c == 't' && parse(optarg, &opt.tcp)) || (c == 'a' && parse(optarg, &asked)) ||
		    (c == 'c' && parse(optarg, &opt.control)) || (c == 'o' && (opt.out = optarg)) ||
		    (c == 'b' && (opt.beat_port = strtoul(optarg, NULL, 10))) ||
		    (c == 's' && (opt.seconds = strtoul(optarg, NULL, 10))))
			continue;
		return usage();
	}
	if (asked.sin_port && optind + 1 == argc) {
		if (!ask(&asked, argv[optind], opt.seconds ? opt.seconds : ASK_SECONDS, answer, sizeof(answer)))
			return 1;
		puts(answer);
		return 0;
	}
	if (!opt.tcp.sin_port || !opt.beat_port || !opt.out || optind != argc)
		return usage();
	opt.seconds = opt.seconds ? opt.seconds : 3600;
	sigemptyset(&set);
	for (int i = 0; i < 4; i++)
		sigaddset(&set, (int[]){ SIGUSR1, SIGUSR2, SIGTERM, SIGINT }[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	beats = beat_socket();
	if (beats < 0)
		return 1;
	watch(beats, signalfd(-1, &set, SFD_CLOEXEC));
	c = opt.control.sin_port && ask(&opt.control, "report", 5, answer, sizeof(answer));
	return write_figures(c ? answer : NULL) ? 0 : 1;
}
