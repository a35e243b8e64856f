// SPDX-License-Identifier: GPL-2.0-or-later
/* The relay of QEMU's device state. */
#include "migrate/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"

#define CHUNK (64U << 10)

static void set_timeout(int fd)
{
	struct timeval t = { .tv_sec = DROVER_RELAY_TIMEOUT_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static int accept_qemu(int listener, struct drover_err *err)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, DROVER_RELAY_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return drover_err_set(err, ETIMEDOUT, "QEMU did not begin to send its device state");
	r = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (r < 0)
		return drover_err_set(err, errno, "cannot accept QEMU's device state: %s",
				      strerror(errno));
	set_timeout(r);
	return r;
}

/*
 * Waits for bytes of QEMU's, without limit: it says nothing while its VM is paused and the
 * last pages travel. A listener that was shut down ends the wait.
 */
static int await_bytes(int fd, int listener, struct drover_err *err)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = listener } };

	for (;;) {
		int r = poll(p, 2, -1);

		if (r < 0 && errno != EINTR)
			return drover_err_set(err, errno, "waiting for QEMU's device state failed: %s",
					      strerror(errno));
		if (r > 0 && p[1].revents)
			return drover_err_set(err, ECANCELED, "the device state was not waited for");
		if (r > 0)
			return 0;
	}
}

int drover_relay_send(int listener, struct drover_peer *peer, uint64_t *ret_bytes,
		      struct drover_err *err)
{
	Drover__DeviceStateEnd end = DROVER__DEVICE_STATE_END__INIT;
	auto_free uint8_t *buf = malloc(CHUNK);
	auto_close int fd = accept_qemu(listener, err);
	int r;

	if (fd < 0)
		return fd;
	if (!buf)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (;;) {
		ssize_t n;

		r = await_bytes(fd, listener, err);
		if (r < 0)
			return r;
		n = read(fd, buf, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return drover_err_set(err, errno, "reading QEMU's device state failed: %s",
					      strerror(errno));
		if (n == 0)
			break;
		r = drover_peer_send(peer, DROVER_FRAME_DEVICE_STATE_DATA, NULL, n, err);
		if (r == 0)
			r = drover_peer_send_payload(peer, buf, n, err);
		if (r < 0)
			return r;
		end.bytes += n;
	}
	r = drover_peer_send(peer, DROVER_FRAME_DEVICE_STATE_END, &end.base, 0, err);
	if (r == 0)
		*ret_bytes = end.bytes;
	return r;
}

static int connect_qemu(const char *path, struct drover_err *err)
{
	int fd = drover_unix_connect(path, err);

	if (fd >= 0)
		set_timeout(fd);
	return fd;
}

static int carry_data(struct drover_peer *peer, int fd, uint8_t *buf, uint64_t *bytes,
		      struct drover_err *err)
{
	while (peer->pending.payload) {
		uint32_t n = peer->pending.payload < CHUNK ? peer->pending.payload : CHUNK;
		int r = drover_peer_recv_payload(peer, buf, n, err);

		if (r < 0)
			return r;
		r = drover_io_write(fd, buf, n);
		if (r < 0)
			return drover_err_set(err, r, "giving QEMU its device state failed: %s",
					      strerror(-r));
		*bytes += n;
	}
	return 0;
}

/* QEMU must not be left with a part of its state and an orderly end. */
static int check_end(const uint8_t *body, size_t len, uint64_t bytes, struct drover_err *err)
{
	Drover__DeviceStateEnd *end =
		drover_peer_unpack(&drover__device_state_end__descriptor, body, len, err);
	int r = 0;

	if (!end)
		return -EPROTO;
	if (end->bytes != bytes)
		r = drover_err_set(err, EPROTO, "%llu bytes of device state came where %llu were sent",
				   (unsigned long long)bytes, (unsigned long long)end->bytes);
	drover__device_state_end__free_unpacked(end, NULL);
	return r;
}

int drover_relay_receive(struct drover_peer *peer, const char *path, uint64_t *ret_bytes,
			 struct drover_err *err)
{
	auto_free uint8_t *buf = malloc(CHUNK);
	auto_close int fd = connect_qemu(path, err);
	uint64_t bytes = 0;

	if (fd < 0)
		return fd;
	if (!buf)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (;;) {
		auto_free uint8_t *body = NULL;
		enum drover_frame_type type;
		size_t len;
		int r = drover_peer_recv(peer, &type, &body, &len, err);

		if (r < 0)
			return r;
		if (type == DROVER_FRAME_DEVICE_STATE_END) {
			r = check_end(body, len, bytes, err);
			if (r < 0)
				return r;
			break;
		}
		if (type != DROVER_FRAME_DEVICE_STATE_DATA)
			return drover_err_set(err, EPROTO,
					      "frame type %d has no place in device state", type);
		r = carry_data(peer, fd, buf, &bytes, err);
		if (r < 0)
			return r;
	}
	*ret_bytes = bytes;
	return 0;
}
