// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Redfish (DMTF DSP0266): a session for each call, in which the system is found, and reset as it
 * says that it can be.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "power/deadline.h"
#include "power/power.h"
#include "power/redfish_http.h"

#define ROOT	   "/redfish/v1/"
#define SESSIONS   "/redfish/v1/SessionService/Sessions"
#define SYSTEMS	   "/redfish/v1/Systems"
#define RESETS_MAX 128
#define LETTERS	   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* For ending a session the deadline may have passed: how long we try. */
#define LOGOUT_US 2000000

static void give_back_json(json_t **json)
{
	json_decref(*json);
}

#define auto_json __attribute__((cleanup(give_back_json)))

static void copy(char *buf, size_t size, const char *text, const char *otherwise)
{
	snprintf(buf, size, "%s", text && strlen(text) < size ? text : otherwise);
}

/* The link "@odata.id" in @object, or @otherwise. */
static const char *link_of(const json_t *object, const char *otherwise)
{
	const char *path = json_string_value(json_object_get(object, "@odata.id"));

	return path ? path : otherwise;
}

/* {"UserName": …, "Password": …}, in a buffer of the caller's, so that no copy is left behind. */
static int print_login(const struct drover_power_access *access, char *buf, size_t size)
{
	json_t *login = json_object(), *password = json_string(access->password);
	size_t n = 0;

	if (login && password &&
	    !json_object_set_new(login, "UserName", json_string(access->user)) &&
	    !json_object_set(login, "Password", password))
		n = json_dumpb(login, buf, size - 1, JSON_COMPACT);
	if (password)
		explicit_bzero((char *)json_string_value(password), json_string_length(password));
	json_decref(password);
	json_decref(login);
	buf[n < size ? n : 0] = '\0';
	return n && n < size ? 0 : -ENOMEM;
}

/* A location may come as a whole URL. */
static void keep_session(struct drover_redfish *rf, const json_t *answer)
{
	const char *at = rf->location, *slashes = strstr(at, "://");

	if (slashes)
		at = strchr(slashes + 3, '/');
	copy(rf->session, sizeof(rf->session), at && *at ? at : link_of(answer, ""), "");
}

static int login(struct drover_redfish *rf, const char *sessions, struct drover_err *err)
{
	char body[4 * DROVER_FIELD_LEN];
	auto_json json_t *answer = NULL;
	int r = print_login(rf->access, body, sizeof(body));

	if (r < 0)
		return drover_err_set(err, r, "out of memory");
	r = drover_redfish_request(rf, "POST", sessions, body, &answer, err);
	explicit_bzero(body, sizeof(body));
	/* 400 is what some services answer to a wrong password. */
	if (r == -EACCES || r == -EBADRQC)
		return drover_err_set(err, EACCES, "%s refuses user %s or the password",
				      rf->access->url, rf->access->user);
	if (r < 0)
		return r;
	keep_session(rf, answer);
	return *rf->token ? 0
			  : drover_err_set(err, EBADMSG, "%s opens a session without a token",
					   rf->access->url);
}

static void logout(struct drover_redfish *rf)
{
	if (*rf->token && *rf->session) {
		rf->deadline_us = drover_clock_monotonic() + LOGOUT_US;
		drover_redfish_request(rf, "DELETE", rf->session, NULL, NULL, NULL);
	}
	drover_redfish_close(rf);
}

#define auto_logout __attribute__((cleanup(logout)))

/* The systems' collection of a service to which we are logged in on return. */
static int begin(struct drover_redfish *rf, const struct drover_power_access *access,
		 uint64_t deadline_us, char *systems, size_t size, struct drover_err *err)
{
	auto_json json_t *root = NULL;
	const json_t *sessions;
	int r = drover_redfish_open(rf, access, deadline_us, err);

	if (r == 0)
		r = drover_redfish_request(rf, "GET", ROOT, NULL, &root, err);
	if (r < 0)
		return r;
	copy(systems, size, link_of(json_object_get(root, "Systems"), SYSTEMS), SYSTEMS);
	sessions = json_object_get(json_object_get(root, "Links"), "Sessions");
	return login(rf, link_of(sessions, SESSIONS), err);
}

