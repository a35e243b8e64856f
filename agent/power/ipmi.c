// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IPMI 2.0 over LAN (RMCP+): a session for each call, in which the chassis is asked or told
 * (section 28 of the specification). libfreeipmi does the talking.
 */
#include <errno.h>
#include <freeipmi/freeipmi.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "power/deadline.h"
#include "power/power.h"

/* Packets get lost: after how long one is sent again. */
#define RETRY_MS 1000

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_ready;

/* The library wants this done before threads use it. */
static void library_init(void)
{
	library_ready = ipmi_rmcpplus_init();
}

/* What the library knows of it, in our words; NULL for what is no matter of configuration. */
static const char *reason(int errnum)
{
	switch (errnum) {
	case IPMI_ERR_USERNAME_INVALID:
		return "does not know the user";
	case IPMI_ERR_PASSWORD_INVALID:
	case IPMI_ERR_PASSWORD_VERIFICATION_TIMEOUT:
		return "refuses the password";
	case IPMI_ERR_PRIVILEGE_LEVEL_INSUFFICIENT:
	case IPMI_ERR_PRIVILEGE_LEVEL_CANNOT_BE_OBTAINED:
		return "does not let the user control the power";
	case IPMI_ERR_CIPHER_SUITE_ID_UNAVAILABLE:
		return "does not offer the cipher suite";
	case IPMI_ERR_IPMI_2_0_UNAVAILABLE:
		return "does not speak IPMI 2.0";
	case IPMI_ERR_HOSTNAME_INVALID:
		return "has no address: the name is unknown";
	case IPMI_ERR_CONNECTION_TIMEOUT:
	case IPMI_ERR_SESSION_TIMEOUT:
	case IPMI_ERR_MESSAGE_TIMEOUT:
		return "does not answer";
	default:
		return NULL;
	}
}

static int code_of(int errnum)
{
	switch (errnum) {
	case IPMI_ERR_USERNAME_INVALID:
	case IPMI_ERR_PASSWORD_INVALID:
	case IPMI_ERR_PASSWORD_VERIFICATION_TIMEOUT:
	case IPMI_ERR_PRIVILEGE_LEVEL_INSUFFICIENT:
	case IPMI_ERR_PRIVILEGE_LEVEL_CANNOT_BE_OBTAINED:
		return EACCES;
	case IPMI_ERR_CONNECTION_TIMEOUT:
	case IPMI_ERR_SESSION_TIMEOUT:
	case IPMI_ERR_MESSAGE_TIMEOUT:
		return ETIMEDOUT;
	default:
		return EIO;
	}
}

/* @doing: what was tried, for errors that are not about the configuration. */
static int fail(const struct drover_power_access *access, ipmi_ctx_t ctx, const char *doing,
		struct drover_err *err)
{
	int errnum = ipmi_ctx_errnum(ctx);
	const char *why = reason(errnum);

	if (why)
		return drover_err_set(err, code_of(errnum),
				      "the BMC at %s %s (user %s, cipher suite %u)",
				      access->address, why, access->user, access->cipher);
	return drover_err_set(err, code_of(errnum), "the BMC at %s does not %s: %s",
			      access->address, doing, ipmi_ctx_errormsg(ctx));
}

/* What the library takes as a host: with a port, and an IPv6 address in brackets. */
static void print_target(const struct drover_power_access *access, char *buf, size_t size)
{
	bool v6 = strchr(access->address, ':');

	snprintf(buf, size, "%s%s%s:%u", v6 ? "[" : "", access->address, v6 ? "]" : "",
		 access->port);
}

static void session_close(ipmi_ctx_t *ctx)
{
	if (!*ctx)
		return;
	ipmi_ctx_close(*ctx);
	/* Wipes its copy of the password. */
	ipmi_ctx_destroy(*ctx);
}

#define auto_session __attribute__((cleanup(session_close)))

