// SPDX-License-Identifier: GPL-2.0-or-later
/* While the source's VM is paused: pages are compared, the device state is loaded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/clock.h"
#include "migrate/target_stages.h"
#include "migrate/verify.h"
#include "vm/qmp.h"

int drover_target_listen(struct drover_target *t, struct drover_err *err)
{
	Drover__DeviceStateReady ready = DROVER__DEVICE_STATE_READY__INIT;
	char uri[DROVER_PATH_MAX];
	int r = drover_io_path(uri, err, "unix:%s", t->arrival.incoming_path);

	t->stage = DROVER_TARGET_LISTENING;
	drover_arrival_hold(&t->arrival, false);
	if (r == 0)
		r = drover_qmp_call(t->qmp, "migrate-incoming", json_pack("{ss}", "uri", uri),
				    DROVER_TARGET_QMP_MS, NULL, err);
	return r < 0 ? r : drover_peer_send(t->peer, DROVER_FRAME_DEVICE_STATE_READY, &ready.base,
					    0, err);
}

int drover_target_hashes(struct drover_target *t, const Drover__VerifyPages *ask, struct drover_err *err)
{
	Drover__VerifyHashes reply = DROVER__VERIFY_HASHES__INIT;
	auto_free uint64_t *hashes = NULL;
	int r;

	if (!ask->count || ask->count > DROVER_VERIFY_PAGES_MAX ||
	    ask->first_page >= t->arrival.ram.pages ||
	    ask->count > t->arrival.ram.pages - ask->first_page)
		return drover_err_set(err, EINVAL, "there are no such pages to verify");
	hashes = calloc(ask->count, sizeof(*hashes));
	if (!hashes)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_verify_hash(t->vm->ram_fd, ask->first_page, ask->count, hashes, err);
	if (r < 0)
		return r;
	reply.first_page = ask->first_page;
	reply.hashes.data = (uint8_t *)hashes;
	reply.hashes.len = ask->count * sizeof(*hashes);
	return drover_peer_send(t->peer, DROVER_FRAME_VERIFY_HASHES, &reply.base, 0, err);
}

static int await_loaded(struct drover_target *t, struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + DROVER_TARGET_QMP_MS * 1000ULL;
	struct timespec nap = { .tv_nsec = 2000000 };

	while (drover_clock_monotonic() < end) {
		json_t *result = NULL;
		const char *status = "";
		bool completed, failed;
		int r = drover_qmp_call(t->qmp, "query-migrate", NULL, DROVER_TARGET_QMP_MS, &result, err);

		if (r < 0)
			return r;
		json_unpack(result, "{s?s}", "status", &status);
		completed = !strcmp(status, "completed");
		failed = !strcmp(status, "failed");
		json_decref(result);
		if (completed)
			return 0;
		if (failed)
			return drover_err_set(err, EIO, "QEMU could not load the device state");
		nanosleep(&nap, NULL);
	}
	return drover_err_set(err, ETIMEDOUT, "QEMU did not load the device state in time");
}

/* From here on nothing is written to the RAM any more but by QEMU. */
static int close_ram(struct drover_target *t, const Drover__ReadyQuery *query, struct drover_err *err)
{
	uint64_t written = atomic_load(&t->arrival.ram.data_pages);
	int r = drover_arrival_failure(&t->arrival, err);

	if (r < 0)
		return r;
	drover_arrival_close(&t->arrival);
	if (query->ram_pages_written != written)
		return drover_err_set(err, EPROTO, "%s sent %llu pages, %llu arrived", t->peer->host,
				      (unsigned long long)query->ram_pages_written,
				      (unsigned long long)written);
	return 0;
}

int drover_target_ready(struct drover_target *t, const Drover__ReadyQuery *query, struct drover_err *err)
{
	Drover__Ready ready = DROVER__READY__INIT;
	int r = drover_arrival_wait_device(&t->arrival, DROVER_TARGET_QMP_MS, err);

	if (r == 0)
		r = close_ram(t, query, err);
	if (r == 0)
		r = await_loaded(t, err);
	if (r < 0)
		return r;
	t->stage = DROVER_TARGET_READY;
	return drover_peer_send(t->peer, DROVER_FRAME_READY, &ready.base, 0, err);
}
