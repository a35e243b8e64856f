/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made-up QEMU monitor that grants everything, but for what a test has it refuse or hold back. */
#ifndef SELFTESTS_MONITOR_H
#define SELFTESTS_MONITOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "base/unix.h"

#define MONITOR_CONNECTIONS 8

/**
 * struct monitor - one of them; any number of connections up to MONITOR_CONNECTIONS
 * @refuse: this many times more "cont" is refused
 * @hold: while true "cont" is not answered
 * @granted: how often "cont" was granted
 */
struct monitor {
	atomic_int refuse;
	atomic_bool hold;
	atomic_int granted;
	int listener, count, fds[MONITOR_CONNECTIONS];
	pthread_t thread, talks[MONITOR_CONNECTIONS];
};

static inline bool monitor_grants(struct monitor *m, const char *command)
{
	if (strcmp(command, "cont"))
		return true;
	while (m->hold)
		usleep(1000);
	if (m->refuse > 0) {
		m->refuse--;
		return false;
	}
	m->granted++;
	return true;
}

struct monitor_talk {
	struct monitor *m;
	int fd;
};

static inline void *monitor_listen(void *data)
{
	struct monitor_talk *t = data;
	FILE *f = fdopen(dup(t->fd), "r");
	char line[1024];

	dprintf(t->fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
	while (fgets(line, sizeof(line), f)) {
		json_t *o = json_loads(line, 0, NULL);
		int id = json_integer_value(json_object_get(o, "id"));

		if (monitor_grants(t->m, json_string_value(json_object_get(o, "execute"))))
			dprintf(t->fd, "{\"return\": {\"status\": \"none\"}, \"id\": %d}\r\n", id);
		else
			dprintf(t->fd, "{\"error\": {\"desc\": \"not now\"}, \"id\": %d}\r\n", id);
		json_decref(o);
	}
	fclose(f);
	free(t);
	return NULL;
}

static inline void *monitor_accept(void *data)
{
	struct monitor *m = data;
	int fd;

	while (m->count < MONITOR_CONNECTIONS && (fd = accept(m->listener, NULL, NULL)) >= 0) {
		struct monitor_talk *t = malloc(sizeof(*t));

		*t = (struct monitor_talk){ .m = m, .fd = fd };
		m->fds[m->count] = fd;
		pthread_create(&m->talks[m->count++], NULL, monitor_listen, t);
	}
	return NULL;
}

static inline void monitor_start(struct monitor *m, const char *path)
{
	memset(m, 0, sizeof(*m));
	m->listener = drover_unix_listen(path, NULL);
	assert_true(m->listener >= 0);
	assert_int_equal(pthread_create(&m->thread, NULL, monitor_accept, m), 0);
}

static inline void monitor_end(struct monitor *m)
{
	m->hold = false;
	shutdown(m->listener, SHUT_RDWR);
	pthread_join(m->thread, NULL);
	close(m->listener);
	for (int i = 0; i < m->count; i++) {
		shutdown(m->fds[i], SHUT_RDWR);
		pthread_join(m->talks[i], NULL);
		close(m->fds[i]);
	}
}

#endif