static int session_open(const struct drover_power_access *access, uint64_t deadline_us,
			ipmi_ctx_t *ret_ctx, struct drover_err *err)
{
	char target[DROVER_FIELD_LEN + 16];
	unsigned int ms = drover_deadline_left_ms(deadline_us), retry;
	auto_session ipmi_ctx_t ctx = NULL;

	pthread_once(&library_once, library_init);
	if (library_ready == 0)
		ctx = ipmi_ctx_create();
	if (!ctx)
		return drover_err_set(err, ENOMEM, "libfreeipmi cannot be set up");
	if (!ms)
		return drover_deadline_check(deadline_us, err);
	/* The library gives up only when it would have to send again: up to a retry too late. */
	retry = ms < 4 * RETRY_MS ? (ms + 3) / 4 : RETRY_MS;
	print_target(access, target, sizeof(target));
	log_debug("ipmi %s: session as %s, cipher suite %u", target, access->user, access->cipher);
	if (ipmi_ctx_open_outofband_2_0(ctx, target, access->user, access->password, NULL, 0,
					access->privilege, access->cipher, ms - retry + 1, retry,
					access->workarounds, IPMI_FLAGS_DEFAULT) < 0)
		return fail(access, ctx, "open a session", err);
	*ret_ctx = steal_ptr(ctx);
	return 0;
}

static int control(const struct drover_power_access *access, uint8_t what, uint64_t deadline_us,
		   struct drover_err *err)
{
	auto_session ipmi_ctx_t ctx = NULL;
	int r = session_open(access, deadline_us, &ctx, err);
	fiid_obj_t answer;

	if (r == 0)
		r = drover_deadline_check(deadline_us, err);
	if (r < 0)
		return r;
	answer = fiid_obj_create(tmpl_cmd_chassis_control_rs);
	if (!answer)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (ipmi_cmd_chassis_control(ctx, what, answer) < 0)
		r = fail(access, ctx, "do as asked", err);
	fiid_obj_destroy(answer);
	return r;
}

static int status(const struct drover_power_access *access, ipmi_ctx_t ctx,
		  enum drover_power_state *ret_state, struct drover_err *err)
{
	fiid_obj_t answer = fiid_obj_create(tmpl_cmd_get_chassis_status_rs);
	uint64_t on;
	int r = 0;

	if (!answer)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (ipmi_cmd_get_chassis_status(ctx, answer) < 0)
		r = fail(access, ctx, "tell the state of the chassis", err);
	else if (FIID_OBJ_GET(answer, "current_power_state.power_is_on", &on) < 0)
		r = drover_err_set(err, EBADMSG, "the BMC at %s does not say whether it is on",
				   access->address);
	else
		*ret_state = on ? DROVER_POWER_ON : DROVER_POWER_OFF;
	fiid_obj_destroy(answer);
	return r;
}

static int ipmi_on(const struct drover_power_access *access, uint64_t deadline_us,
		   struct drover_err *err)
{
	return control(access, IPMI_CHASSIS_CONTROL_POWER_UP, deadline_us, err);
}

static int ipmi_off(const struct drover_power_access *access, enum drover_power_how how,
		    uint64_t deadline_us, struct drover_err *err)
{
	return control(access,
		       how == DROVER_POWER_ORDERLY ? IPMI_CHASSIS_CONTROL_INITIATE_SOFT_SHUTDOWN
						   : IPMI_CHASSIS_CONTROL_POWER_DOWN,
		       deadline_us, err);
}

static int ipmi_state(const struct drover_power_access *access, uint64_t deadline_us,
		      enum drover_power_state *ret_state, struct drover_err *err)
{
	auto_session ipmi_ctx_t ctx = NULL;
	int r = session_open(access, deadline_us, &ctx, err);

	return r < 0 ? r : status(access, ctx, ret_state, err);
}

/* The session is opened with the privilege that control needs, so it proves that, too. */
static int ipmi_test(const struct drover_power_access *access, uint64_t deadline_us, char *text,
		     struct drover_err *err)
{
	enum drover_power_state state;
	int r = ipmi_state(access, deadline_us, &state, err);

	if (r == 0)
		snprintf(text, DROVER_POWER_TEXT_MAX,
			 "the BMC at %s takes user %s with cipher suite %u; the machine is %s",
			 access->address, access->user, access->cipher,
			 drover_power_state_name(state));
	return r;
}

const struct drover_power_ops drover_power_ipmi = {
	.name = "ipmi",
	.on = ipmi_on,
	.off = ipmi_off,
	.state = ipmi_state,
	.test = ipmi_test,
};
