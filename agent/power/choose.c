// SPDX-License-Identifier: GPL-2.0-or-later
/* Which driver is tried, for how long, and how it is known that it worked. */
#include "power/choose.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "core/clock.h"
#include "power/bounded.h"
#include "power/deadline.h"

/* Between two looks at a machine that changes: each look is a session with its BMC. */
#define LOOK_FIRST_MS 200
#define LOOK_MAX_MS   2000
#define LOOK_SPARE_MS 50

/*
 * A host on its way to another state.
 * @blind: drivers that could not tell the state; they are not asked again
 * @said: what drivers that failed said
 * @code: of the first of them
 * @result: where each of them is noted
 */
struct change {
	const struct drover_power_host *host;
	enum drover_power_state want;
	enum drover_power_how how;
	uint64_t deadline_us;
	bool blind[DROVER_POWER_DRIVERS_MAX];
	char said[DROVER_POWER_TEXT_MAX];
	int code;
	struct drover_power_result *result;
};

const char *drover_power_state_name(enum drover_power_state state)
{
	switch (state) {
	case DROVER_POWER_UNKNOWN:
		return "unknown";
	case DROVER_POWER_OFF:
		return "off";
	case DROVER_POWER_ON:
		return "on";
	}
	return "";
}

/* Driver @i and those after it share what is left. */
static uint64_t share(const struct drover_power_host *host, uint32_t i, uint64_t deadline_us)
{
	uint64_t now = drover_clock_monotonic();

	return now < deadline_us ? now + (deadline_us - now) / (host->count - i) : deadline_us;
}

static int check_configured(const struct drover_power_host *host, struct drover_err *err)
{
	return host->count ? 0
			   : drover_err_set(err, ENOENT, "no way to power %s is configured",
					    host->name);
}

/* Adds what a driver said. */
static void note(struct change *c, const char *driver, const struct drover_err *why)
{
	size_t n = strlen(c->said);

	log_debug("power %s: %s: %s", c->host->name, driver, why->text);
	snprintf(c->said + n, sizeof(c->said) - n, "%s%s: %s", n ? "; " : "", driver, why->text);
	if (!c->code)
		c->code = why->code;
	if (c->result) {
		struct drover_power_report *f = &c->result->failures[c->result->failed++];

		f->driver = driver;
		f->code = why->code;
		snprintf(f->text, sizeof(f->text), "%s", why->text);
	}
}

/* What went well; the failures before it are there already. */
static void succeed(const struct change *c, const struct drover_power_result *how)
{
	c->result->state = how->state;
	c->result->driver = how->driver;
	c->result->already = how->already;
	memcpy(c->result->before, c->said, sizeof(c->said));
}

static int look(struct change *c, uint32_t i, uint64_t deadline_us,
		enum drover_power_state *ret_state, struct drover_err *err)
{
	const struct drover_power_access *way = &c->host->ways[i];
	int r = drover_bounded_state(way, deadline_us, ret_state, err);

	if (r == 0)
		log_debug("power %s: %s says %s", c->host->name, way->ops->name,
			  drover_power_state_name(*ret_state));
	return r;
}

static int ask(struct change *c, uint32_t i, uint64_t deadline_us, struct drover_err *err)
{
	const struct drover_power_access *way = &c->host->ways[i];

	log_debug("power %s: asking %s for %s", c->host->name, way->ops->name,
		  drover_power_state_name(c->want));
	return c->want == DROVER_POWER_ON ? drover_bounded_on(way, deadline_us, err)
					  : drover_bounded_off(way, c->how, deadline_us, err);
}

/*
 * A machine that was asked, and did not become what is wanted.
 * @begin_us, @seen_us: when watching it began, and when it was last seen; 0: never
 * @why: of the last look, if that failed
 */
static int unchanged(const struct change *c, enum drover_power_state state, uint64_t begin_us,
		     uint64_t seen_us, const struct drover_err *why, struct drover_err *err)
{
	if (!seen_us)
		return drover_err_set(err, why->code,
				      "asked for, but what came of it cannot be seen: %s",
				      why->text);
	return drover_err_set(err, ETIMEDOUT,
			      "asked to turn it %s it did not refuse, but %.1f s later the state "
			      "is still %s%s%s",
			      drover_power_state_name(c->want), (seen_us - begin_us) / 1e6,
			      drover_power_state_name(state), why->code ? ", and then: " : "",
			      why->text);
}

/* Looks through driver @i until it shows what is wanted, or there is no time for one look more. */
static int watch(struct change *c, uint32_t i, uint64_t deadline_us, struct drover_err *err)
{
	uint64_t begin = drover_clock_monotonic(), seen = 0, took;
	enum drover_power_state state = DROVER_POWER_UNKNOWN;
	unsigned int wait = LOOK_FIRST_MS, left, pause;
	struct drover_err why;

	for (;;) {
		took = drover_clock_monotonic();
		why = (struct drover_err){ 0 };
		if (look(c, i, deadline_us, &state, &why) == 0) {
			if (state == c->want)
				return 0;
			seen = drover_clock_monotonic();
		}
		took = drover_clock_monotonic() - took;
		left = drover_deadline_left_ms(deadline_us);
		pause = wait < left / 2 ? wait : left / 2;
		if (left - pause < 2 * took / 1000 + LOOK_SPARE_MS)
			return unchanged(c, state, begin, seen, &why, err);
		usleep(pause * 1000);
		wait = wait * 2 < LOOK_MAX_MS ? wait * 2 : LOOK_MAX_MS;
	}
}