/* Is @path what the configuration calls @system: the whole path, or its last part? */
static bool is_system(const char *path, const char *system)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(path, system) || (slash && !strcmp(slash + 1, system));
}

static int choose_system(const struct drover_redfish *rf, const json_t *members, char *path,
			 size_t size, struct drover_err *err)
{
	const char *system = rf->access->system;
	size_t i;
	json_t *member;

	if (!*system && json_array_size(members) != 1)
		return drover_err_set(err, ENOENT,
				      "%s has %zu systems; system = in its file must name one",
				      rf->access->url, json_array_size(members));
	json_array_foreach(members, i, member) {
		copy(path, size, link_of(member, ""), "");
		if (*path && (!*system || is_system(path, system)))
			return 0;
	}
	return drover_err_set(err, ENOENT, "%s has no system %s", rf->access->url, system);
}

/* Finds the system and reads what it says of itself. */
static int read_system(struct drover_redfish *rf, const char *systems, char *path, size_t size,
		       json_t **ret_system, struct drover_err *err)
{
	auto_json json_t *collection = NULL;
	int r = drover_redfish_request(rf, "GET", systems, NULL, &collection, err);

	if (r == 0)
		r = choose_system(rf, json_object_get(collection, "Members"), path, size, err);
	return r < 0 ? r : drover_redfish_request(rf, "GET", path, NULL, ret_system, err);
}

static enum drover_power_state state_of(const json_t *system)
{
	const char *power = json_string_value(json_object_get(system, "PowerState"));

	if (power && !strcmp(power, "On"))
		return DROVER_POWER_ON;
	/* PoweringOn and PoweringOff: not there yet. */
	return power && !strcmp(power, "Off") ? DROVER_POWER_OFF : DROVER_POWER_UNKNOWN;
}

/* The allowable reset types: beside the action, or in its description (an ActionInfo). */
static int read_resets(struct drover_redfish *rf, const json_t *action, json_t **ret_types,
		       struct drover_err *err)
{
	json_t *types = json_object_get(action, "ResetType@Redfish.AllowableValues"), *parameter;
	const char *path = json_string_value(json_object_get(action, "@Redfish.ActionInfo"));
	auto_json json_t *info = NULL;
	size_t i;
	int r;

	if (!types && path) {
		r = drover_redfish_request(rf, "GET", path, NULL, &info, err);
		if (r < 0)
			return r;
		json_array_foreach(json_object_get(info, "Parameters"), i, parameter) {
			const char *name = json_string_value(json_object_get(parameter, "Name"));

			if (name && !strcmp(name, "ResetType"))
				types = json_object_get(parameter, "AllowableValues");
		}
	}
	if (!json_is_array(types))
		return drover_err_set(err, EOPNOTSUPP, "%s announces no reset types",
				      rf->access->url);
	*ret_types = json_incref(types);
	return 0;
}

/* A word, fit for a line of log. */
static bool is_type(const json_t *t)
{
	const char *s = json_string_value(t);

	return s && *s && strspn(s, LETTERS) == strlen(s);
}

static bool has_type(const json_t *types, const char *type)
{
	json_t *t;
	size_t i;

	json_array_foreach(types, i, t)
		if (is_type(t) && !strcmp(json_string_value(t), type))
			return true;
	return false;
}

static void list_types(const json_t *types, char *buf, size_t size)
{
	size_t i, n = 0;
	json_t *t;

	*buf = '\0';
	json_array_foreach(types, i, t)
		if (is_type(t) && n < size)
			n += snprintf(buf + n, size - n, "%s%s", n ? ", " : "",
				      json_string_value(t));
}

/* In order of preference, ended by NULL. Values of ResetType in DMTF's schema Resource. */
static const char *const on_types[] = { "On", "ForceOn", NULL };
static const char *const orderly_types[] = { "GracefulShutdown", "PushPowerButton", NULL };
static const char *const at_once_types[] = { "ForceOff", NULL };

static int choose_type(const struct drover_redfish *rf, const json_t *types,
		       const char *const *wanted, const char *purpose, const char **ret_type,
		       struct drover_err *err)
{
	char list[RESETS_MAX];

