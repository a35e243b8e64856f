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

#define TICK_NS	      10000000ull
#define RETRY_NS      500000000ull
#define ALIVE_NS      5000000000ull
#define ASK_SECONDS   180
#define WATCH_SECONDS 3600

static struct {
	struct sockaddr_in tcp, asked;
	unsigned long beat_port, seconds;
	const char *out;
} opt;

/* The echo: 8 bytes a tick, and each must come back as it went. */
static struct {
	int sock;
	uint64_t next, last, max_gap, errors; /* next: to connect or to send */
	uint64_t sent, received;	      /* bytes */
} echo = {.sock = -1};

static struct {
	uint64_t count, lost, old, restarts, boot, seq, errors;
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
	uint16_t port;
	char host[16];

	if (sscanf(text, "%15[0-9.]:%" SCNu16, host, &port) != 2 || !port)
		return false;
	*ret_addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	return inet_pton(AF_INET, host, &ret_addr->sin_addr) == 1;
}

/* One question and its line of an answer; SIGALRM ends a wait that is too long. */
static bool ask(const char *question)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *in = fdopen(sock, "re");
	char answer[4096];

	alarm((unsigned)opt.seconds);
	return in && !connect(sock, (struct sockaddr *)&opt.asked, sizeof(opt.asked)) &&
	       dprintf(sock, "%s\n", question) > 0 && fgets(answer, sizeof(answer), in) &&
	       fputs(answer, stdout) >= 0;
}

/* A connection that never worked is tried again; one that did is not. */
static void echo_drop(uint64_t now)
{
	close(echo.sock);
	echo.sock = -1;
	echo.next = echo.received ? UINT64_MAX : now + RETRY_NS;
}

static void echo_connect(uint64_t now)
{
	int one = 1;

	echo.sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(echo.sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	echo.sent = 0;
	if (connect(echo.sock, (struct sockaddr *)&opt.tcp, sizeof(opt.tcp)) &&
	    errno != EINPROGRESS)
		echo_drop(now);
}

/* Byte @at of the stream of counters. */
static unsigned char stream_byte(uint64_t at)
{
	return (unsigned char)(at / 8 >> (at % 8 * 8));
}

static void echo_send(uint64_t now)
{
	/* A full socket buffer may have taken the last counter in part. */
	uint64_t want = 8 - echo.sent % 8;
	unsigned char data[8];
	ssize_t n;

	for (uint64_t i = 0; i < want; i++)
		data[i] = stream_byte(echo.sent + i);
	echo.next = now + TICK_NS;
	n = send(echo.sock, data, want, MSG_NOSIGNAL);
	if (n > 0)
		echo.sent += (uint64_t)n;
	else if (errno != EAGAIN)
		echo_drop(now);
}

static void echo_receive(uint64_t now)
{
	unsigned char data[4096];
	ssize_t n = recv(echo.sock, data, sizeof(data), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		return echo_drop(now);
	if (echo.received && now - echo.last > echo.max_gap)
		echo.max_gap = now - echo.last;
	for (ssize_t i = 0; i < n; i++)
		echo.errors += data[i] != stream_byte(echo.received++);
	echo.last = now;
}

static void beat_receive(int sock, uint64_t now)
{
	uint64_t boot, seq, guest, errors;
	char text[128];
	ssize_t n = recv(sock, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	if (sscanf(text, "drover-beat %" SCNx64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &boot, &seq,
		   &guest, &errors) != 4)
		return;
	if (beat.count && boot != beat.boot) {
		beat.restarts++;
	} else if (beat.count && seq <= beat.seq) {
		/* Late or twice: two copies of a guest that run would look like this. */
		beat.old++;
		return;
	} else if (beat.count) {
		beat.lost += seq - beat.seq - 1;
		if (seq == beat.seq + 1 && guest - beat.guest_last > beat.guest_gap)
			beat.guest_gap = guest - beat.guest_last;
	}
	if (beat.count++ && now - beat.last > beat.max_gap) {
		beat.max_gap = now - beat.last;
		beat.max_gap_at = now_ns(CLOCK_REALTIME) / 1000000;
	}
	beat.boot = boot;
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
	if (!echo.received)
		return "never";
	return echo.sock >= 0 && now - echo.last < ALIVE_NS ? "alive" : "dead";
}

/* Whole or not at all: under another name first. */
static bool write_figures(void)
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
		"\"tcp_errors\":%" PRIu64 ", \"tcp_reconnects\":0, \"beats\":%" PRIu64
		", \"beats_lost\":%" PRIu64 ", \"beats_old\":%" PRIu64
		", \"guest_restarts\":%" PRIu64 ", \"beat_max_gap_ms\":%.3f, "
		"\"beat_max_gap_at_ms\":%" PRIu64 ", \"guest_gap_ms\":%.3f, "
		"\"guest_errors\":%" PRIu64 "}\n",
		verdict(now), echo.received / 8, gap_ms(echo.max_gap, echo.last, now), echo.errors,
		beat.count, beat.lost, beat.old, beat.restarts,
		gap_ms(beat.max_gap, beat.last, now), beat.max_gap_at, (double)beat.guest_gap / 1e6,
		beat.errors);
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
		write_figures();
	return info.ssi_signo != SIGUSR1 && info.ssi_signo != SIGUSR2;
}

static void watch(int beats, int signals)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), end = now + opt.seconds * 1000000000;
	struct pollfd polls[] = {{.fd = signals, .events = POLLIN},
				 {.fd = beats, .events = POLLIN},
				 {.events = POLLIN}};

	for (; now < end; now = now_ns(CLOCK_MONOTONIC)) {
		if (now >= echo.next && echo.sock < 0)
			echo_connect(now);
		else if (now >= echo.next)
			echo_send(now);
		polls[2].fd = echo.sock;
		if (poll(polls, 3, (int)(TICK_NS / 2000000)) <= 0)
			continue;
		now = now_ns(CLOCK_MONOTONIC);
		if (polls[1].revents)
			beat_receive(beats, now);
		if (polls[2].revents)
			echo_receive(now);
		if (polls[0].revents && take_signal(signals))
			return;
	}
}

