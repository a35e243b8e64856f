// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON over HTTPS with libcurl. What is sent and answered is never logged, for it has secrets. */
#include "power/redfish_http.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "power/deadline.h"

/* Services answer with some KiB. */
#define ANSWER_MAX (1U << 20)

struct answer {
	char *text;
	size_t len;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct answer *a = user;
	char *more;

	n *= size;
	if (a->len + n > ANSWER_MAX)
		return 0;
	more = realloc(a->text, a->len + n + 1);
	if (!more)
		return 0;
	memcpy(more + a->len, data, n);
	a->text = more;
	a->len += n;
	a->text[a->len] = '\0';
	return n;
}

/* The value of the header line if it has that name, without blanks around it. */
static void take_header(const char *line, size_t len, const char *name, char *buf, size_t size)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) || line[n] != ':')
		return;
	line += n + 1;
	len -= n + 1;
	while (len && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	if (len < size) {
		memcpy(buf, line, len);
		buf[len] = '\0';
	}
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
	struct drover_redfish *rf = user;

	take_header(data, n, "X-Auth-Token", rf->token, sizeof(rf->token));
	take_header(data, n, "Location", rf->location, sizeof(rf->location));
	return n;
}

/*
 * A pinned key is all that counts where no file of certificates is given: a BMC's own certificate
 * is signed by nobody and made out to no name. libcurl compares the key before it sends anything.
 */
static void set_trust(CURL *curl, const struct drover_power_access *access)
{
	bool pinned = *access->fingerprint, ca = *access->ca;

	if (pinned)
		curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, access->fingerprint);
	if (ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, access->ca);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, pinned && !ca ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, pinned && !ca ? 0L : 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