	for (; *wanted; wanted++)
		if (has_type(types, *wanted)) {
			*ret_type = *wanted;
			return 0;
		}
	list_types(types, list, sizeof(list));
	return drover_err_set(err, EOPNOTSUPP, "%s announces no reset type to %s, only: %s",
			      rf->access->url, purpose, list);
}

static int reset(const struct drover_power_access *access, const char *const *wanted,
		 const char *purpose, uint64_t deadline_us, struct drover_err *err)
{
	char systems[DROVER_REDFISH_PATH_MAX], path[DROVER_REDFISH_PATH_MAX], body[64];
	auto_logout struct drover_redfish rf = { 0 };
	auto_json json_t *system = NULL, *types = NULL;
	const json_t *action;
	const char *type, *target;
	int r = begin(&rf, access, deadline_us, systems, sizeof(systems), err);

	if (r == 0)
		r = read_system(&rf, systems, path, sizeof(path), &system, err);
	if (r < 0)
		return r;
	action = json_object_get(json_object_get(system, "Actions"), "#ComputerSystem.Reset");
	target = json_string_value(json_object_get(action, "target"));
	if (!target)
		return drover_err_set(err, EOPNOTSUPP, "%s cannot reset its system", access->url);
	r = read_resets(&rf, action, &types, err);
	if (r == 0)
		r = choose_type(&rf, types, wanted, purpose, &type, err);
	if (r == 0)
		r = drover_deadline_check(deadline_us, err);
	if (r < 0)
		return r;
	snprintf(body, sizeof(body), "{\"ResetType\": \"%s\"}", type);
	return drover_redfish_request(&rf, "POST", target, body, NULL, err);
}

static int redfish_on(const struct drover_power_access *access, uint64_t deadline_us,
		      struct drover_err *err)
{
	return reset(access, on_types, "turn it on", deadline_us, err);
}

static int redfish_off(const struct drover_power_access *access, enum drover_power_how how,
		       uint64_t deadline_us, struct drover_err *err)
{
	if (how == DROVER_POWER_ORDERLY)
		return reset(access, orderly_types, "shut it down", deadline_us, err);
	return reset(access, at_once_types, "cut its power", deadline_us, err);
}

static int redfish_state(const struct drover_power_access *access, uint64_t deadline_us,
			 enum drover_power_state *ret_state, struct drover_err *err)
{
	char systems[DROVER_REDFISH_PATH_MAX], path[DROVER_REDFISH_PATH_MAX];
	auto_logout struct drover_redfish rf = { 0 };
	auto_json json_t *system = NULL;
	int r = begin(&rf, access, deadline_us, systems, sizeof(systems), err);

	if (r == 0)
		r = read_system(&rf, systems, path, sizeof(path), &system, err);
	if (r == 0)
		*ret_state = state_of(system);
	return r;
}

static int redfish_test(const struct drover_power_access *access, uint64_t deadline_us, char *text,
			struct drover_err *err)
{
	char systems[DROVER_REDFISH_PATH_MAX], path[DROVER_REDFISH_PATH_MAX], list[RESETS_MAX];
	auto_logout struct drover_redfish rf = { 0 };
	auto_json json_t *system = NULL, *types = NULL;
	const char *type;
	int r = begin(&rf, access, deadline_us, systems, sizeof(systems), err);

	if (r == 0)
		r = read_system(&rf, systems, path, sizeof(path), &system, err);
	if (r == 0)
		r = read_resets(&rf, json_object_get(json_object_get(system, "Actions"),
						     "#ComputerSystem.Reset"), &types, err);
	if (r == 0)
		r = choose_type(&rf, types, on_types, "turn it on", &type, err);
	if (r == 0)
		r = choose_type(&rf, types, at_once_types, "cut its power", &type, err);
	if (r < 0)
		return r;
	list_types(types, list, sizeof(list));
	snprintf(text, DROVER_POWER_TEXT_MAX,
		 "%.160s takes user %s; system %.64s is %s; reset types: %s", access->url,
		 access->user, path, drover_power_state_name(state_of(system)), list);
	return 0;
}

const struct drover_power_ops drover_power_redfish = {
	.name = "redfish",
	.on = redfish_on,
	.off = redfish_off,
	.state = redfish_state,
	.test = redfish_test,
};