static int beat_socket(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	addr.sin_port = htons((uint16_t)opt.beat_port);
	if (sock >= 0 && !bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return sock;
	perror("probe: the heartbeat's port");
	return -1;
}

static bool options_read(int argc, char **argv)
{
	static const struct option options[] = {
		{"tcp", 1, NULL, 't'},	   {"beat", 1, NULL, 'b'}, {"ask", 1, NULL, 'a'},
		{"seconds", 1, NULL, 's'}, {"out", 1, NULL, 'o'},  {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!((c == 't' && parse(optarg, &opt.tcp)) ||
		      (c == 'a' && parse(optarg, &opt.asked)) || (c == 'o' && (opt.out = optarg)) ||
		      (c == 'b' && (opt.beat_port = strtoul(optarg, NULL, 10))) ||
		      (c == 's' && (opt.seconds = strtoul(optarg, NULL, 10)))))
			return false;
	if (!opt.seconds)
		opt.seconds = opt.asked.sin_port ? ASK_SECONDS : WATCH_SECONDS;
	if (opt.asked.sin_port)
		return optind + 1 == argc;
	return opt.tcp.sin_port && opt.beat_port && opt.out && optind == argc;
}

int main(int argc, char **argv)
{
	sigset_t set;
	int beats;

	if (!options_read(argc, argv)) {
		fputs("usage: probe --tcp ADDR:PORT --beat PORT --out FILE [--seconds N]\n"
		      "       probe --ask ADDR:PORT [--seconds N] COMMAND\n",
		      stderr);
		return 2;
	}
	if (opt.asked.sin_port)
		return ask(argv[optind]) ? 0 : 1;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	beats = beat_socket();
	if (beats < 0)
		return 1;
	watch(beats, signalfd(-1, &set, SFD_CLOEXEC));
	return write_figures() ? 0 : 1;
}
