// SPDX-License-Identifier: GPL-2.0-or-later
/* A machine in memory. Nothing outside of tests adds one to a host. */
#include "power/fake.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "power/deadline.h"

static int begin(struct drover_power_fake *fake, struct drover_err *err)
{
	uint64_t effect = fake->effect_us;

	fake->calls++;
	if (fake->hang_ms)
		usleep(fake->hang_ms * 1000);
	if (effect && effect <= drover_clock_monotonic()) {
		fake->state = fake->next;
		fake->effect_us = 0;
	}
	return fake->error ? drover_err_set(err, fake->error, "the fake fails: %s",
					    strerror(fake->error))
			   : 0;
}

static int request(struct drover_power_fake *fake, enum drover_power_state state,
		   uint64_t deadline_us, struct drover_err *err)
{
	int r = begin(fake, err);

	if (r == 0)
		r = drover_deadline_check(deadline_us, err);
	if (r < 0)
		return r;
	fake->asked++;
	fake->next = state;
	if (!fake->ignore && !fake->settle_ms)
		fake->state = state;
	else if (!fake->ignore)
		fake->effect_us = drover_clock_monotonic() + fake->settle_ms * 1000;
	return fake->refuse ? drover_err_set(err, fake->refuse, "the fake refuses") : 0;
}

static int fake_on(const struct drover_power_access *access, uint64_t deadline_us,
		   struct drover_err *err)
{
	return request(access->data, DROVER_POWER_ON, deadline_us, err);
}

static int fake_off(const struct drover_power_access *access, enum drover_power_how how,
		    uint64_t deadline_us, struct drover_err *err)
{
	struct drover_power_fake *fake = access->data;

	if (fake->no_off)
		return drover_err_set(err, EOPNOTSUPP, "the fake cannot turn a machine off");
	fake->how = how;
	return request(fake, DROVER_POWER_OFF, deadline_us, err);
}

static int fake_state(const struct drover_power_access *access, uint64_t deadline_us,
		      enum drover_power_state *ret_state, struct drover_err *err)
{
	struct drover_power_fake *fake = access->data;
	int r;

	if (fake->no_state)
		return drover_err_set(err, EOPNOTSUPP, "the fake cannot see");
	r = begin(fake, err);
	if (r == 0)
		*ret_state = fake->state;
	return r;
}

static int fake_test(const struct drover_power_access *access, uint64_t deadline_us, char *text,
		     struct drover_err *err)
{
	int r = begin(access->data, err);

	if (r == 0)
		strcpy(text, "the fake is there");
	return r;
}

static const struct drover_power_ops drover_power_fakes[DROVER_POWER_DRIVERS_MAX] = {
	{ "fake1", fake_on, fake_off, fake_state, fake_test },
	{ "fake2", fake_on, fake_off, fake_state, fake_test },
	{ "fake3", fake_on, fake_off, fake_state, fake_test },
};

void drover_power_fake_add(struct drover_power_host *host, struct drover_power_fake *fake)
{
	host->ways[host->count] = (struct drover_power_access){
		.ops = &drover_power_fakes[host->count],
		.data = fake,
	};
	host->count++;
}
