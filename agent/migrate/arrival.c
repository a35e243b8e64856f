// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Data connections of arriving migrations.
 *
 * An arrival belongs to its target's thread. A connection uses it only
 * between join() and leave(); drover_arrival_close() takes it off the list, so that
 * no one joins any more, interrupts those that have, and waits until they have left.
 */
#include "migrate/arrival.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "migrate/relay.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct drover_arrival *arrivals;

int drover_arrival_open(struct drover_arrival *a, struct drover_err *err)
{
	if (getrandom(a->token, sizeof(a->token), 0) != sizeof(a->token))
		return drover_err_set(err, EIO, "no random numbers are to be had");
	scope_lock(&lock);
	a->next = arrivals;
	arrivals = a;
	return 0;
}

void drover_arrival_close(struct drover_arrival *a)
{
	scope_lock(&lock);

	for (struct drover_arrival **p = &arrivals; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	for (uint32_t i = 0; i < DROVER_ARRIVAL_CONNECTIONS; i++)
		if (a->connection[i])
			drover_peer_interrupt(a->connection[i]);
	while (a->busy)
		pthread_cond_wait(&changed, &lock);
}

int drover_arrival_wait_device(struct drover_arrival *a, int timeout_ms, struct drover_err *err)
{
	struct timespec until;
	scope_lock(&lock);

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	while (!a->device_done)
		if (pthread_cond_timedwait(&changed, &lock, &until) == ETIMEDOUT)
			return drover_err_set(err, ETIMEDOUT, "no device state came");
	if (a->device_result < 0)
		return drover_err_set(err, a->device_result, "%s", a->device_err.text);
	return 0;
}

int drover_arrival_failure(struct drover_arrival *a, struct drover_err *err)
{
	scope_lock(&lock);

	return a->failed ? drover_err_set(err, a->stream_err.code, "%s", a->stream_err.text) : 0;
}

/* Compares all of the token whatever differs first. */
static bool same_token(const struct drover_arrival *a, const ProtobufCBinaryData *token)
{
	uint8_t difference = 0;

	if (token->len != sizeof(a->token))
		return false;
	for (size_t i = 0; i < sizeof(a->token); i++)
		difference |= a->token[i] ^ token->data[i];
	return !difference;
}

static struct drover_arrival *join(struct drover_peer *peer, const Drover__Hello *hello,
				   uint32_t slot)
{
	struct drover_arrival *a;
	scope_lock(&lock);

	for (a = arrivals; a; a = a->next)
		if (a->id == hello->migration_id && !strcmp(a->host, peer->host) &&
		    same_token(a, &hello->token))
			break;
	if (!a || a->connection[slot])
		return NULL;
	if (slot < DROVER_STREAMS_MAX && slot >= a->ram.streams)
		return NULL;
	a->connection[slot] = peer;
	a->busy++;
	return a;
}

static void leave(struct drover_arrival *a, uint32_t slot, int result, const struct drover_err *err)
{
	scope_lock(&lock);

	a->connection[slot] = NULL;
	a->busy--;
	if (slot == DROVER_STREAMS_MAX) {
		a->device_done = true;
		a->device_result = result;
		a->device_err = *err;
	} else if (result < 0 && !a->failed) {
		a->failed = true;
		a->stream_err = *err;
	}
	pthread_cond_broadcast(&changed);
}

int drover_arrival_serve(struct drover_peer *peer, const Drover__Hello *hello,
			 struct drover_err *err)
{
	bool ram = hello->role == DROVER__ROLE__ROLE_RAM;
	uint32_t slot = ram ? hello->stream : DROVER_STREAMS_MAX;
	struct drover_err why = { 0 };
	struct drover_arrival *a;
	int r;

	if (slot > DROVER_STREAMS_MAX || (ram && slot == DROVER_STREAMS_MAX))
		return drover_err_set(err, EINVAL, "there is no stream %u", hello->stream);
	a = join(peer, hello, slot);
	if (!a)
		return drover_err_set(err, EACCES, "no migration here expects this connection");
	drover_peer_set_timeout(peer, 0);
	if (ram)
		r = drover_ram_receive(&a->ram, peer, slot, &why);
	else
		r = drover_relay_receive(peer, a->incoming_path, &a->device_bytes, &why);
	leave(a, slot, r, &why);
	return r < 0 ? drover_err_set(err, r, "%s", why.text) : 0;
}
