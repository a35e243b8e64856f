// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Other connections of arriving migrations.
 *
 * An arrival belongs to its target's thread. A data connection uses it only
 * between join() and leave(); drover_arrival_close() takes it off the list, so that
 * no one joins any more, interrupts those that have, and waits until they have left. The
 * thread of a new control connection lends that to the target's thread and waits with a
 * struct of its own until it gets it back.
 */
#include "migrate/arrival.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/unix.h"
#include "block/pump.h"
#include "core/clock.h"
#include "migrate/relay.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct drover_arrival *arrivals;

/* Lent by its thread, which waits for @done. */
struct drover_arrival_control {
	struct drover_peer *peer;
	bool done;
};

static int draw_token(struct drover_arrival *a, struct drover_err *err)
{
	if (getrandom(a->token, sizeof(a->token), 0) != sizeof(a->token))
		return drover_err_set(err, EIO, "no random numbers are to be had");
	return 0;
}

int drover_arrival_open(struct drover_arrival *a, struct drover_peer *control,
			struct drover_err *err)
{
	int r = draw_token(a, err);

	if (r < 0)
		return r;
	scope_lock(&lock);
	memcpy(a->previous, a->token, sizeof(a->previous));
	a->control = control;
	a->next_arrival = arrivals;
	arrivals = a;
	return 0;
}

static void give_back(struct drover_arrival_control **c)
{
	if (*c)
		(*c)->done = true;
	*c = NULL;
	pthread_cond_broadcast(&changed);
}

void drover_arrival_close(struct drover_arrival *a)
{
	scope_lock(&lock);

	for (struct drover_arrival **p = &arrivals; *p; p = &(*p)->next_arrival) {
		if (*p == a) {
			*p = a->next_arrival;
			break;
		}
	}
	a->control = NULL;
	a->resumable = false;
	give_back(&a->next);
	for (uint32_t i = 0; i < DROVER_ARRIVAL_CONNECTIONS; i++)
		if (a->connection[i])
			drover_peer_interrupt(a->connection[i]);
	while (a->busy)
		pthread_cond_wait(&changed, &lock);
}

