// SPDX-License-Identifier: GPL-2.0-or-later
/* Handshakes, and what certificates are worth. The keys go to the kernel: ktls.c. */
#include "net/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "core/config.h"
#include "net/ktls.h"

#define HANDSHAKE_MS 5000
/* The one cipher that each kernel has for TLS 1.3, and that TLS 1.3 has everywhere. */
#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM"

struct tls {
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
};

/* --- files --- */

/* Whoever reads the key is this host. */
static int check_key_file(const char *path, struct drover_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return drover_err_set(err, errno, "cannot look at %s: %s", path, strerror(errno));
	return drover_io_check_secret(path, &st, "the key", "a new key", err);
}

static int load_files(gnutls_certificate_credentials_t to, const struct drover_tls_conf *conf,
		      struct drover_err *err)
{
	int r = gnutls_certificate_set_x509_trust_file(to, conf->authority, GNUTLS_X509_FMT_PEM);

	if (r <= 0)
		return drover_err_set(err, EINVAL, "no certificate can be read from %s: %s",
				      conf->authority, r ? gnutls_strerror(r) : "it has none");
	r = gnutls_certificate_set_x509_key_file(to, conf->certificate, conf->key,
						 GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return drover_err_set(err, EINVAL, "the certificate %s cannot be used with the key %s: %s",
				      conf->certificate, conf->key, gnutls_strerror(r));
	return 0;
}

static int load(const struct drover_tls_conf *conf, gnutls_certificate_credentials_t *ret,
		struct drover_err *err)
{
	gnutls_certificate_credentials_t credentials;
	int r = check_key_file(conf->key, err);

	if (r < 0)
		return r;
	if (gnutls_certificate_allocate_credentials(&credentials) < 0)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = load_files(credentials, conf, err);
	if (r < 0)
		gnutls_certificate_free_credentials(credentials);
	else
		*ret = credentials;
	return r;
}

/* --- certificates --- */

/* @status of gnutls_certificate_verify_peers(); the first reason is enough. */
static int judge(unsigned int status, const struct drover_tls_conf *conf, struct drover_err *err)
{
	static const struct {
		unsigned int status;
		const char *why;
	} reasons[] = {
		{ GNUTLS_CERT_EXPIRED, "has expired" },
		{ GNUTLS_CERT_NOT_ACTIVATED, "is not valid yet; a clock may be wrong" },
		{ GNUTLS_CERT_PURPOSE_MISMATCH, "is not meant for that side of a connection" },
		{ GNUTLS_CERT_INSECURE_ALGORITHM, "is signed in a way that is not secure any more" },
	};

	if (!status)
		return 0;
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		return drover_err_set(err, EACCES, "is not signed by who is in %s", conf->authority);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (status & reasons[i].status)
			return drover_err_set(err, EACCES, "%s", reasons[i].why);
	return drover_err_set(err, EACCES, "is not valid (%x)", status);
}

static void read_names(gnutls_x509_crt_t certificate, struct drover_tls_id *id)
{
	for (unsigned int i = 0; id->count < DROVER_TLS_NAMES_MAX; i++) {
		char *name = id->names[id->count];
		/* Leaves room for a NUL, and a longer name is nobody's. */
		size_t size = DROVER_NAME_LEN - 1;
		int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL);

		/* The last one was read, or they cannot be read at all. */
		if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
			break;
		if (type != GNUTLS_SAN_DNSNAME)
			continue;
		name[size] = '\0';
		if (strlen(name) == size && drover_name_valid(name))
			id->count++;
	}
}

static void identify(const struct tls *t, const struct drover_conf *conf, const char *purpose,
		     struct drover_tls_id *id)
{
	gnutls_typed_vdata_st wanted = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (unsigned char *)purpose };
	unsigned int count = 0, status = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(t->session, &count);
	gnutls_x509_crt_t first;
	int r;

	memset(id, 0, sizeof(*id));
	if (!count) {
		drover_err_set(&id->problem, EACCES, "is missing");
		return;
	}
	r = gnutls_certificate_verify_peers(t->session, &wanted, 1, &status);
	if (r < 0)
		drover_err_set(&id->problem, EACCES, "cannot be checked: %s", gnutls_strerror(r));
	else
		judge(status, &conf->tls, &id->problem);
	if (id->problem.code || gnutls_x509_crt_init(&first) < 0)
		return;
	if (gnutls_x509_crt_import(first, &chain[0], GNUTLS_X509_FMT_DER) == 0)
		read_names(first, id);
	gnutls_x509_crt_deinit(first);
}

int drover_tls_id_check(const struct drover_tls_id *id, const char *host, struct drover_err *err)
{
	if (id->problem.code)
		return drover_err_set(err, EACCES, "the certificate of %s %s", host,
				      id->problem.text);
	for (uint32_t i = 0; i < id->count; i++)
		if (!strcmp(id->names[i], host))
			return 0;
	return drover_err_set(err, EACCES, "who calls itself %s has the certificate of %s", host,
			      id->count ? id->names[0] : "nobody");
}

/* --- handshakes --- */