/* After a request through driver @i, which cannot see: is there another that can? */
static int watch_by_others(struct change *c, uint32_t i, uint64_t deadline_us,
			   enum drover_power_state *ret_state, struct drover_err *err)
{
	for (uint32_t j = 0; j < c->host->count; j++) {
		int r;

		if (j != i && !c->blind[j])
			c->blind[j] = look(c, j, deadline_us, ret_state, NULL) < 0;
		if (j == i || c->blind[j])
			continue;
		r = watch(c, j, deadline_us, err);
		if (r == 0)
			*ret_state = c->want;
		return r;
	}
	*ret_state = DROVER_POWER_UNKNOWN;
	return 0;
}

/* A request that was refused may have taken effect all the same. */
static int refused(struct change *c, uint32_t i, uint64_t deadline_us, const struct drover_err *why,
		   struct drover_err *err)
{
	enum drover_power_state state;

	if (look(c, i, deadline_us, &state, NULL) == 0 && state == c->want)
		return 0;
	return drover_err_set(err, why->code, "%s", why->text);
}

/* One driver's whole try. */
static int attempt(struct change *c, uint32_t i, struct drover_power_result *result,
		   struct drover_err *err)
{
	uint64_t deadline_us = share(c->host, i, c->deadline_us);
	struct drover_err why = { 0 };
	int seen = look(c, i, deadline_us, &result->state, &why), r;

	result->already = seen == 0 && result->state == c->want;
	if (result->already)
		return 0;
	c->blind[i] = seen < 0;
	if (seen < 0 && seen != -EOPNOTSUPP)
		return drover_err_set(err, seen, "%s", why.text);
	r = ask(c, i, deadline_us, &why);
	if (seen < 0)
		return r < 0 ? drover_err_set(err, r, "%s", why.text)
			     : watch_by_others(c, i, deadline_us, &result->state, err);
	r = r < 0 ? refused(c, i, deadline_us, &why, err) : watch(c, i, deadline_us, err);
	if (r == 0)
		result->state = c->want;
	return r;
}

static int change(struct change *c, struct drover_err *err)
{
	const struct drover_power_host *host = c->host;
	const char *wanted = drover_power_state_name(c->want);
	int r = check_configured(host, err);

	c->result->failed = 0;
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < host->count; i++) {
		struct drover_power_result result = { .driver = host->ways[i].ops->name };
		struct drover_err why = { 0 };

		if (attempt(c, i, &result, &why) < 0) {
			note(c, result.driver, &why);
			continue;
		}
		if (result.already)
			log_info("power %s: already %s, says %s", host->name, wanted,
				 result.driver);
		else
			log_info("power %s: %s %s by %s", host->name,
				 result.state == c->want ? "turned" : "asked unseen to turn",
				 wanted, result.driver);
		succeed(c, &result);
		return 0;
	}
	return drover_err_set(err, c->code, "%s was not turned %s: %s", host->name, wanted,
			      c->said);
}

int drover_power_on(const struct drover_power_host *host, uint64_t deadline_us,
		    struct drover_power_result *ret_result, struct drover_err *err)
{
	struct change c = {
		.host = host,
		.want = DROVER_POWER_ON,
		.deadline_us = deadline_us,
		.result = ret_result,
	};

	return change(&c, err);
}

int drover_power_off(const struct drover_power_host *host, enum drover_power_how how,
		     uint64_t deadline_us, struct drover_power_result *ret_result,
		     struct drover_err *err)
{
	struct change c = {
		.host = host,
		.want = DROVER_POWER_OFF,
		.how = how,
		.deadline_us = deadline_us,
		.result = ret_result,
	};

	return change(&c, err);
}

int drover_power_look(const struct drover_power_host *host, uint64_t deadline_us,
		      struct drover_power_result *ret_result, struct drover_err *err)
{
	struct change c = { .host = host, .result = ret_result };
	int r = check_configured(host, err);

	ret_result->failed = 0;
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < host->count; i++) {
		struct drover_power_result result = { .driver = host->ways[i].ops->name };
		struct drover_err why = { 0 };

		if (look(&c, i, share(host, i, deadline_us), &result.state, &why) < 0) {
			note(&c, result.driver, &why);
			continue;
		}
		succeed(&c, &result);
		return 0;
	}
	return drover_err_set(err, c.code, "whether %s is on cannot be seen: %s", host->name,
			      c.said);
}

static void test_one(const struct drover_power_access *way, uint64_t deadline_us,
		     struct drover_power_report *report)
{
	char text[DROVER_POWER_TEXT_MAX];
	struct drover_err err = { 0 };

	report->driver = way->ops->name;
	report->code = drover_bounded_test(way, deadline_us, text, &err);
	snprintf(report->text, sizeof(report->text), "%s", report->code < 0 ? err.text : text);
}

int drover_power_test(const struct drover_power_host *host, uint64_t deadline_us,
		      struct drover_power_report reports[static DROVER_POWER_DRIVERS_MAX],
		      struct drover_err *err)
{
	struct change c = { .host = host };
	int r = check_configured(host, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < host->count; i++) {
		struct drover_err why = { 0 };

		test_one(&host->ways[i], share(host, i, deadline_us), &reports[i]);
		if (reports[i].code == 0)
			continue;
		drover_err_set(&why, reports[i].code, "%s", reports[i].text);
		note(&c, reports[i].driver, &why);
	}
	return c.code ? drover_err_set(err, c.code, "%s: %s", host->name, c.said) : 0;
}
