// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The heartbeat: a datagram each 5 ms, "drover-beat BOOT SEQ NS ERRORS" with a
 * number that tells this boot from others and the guest's CLOCK_MONOTONIC, for
 * a listener that knows when it came.
 */
#include "beat.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

#include "count.h"
#include "options.h"
#include "task.h"

#define PERIOD_NS 5000000ull

static int sock = -1;

static void *work(void *arg)
{
	uint64_t boot = task_now(CLOCK_REALTIME), seq = 1;

	for (;;) {
		char text[96];
		int length;

		task_wait(PERIOD_NS);
		length = snprintf(text, sizeof(text),
				  "drover-beat %" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64, boot,
				  seq, task_now(CLOCK_MONOTONIC), count_errors());
		if (send(sock, text, (size_t)length, MSG_DONTWAIT) == length)
			count_set(BEAT_SEQ, seq++);
	}
	return arg;
}

void beat_start(const struct options *opt)
{
	struct sockaddr_in addr;

	if (!opt->beat[0])
		return;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || !options_address(opt->beat, &addr) ||
	    connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		fail(SETUP_ERRORS, "drover.beat=%s cannot be reached", opt->beat);
	else
		task_start("beat", TASK_BEAT, work, NULL);
}
