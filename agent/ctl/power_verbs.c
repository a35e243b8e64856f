// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about the power of hosts. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "ctl/power.h"
#include "ctl/reply.h"
#include "power/credentials.h"

#define SUFFIX	".conf"
#define NEW_DIR DROVER_POWER_DIR "/new"

/* --- messages --- */

static void add_failures(Drover__PowerInfo *info, const struct drover_power_result *result)
{
	info->failed = calloc(result->failed + 1, sizeof(*info->failed));
	for (uint32_t i = 0; info->failed && i < result->failed; i++) {
		Drover__PowerTry *t = malloc(sizeof(*t));

		if (!t)
			return;
		drover__power_try__init(t);
		t->driver = strdup(result->failures[i].driver);
		t->error = strdup(result->failures[i].text);
		info->failed[info->n_failed++] = t;
	}
}

static Drover__PowerInfo *message(const struct drover_power_outcome *o)
{
	static const Drover__PowerState states[] = {
		[DROVER_POWER_UNKNOWN] = DROVER__POWER_STATE__POWER_STATE_UNKNOWN,
		[DROVER_POWER_OFF] = DROVER__POWER_STATE__POWER_STATE_OFF,
		[DROVER_POWER_ON] = DROVER__POWER_STATE__POWER_STATE_ON,
	};
	const struct drover_power_outcome *last = drover_power_last(o->host);
	Drover__PowerInfo *info = malloc(sizeof(*info));

	if (!info)
		return NULL;
	drover__power_info__init(info);
	info->host = strdup(o->host);
	info->busy = o->busy || (last && last->busy);
	info->error = strdup(o->err.text);
	info->watts = o->watts;
	info->power_source = strdup(o->source);
	add_failures(info, &o->result);
	if (o->busy || o->err.code)
		return info;
	info->state = states[o->result.state];
	info->driver = strdup(o->result.driver);
	info->already = o->result.already;
	return info;
}

static void answer(struct drover_agent *agent, uint64_t id, const struct drover_power_outcome *o)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		drover_reply_add_power(reply, message(o));
	drover_verbs_reply(agent, id, reply);
}

/* --- states --- */

/**
 * struct looks - hosts being looked at
 * @left: how many have not answered, and one while more may be added
 */
struct looks {
	struct drover_agent *agent;
	uint64_t id;
	unsigned int left;
	Drover__ControlReply *reply;
};

static void release(struct looks *l)
{
	if (--l->left)
		return;
	drover_verbs_reply(l->agent, l->id, l->reply);
	free(l);
}

static void on_looked(void *data, const struct drover_power_outcome *outcome)
{
	struct looks *l = data;

	drover_reply_add_power(l->reply, message(outcome));
	release(l);
}

/* A host that cannot be looked at is told of as well. */
static void look(struct looks *l, const char *host)
{
	struct drover_power_outcome o = { 0 };

	l->left++;
	if (drover_power_begin(l->agent, host, DROVER_POWER_LOOK, DROVER_POWER_IF_EMPTY, on_looked,
			       l, &o.err) == 0)
		return;
	snprintf(o.host, sizeof(o.host), "%s", host);
	on_looked(l, &o);
}

/* The host that a file is about, or nothing. */
static bool host_of(const char *file, char host[DROVER_NAME_LEN])
{
	const size_t len = strlen(file), end = strlen(SUFFIX);

	if (len <= end || len - end >= DROVER_NAME_LEN || strcmp(file + len - end, SUFFIX))
		return false;
	memcpy(host, file, len - end);
	host[len - end] = '\0';
	return drover_name_valid(host);
}

static void look_at_all(struct looks *l)
{
	struct dirent **files;
	int n = scandir(DROVER_POWER_DIR, &files, NULL, alphasort);
	char host[DROVER_NAME_LEN];

	for (int i = 0; i < n; i++) {
		if (host_of(files[i]->d_name, host))
			look(l, host);
		free(files[i]);
	}
	if (n >= 0)
		free(files);
}

static int begin_looks(struct drover_agent *agent, uint64_t id, const char *host,
		       struct drover_err *err)
{
	struct looks *l = calloc(1, sizeof(*l));

	if (l)
		l->reply = drover_reply_new();
	if (!l || !l->reply) {
		free(l);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	l->agent = agent;
	l->id = id;
	l->left = 1;
	if (*host)
		look(l, host);
	else
		look_at_all(l);
	release(l);
	return 0;
}

/* --- the others --- */

static int begin(struct drover_agent *agent, uint64_t id, const Drover__HostPower *q,
		 enum drover_power_deed deed, struct drover_err *err)
{
	int r = drover_power_begin(agent, q->host, deed,
				   q->force ? DROVER_POWER_ANYWAY : DROVER_POWER_IF_EMPTY, NULL,
				   NULL, err);

	if (r == 0)
		answer(agent, id, drover_power_last(q->host));
	return r;
}

static int tell_result(struct drover_agent *agent, uint64_t id, const char *host,
		       struct drover_err *err)
{
	const struct drover_power_outcome *last = drover_power_last(host);

	if (!last)
		return drover_err_set(err, ENOENT,
				      "%s was not turned on or off since droverd was started", host);
	answer(agent, id, last);
	return 0;
}

static int check_new(struct drover_agent *agent, uint64_t id, const char *host,
		     struct drover_err *err)
{
	struct drover_power_host ways;
	int r = drover_power_load(NEW_DIR, host, &ways, err);

	if (r < 0)
		return r;
	drover_power_forget(&ways);
	drover_verbs_reply(agent, id, drover_reply_new());
	return 0;
}

static int serve(struct drover_agent *agent, uint64_t id, const Drover__HostPower *q,
		 struct drover_err *err)
{
	switch ((int)q->action) {
	case DROVER__HOST_POWER__ACTION__STATE:
		return begin_looks(agent, id, q->host, err);
	case DROVER__HOST_POWER__ACTION__RESULT:
		return tell_result(agent, id, q->host, err);
	case DROVER__HOST_POWER__ACTION__ON:
		return begin(agent, id, q, DROVER_POWER_TURN_ON, err);
	case DROVER__HOST_POWER__ACTION__OFF:
		return begin(agent, id, q, q->at_once ? DROVER_POWER_CUT : DROVER_POWER_TURN_OFF,
			     err);
	case DROVER__HOST_POWER__ACTION__CHECK:
		return check_new(agent, id, q->host, err);
	}
	return drover_err_set(err, EOPNOTSUPP, "this droverd does not know the request");
}

void drover_power_verb(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	struct drover_err err = { 0 };

	if (serve(agent, id, request->host_power, &err) < 0)
		drover_verbs_refuse(agent, id, &err);
}
