/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON over HTTPS to one Redfish service: TLS checked, a session's token, no redirects. */
#ifndef DROVER_POWER_REDFISH_HTTP_H
#define DROVER_POWER_REDFISH_HTTP_H

#include <curl/curl.h>
#include <jansson.h>

#include "power/power.h"

#define DROVER_REDFISH_PATH_MAX 512

/**
 * struct drover_redfish - a service, perhaps with a session on it
 * @token: the session's, secret, or ""
 * @session: path of the session, or ""
 */
struct drover_redfish {
	const struct drover_power_access *access;
	uint64_t deadline_us;
	CURL *curl;
	char token[DROVER_FIELD_LEN];
	char session[DROVER_REDFISH_PATH_MAX];
	char location[DROVER_REDFISH_PATH_MAX];
};

/** drover_redfish_open() - nothing is sent yet */
int drover_redfish_open(struct drover_redfish *rf, const struct drover_power_access *access,
			uint64_t deadline_us, struct drover_err *err);

/** drover_redfish_close() - wipes the token; ends no session */
void drover_redfish_close(struct drover_redfish *rf);

/**
 * drover_redfish_request() - one request
 * @method: "GET", "POST" or "DELETE"
 * @path: from '/': what a service answers leads to no other machine
 * @body: JSON text, or NULL
 * @ret_answer: out: a JSON object, perhaps empty, to be given back; or NULL
 *
 * A token or location in the answer's header goes to @rf->token and @rf->location.
 * Errors: -ETIMEDOUT; -EKEYREJECTED: not the machine that we trust; -EBADMSG: no JSON, or no path;
 * -EACCES: status 401 or 403; -EBADRQC: 400; -ENOENT: 404; -EREMOTEIO: another that is no success,
 * with the service's own sentence.
 */
int drover_redfish_request(struct drover_redfish *rf, const char *method, const char *path,
			   const char *body, json_t **ret_answer, struct drover_err *err);

#endif
