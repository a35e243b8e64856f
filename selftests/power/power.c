// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The power drivers from a shell:
 *   power [-v] DIR HOST on|off|cut|state|test SECONDS
 * prints what came of it, or fails with the sentence. -v logs all there is to log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/clock.h"
#include "power/choose.h"
#include "power/credentials.h"

static int print_state(const struct drover_power_host *host, uint64_t deadline,
		       struct drover_err *err)
{
	struct drover_power_result seen;
	int r = drover_power_look(host, deadline, &seen, err);

	if (r == 0)
		printf("%s %s\n", drover_power_state_name(seen.state), seen.driver);
	return r;
}

static int print_test(const struct drover_power_host *host, uint64_t deadline,
		      struct drover_err *err)
{
	struct drover_power_report reports[DROVER_POWER_DRIVERS_MAX];
	int r = drover_power_test(host, deadline, reports, err);

	for (uint32_t i = 0; i < host->count; i++)
		printf("%s %s: %s\n", reports[i].driver, reports[i].code ? "failed" : "passed",
		       reports[i].text);
	return r;
}

static int act(const struct drover_power_host *host, const char *verb, uint64_t deadline,
	       struct drover_err *err)
{
	struct drover_power_result result;
	int r;

	if (!strcmp(verb, "state"))
		return print_state(host, deadline, err);
	if (!strcmp(verb, "test"))
		return print_test(host, deadline, err);
	if (!strcmp(verb, "on"))
		r = drover_power_on(host, deadline, &result, err);
	else
		r = drover_power_off(
			host, strcmp(verb, "cut") ? DROVER_POWER_ORDERLY : DROVER_POWER_AT_ONCE,
			deadline, &result, err);
	if (r == 0)
		printf("%s %s%s%s%s\n", drover_power_state_name(result.state), result.driver,
		       result.already ? " already" : "", *result.before ? " after " : "",
		       result.before);
	return r;
}

int main(int argc, char **argv)
{
	struct drover_power_host host;
	struct drover_err err = { 0 };
	int verbose = argc > 1 && !strcmp(argv[1], "-v");
	int r;

	argv += verbose;
	if (argc - verbose != 5) {
		fprintf(stderr, "usage: power [-v] DIR HOST on|off|cut|state|test SECONDS\n");
		return 2;
	}
	drover_log_set_sink(NULL, verbose ? DROVER_LOG_DEBUG : DROVER_LOG_WARNING);
	r = drover_power_load(argv[1], argv[2], &host, &err);
	if (r == 0) {
		r = act(&host, argv[3], drover_clock_monotonic() + atof(argv[4]) * 1e6, &err);
		drover_power_forget(&host);
	}
	if (r < 0)
		fprintf(stderr, "power: %s\n", err.text);
	return r < 0;
}