static void end(struct tls *t)
{
	if (t->session)
		gnutls_deinit(t->session);
	if (t->credentials)
		gnutls_certificate_free_credentials(t->credentials);
}

static int begin(struct tls *t, const struct drover_conf *conf, int fd, unsigned int flags,
		 struct drover_err *err)
{
	int r = load(&conf->tls, &t->credentials, err);

	if (r < 0)
		return r;
	/* A ticket would come after the handshake, when the kernel reads, which knows of none. */
	r = gnutls_init(&t->session, flags | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);
	if (r == 0)
		r = gnutls_priority_set_direct(t->session, PRIORITIES, NULL);
	if (r == 0)
		r = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials);
	if (r < 0)
		return drover_err_set(err, EIO, "TLS cannot be set up: %s", gnutls_strerror(r));
	gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUEST);
	gnutls_transport_set_int(t->session, fd);
	gnutls_handshake_set_timeout(t->session, HANDSHAKE_MS);
	return 0;
}

static int shake(const struct tls *t, const char *who, struct drover_err *err)
{
	int r;

	do
		r = gnutls_handshake(t->session);
	while (r < 0 && !gnutls_error_is_fatal(r));
	if (r == GNUTLS_E_TIMEDOUT)
		return drover_err_set(err, ETIMEDOUT, "%s did not set up encryption in time", who);
	if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return drover_err_set(err, EPROTO, "%s ended setting up encryption: %s", who,
				      gnutls_alert_get_name(gnutls_alert_get(t->session)));
	if (r == GNUTLS_E_UNEXPECTED_PACKET_LENGTH || r == GNUTLS_E_UNSUPPORTED_VERSION_PACKET ||
	    r == GNUTLS_E_UNEXPECTED_PACKET || r == GNUTLS_E_PREMATURE_TERMINATION)
		return drover_err_set(err, EPROTO,
				      "%s does not set up encryption: has its drover.conf a section [tls]?",
				      who);
	if (r < 0)
		return drover_err_set(err, EPROTO, "encryption with %s cannot be set up: %s", who,
				      gnutls_strerror(r));
	return 0;
}

int drover_tls_connect(const struct drover_conf *conf, int fd, const char *host,
		       struct drover_err *err)
{
	struct drover_tls_id id;
	struct tls t = { 0 };
	int r = begin(&t, conf, fd, GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT, err);

	if (r == 0)
		r = shake(&t, host, err);
	if (r == 0) {
		identify(&t, conf, GNUTLS_KP_TLS_WWW_SERVER, &id);
		r = drover_tls_id_check(&id, host, err);
	}
	if (r == 0)
		r = drover_ktls_start(t.session, fd, err);
	end(&t);
	return r;
}

int drover_tls_accept(const struct drover_conf *conf, int fd, struct drover_tls_id *ret_id,
		      struct drover_err *err)
{
	struct drover_tls_id id;
	struct tls t = { 0 };
	int r = begin(&t, conf, fd, GNUTLS_SERVER, err);

	if (r == 0)
		r = shake(&t, "a peer", err);
	if (r == 0) {
		identify(&t, conf, GNUTLS_KP_TLS_WWW_CLIENT, &id);
		r = drover_ktls_start(t.session, fd, err);
	}
	if (r == 0)
		*ret_id = id;
	end(&t);
	return r;
}

/* A record of the type handshake (22), of version 3.x. */
bool drover_tls_is_client(const uint8_t bytes[DROVER_TLS_PEEK])
{
	return bytes[0] == 22 && bytes[1] == 3 && bytes[2] <= 4;
}

/* --- this host's own --- */

static int check_own(const struct drover_conf *conf, gnutls_certificate_credentials_t credentials,
		     uint32_t *ret_days, struct drover_err *err)
{
	gnutls_x509_crt_t *chain = NULL;
	gnutls_x509_trust_list_t authority;
	struct drover_tls_id id = { 0 };
	unsigned int count = 0, status = 0;
	time_t left;
	int r = gnutls_certificate_get_x509_crt(credentials, 0, &chain, &count);

	if (r < 0 || !count)
		return drover_err_set(err, EINVAL, "there is no certificate in %s",
				      conf->tls.certificate);
	gnutls_certificate_get_trust_list(credentials, &authority);
	r = gnutls_x509_trust_list_verify_crt(authority, chain, count, 0, &status, NULL);
	if (r < 0)
		drover_err_set(&id.problem, EINVAL, "cannot be checked: %s", gnutls_strerror(r));
	else
		judge(status, &conf->tls, &id.problem);
	read_names(chain[0], &id);
	left = gnutls_x509_crt_get_expiration_time(chain[0]) - time(NULL);
	for (unsigned int i = 0; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	r = drover_tls_id_check(&id, conf->host, err);
	if (r == 0)
		*ret_days = left > 0 ? left / 86400 : 0;
	return r;
}

int drover_tls_check(const struct drover_conf *conf, uint32_t *ret_days, struct drover_err *err)
{
	gnutls_certificate_credentials_t credentials;
	int r = load(&conf->tls, &credentials, err);

	if (r < 0)
		return r;
	r = check_own(conf, credentials, ret_days, err);
	gnutls_certificate_free_credentials(credentials);
	return r;
}