int drover_redfish_open(struct drover_redfish *rf, const struct drover_power_access *access,
			uint64_t deadline_us, struct drover_err *err)
{
	*rf = (struct drover_redfish){ .access = access, .deadline_us = deadline_us };
	pthread_once(&library_once, library_init);
	rf->curl = curl_easy_init();
	if (!rf->curl)
		return drover_err_set(err, ENOMEM, "libcurl cannot be set up");
	/* No environment, no redirect and no other protocol leads a token elsewhere. */
	curl_easy_setopt(rf->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(rf->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(rf->curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(rf->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(rf->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(rf->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(rf->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(rf->curl, CURLOPT_HEADERDATA, rf);
	set_trust(rf->curl, access);
	return 0;
}

void drover_redfish_close(struct drover_redfish *rf)
{
	if (rf->curl)
		curl_easy_cleanup(rf->curl);
	explicit_bzero(rf, sizeof(*rf));
}

static void free_headers(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}

static struct curl_slist *make_headers(const struct drover_redfish *rf)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json"), *more;
	char line[DROVER_FIELD_LEN + 16];

	/* No "Expect: 100-continue": a second of waiting for services that do not know it. */
	more = headers ? curl_slist_append(headers, "Content-Type: application/json") : NULL;
	more = more ? curl_slist_append(more, "OData-Version: 4.0") : NULL;
	more = more ? curl_slist_append(more, "Expect:") : NULL;
	if (more && *rf->token) {
		snprintf(line, sizeof(line), "X-Auth-Token: %s", rf->token);
		more = curl_slist_append(more, line);
		explicit_bzero(line, sizeof(line));
	}
	if (!more)
		free_headers(headers);
	return more;
}

/* What libcurl says, for our list of ways to fail. */
static int transfer_error(const struct drover_redfish *rf, CURLcode code, const char *detail,
			  struct drover_err *err)
{
	const char *url = rf->access->url;

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return drover_err_set(err, ETIMEDOUT, "%s does not answer", url);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return drover_err_set(err, EKEYREJECTED,
				      "%s has another key than the one whose fingerprint is "
				      "configured; nothing was sent to it",
				      url);
	case CURLE_PEER_FAILED_VERIFICATION:
		return drover_err_set(
			err, EKEYREJECTED,
			"%s shows a certificate that is not trusted, nothing was sent "
			"to it: %s",
			url, detail);
	case CURLE_SSL_CACERT_BADFILE:
		return drover_err_set(err, ENOENT, "the file of certificates %s cannot be used",
				      rf->access->ca);
	default:
		return drover_err_set(err, EIO, "%s cannot be talked to: %s", url,
				      *detail ? detail : curl_easy_strerror(code));
	}
}

/*
 * The first sentence of an error (DSP0266, "Error responses"), made fit for a line of log. A
 * service that repeats the password is not quoted.
 */
static void error_sentence(const struct drover_power_access *access, const json_t *answer,
			   char *buf, size_t size)
{
	const json_t *error = json_object_get(answer, "error");
	const json_t *info = json_array_get(json_object_get(error, "@Message.ExtendedInfo"), 0);
	const char *text = json_string_value(json_object_get(info, "Message"));

	if (!text)
		text = json_string_value(json_object_get(error, "message"));
	if (text && strstr(text, access->password))
		text = NULL;
	snprintf(buf, size, "%s%.200s", text ? ": " : "", text ? text : "");
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

static int status_error(const struct drover_redfish *rf, const char *method, const char *path,
			long status, const json_t *answer, struct drover_err *err)
{
	char sentence[256];
	int code = status == 401 || status == 403 ? EACCES
		   : status == 400		  ? EBADRQC
		   : status == 404		  ? ENOENT
						  : EREMOTEIO;

	error_sentence(rf->access, answer, sentence, sizeof(sentence));
	return drover_err_set(err, code, "%s answers %s %s with status %ld%s", rf->access->url,
			      method, path, status, sentence);
}

static int judge(const struct drover_redfish *rf, const char *method, const char *path,
		 const struct answer *a, json_t **ret_answer, struct drover_err *err)
{
	json_t *json = a->len ? json_loadb(a->text, a->len, 0, NULL) : json_object();
	long status = 0;
	int r = 0;

	curl_easy_getinfo(rf->curl, CURLINFO_RESPONSE_CODE, &status);
	log_debug("redfish %s: %s %s: %ld", rf->access->url, method, path, status);
	if (status < 200 || status > 299)
		r = status_error(rf, method, path, status, json, err);
	else if (ret_answer && !json_is_object(json))
		r = drover_err_set(err, EBADMSG, "%s answers %s %s with something else than JSON",
				   rf->access->url, method, path);
	if (r < 0 || !ret_answer)
		json_decref(json);
	else
		*ret_answer = json;
	return r;
}

static CURLcode perform(struct drover_redfish *rf, const char *method, const char *url,
			const char *body, struct curl_slist *headers, struct answer *answer)
{
	CURL *curl = rf->curl;

	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)drover_deadline_left_ms(rf->deadline_us));
	return curl_easy_perform(curl);
}

/* Printable, and below the service's own root. */
static bool is_path(const char *path)
{
	const unsigned char *p = (const unsigned char *)path;

	while (*p > ' ' && *p < 0x7f)
		p++;
	return *path == '/' && !*p;
}

int drover_redfish_request(struct drover_redfish *rf, const char *method, const char *path,
			   const char *body, json_t **ret_answer, struct drover_err *err)
{
	char url[DROVER_FIELD_LEN + DROVER_REDFISH_PATH_MAX], detail[CURL_ERROR_SIZE] = "";
	struct answer answer = { 0 };
	struct curl_slist *headers;
	CURLcode code;
	int r;

	/* 0 would be no limit at all. */
	if (!drover_deadline_left_ms(rf->deadline_us))
		return transfer_error(rf, CURLE_OPERATION_TIMEDOUT, "", err);
	if (!is_path(path) ||
	    snprintf(url, sizeof(url), "%s%s", rf->access->url, path) >= (int)sizeof(url))
		return drover_err_set(err, EBADMSG, "%s gives a link that is no path of its own",
				      rf->access->url);
	headers = make_headers(rf);
	if (!headers)
		return drover_err_set(err, ENOMEM, "out of memory");
	curl_easy_setopt(rf->curl, CURLOPT_ERRORBUFFER, detail);
	code = perform(rf, method, url, body, headers, &answer);
	curl_easy_setopt(rf->curl, CURLOPT_ERRORBUFFER, NULL);
	r = code ? transfer_error(rf, code, detail, err)
		 : judge(rf, method, path, &answer, ret_answer, err);
	free_headers(headers);
	if (answer.text)
		explicit_bzero(answer.text, answer.len);
	free(answer.text);
	return r;
}