/* Not by the clock of the day, which may be set meanwhile. */
static bool wait_until(uint64_t end_us)
{
	struct timespec until = { end_us / 1000000, end_us % 1000000 * 1000 };

	return pthread_cond_clockwait(&changed, &lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
}

int drover_arrival_wait_device(struct drover_arrival *a, int timeout_ms, struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + timeout_ms * 1000ULL;
	scope_lock(&lock);

	while (!a->device_done)
		if (!wait_until(end))
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
static bool same_token(const uint8_t ours[DROVER_PEER_TOKEN_SIZE], const ProtobufCBinaryData *token)
{
	uint8_t difference = 0;

	if (token->len != DROVER_PEER_TOKEN_SIZE)
		return false;
	for (size_t i = 0; i < DROVER_PEER_TOKEN_SIZE; i++)
		difference |= ours[i] ^ token->data[i];
	return !difference;
}

static struct drover_arrival *find(const char *host, uint64_t id)
{
	struct drover_arrival *a = arrivals;

	while (a && (a->id != id || strcmp(a->host, host)))
		a = a->next_arrival;
	return a;
}

/* A place for a connection, or -1. */
static int slot_of(struct drover_arrival *a, const Drover__Hello *hello)
{
	if (hello->role == DROVER__ROLE__ROLE_RAM)
		return hello->stream < a->ram.streams ? (int)hello->stream : -1;
	if (hello->role == DROVER__ROLE__ROLE_DEVICE_STATE)
		return DROVER_ARRIVAL_DEVICE;
	for (int i = DROVER_ARRIVAL_TUNNELS; a->disks_path[0] && i < DROVER_ARRIVAL_CONNECTIONS; i++)
		if (!a->connection[i])
			return i;
	return -1;
}

static struct drover_arrival *join(struct drover_peer *peer, const Drover__Hello *hello,
				   int *ret_slot)
{
	struct drover_arrival *a;
	scope_lock(&lock);

	a = find(peer->host, hello->migration_id);
	*ret_slot = a && same_token(a->token, &hello->token) ? slot_of(a, hello) : -1;
	if (*ret_slot < 0 || a->connection[*ret_slot])
		return NULL;
	a->streaming |= *ret_slot < DROVER_ARRIVAL_TUNNELS;
	a->connection[*ret_slot] = peer;
	a->busy++;
	return a;
}

static void leave(struct drover_arrival *a, int slot, int result, const struct drover_err *err)
{
	scope_lock(&lock);

	a->connection[slot] = NULL;
	a->busy--;
	if (slot == DROVER_ARRIVAL_DEVICE) {
		a->device_done = true;
		a->device_result = result;
		a->device_err = *err;
	} else if (slot < DROVER_ARRIVAL_DEVICE && result < 0 && !a->failed) {
		a->failed = true;
		a->stream_err = *err;
	}
	pthread_cond_broadcast(&changed);
}

static int serve_tunnel(const struct drover_arrival *a, struct drover_peer *peer,
			struct drover_err *err)
{
	_Atomic uint64_t sent = 0;
	auto_close int fd = drover_unix_connect(a->disks_path, err);

	return fd < 0 ? fd : drover_pump_run(fd, peer, &sent, err);
}

int drover_arrival_serve(struct drover_peer *peer, const Drover__Hello *hello,
			 struct drover_err *err)
{
	struct drover_err why = { 0 };
	struct drover_arrival *a;
	int slot, r;

	if (hello->role == DROVER__ROLE__ROLE_RAM && hello->stream >= DROVER_STREAMS_MAX)
		return drover_err_set(err, EINVAL, "there is no stream %u", hello->stream);
	a = join(peer, hello, &slot);
	if (!a)
		return drover_err_set(err, EACCES, "no migration here expects this connection");
	drover_peer_set_timeout(peer, 0);
	if (slot < DROVER_ARRIVAL_DEVICE)
		r = drover_ram_receive(&a->ram, peer, slot, &why);
	else if (slot == DROVER_ARRIVAL_DEVICE)
		r = drover_relay_receive(peer, a->incoming_path, &a->device_bytes, &why);
	else
		r = serve_tunnel(a, peer, &why);
	leave(a, slot, r, &why);
	/* What is left of a tunnel's bytes is no place for an error frame. */
	if (slot >= DROVER_ARRIVAL_TUNNELS)
		return 0;
	return r < 0 ? drover_err_set(err, r, "%s", why.text) : 0;
}

/* --- a control connection that is replaced --- */

void drover_arrival_hold(struct drover_arrival *a, bool resumable)
{
	scope_lock(&lock);

	a->resumable = resumable;
}

bool drover_arrival_can_wait(struct drover_arrival *a)
{
	scope_lock(&lock);

	return a->resumable && !a->abandoned && !a->streaming;
}

static void await_change(void)
{
	wait_until(drover_clock_monotonic() + 1000000);
}

/* So that nothing that was sent before can come behind what is sent from now on. */
static void end_tunnels(struct drover_arrival *a)
{
	for (bool busy = true; busy;) {
		busy = false;
		for (int i = DROVER_ARRIVAL_TUNNELS; i < DROVER_ARRIVAL_CONNECTIONS; i++) {
			if (!a->connection[i])
				continue;
			drover_peer_interrupt(a->connection[i]);
			busy = true;
		}
		if (busy)
			await_change();
	}
}

int drover_arrival_await(struct drover_arrival *a, struct drover_migration *m, uint32_t timeout_s,
			 struct drover_peer **ret_control, struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + timeout_s * 1000000ULL;
	int r = 0;
	scope_lock(&lock);

	a->control = NULL;
	give_back(&a->current);
	while (!a->next && r == 0) {
		r = drover_migration_check(m, err);
		if (r == 0 && a->abandoned)
			r = drover_err_set(err, ECONNABORTED, "%s was told that the VM never will run here",
					   a->host);
		if (r == 0 && drover_clock_monotonic() > end)
			r = drover_err_set(err, ETIMEDOUT, "%s did not come back within %u s",
					   a->host, timeout_s);
		if (r == 0)
			await_change();
	}
	if (r == 0)
		r = draw_token(a, err);
	if (r < 0)
		return r;
	end_tunnels(a);
	a->current = a->next;
	a->next = NULL;
	a->control = *ret_control = a->current->peer;
	return 0;
}

void drover_arrival_release(struct drover_arrival *a)
{
	scope_lock(&lock);

	give_back(&a->current);
}

int drover_arrival_resume(struct drover_peer *peer, const Drover__Resume *resume,
			  struct drover_err *err)
{
	struct drover_arrival_control c = { .peer = peer };
	struct drover_arrival *a;
	scope_lock(&lock);

	a = find(peer->host, resume->migration_id);
	if (a && a->next)
		return drover_err_set(err, EBUSY, "another connection goes on with the migration");
	if (!a || !a->resumable || a->abandoned || a->streaming ||
	    (!same_token(a->token, &resume->token) && !same_token(a->previous, &resume->token)))
		return drover_err_set(err, EACCES, "there is no migration %llu here to go on with",
				      (unsigned long long)resume->migration_id);
	memcpy(a->previous, resume->token.data, sizeof(a->previous));
	a->next = &c;
	if (a->control)
		drover_peer_interrupt(a->control);
	pthread_cond_broadcast(&changed);
	while (!c.done)
		pthread_cond_wait(&changed, &lock);
	return 0;
}

void drover_arrival_abandon(const char *host, uint64_t id)
{
	struct drover_arrival *a;
	scope_lock(&lock);

	a = find(host, id);
	if (!a)
		return;
	a->abandoned = true;
	if (a->control)
		drover_peer_interrupt(a->control);
	pthread_cond_broadcast(&changed);
}
