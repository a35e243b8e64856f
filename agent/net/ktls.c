// SPDX-License-Identifier: GPL-2.0-or-later
/* Both directions of a socket become the kernel's. */
#include "net/ktls.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#define SALT TLS_CIPHER_AES_GCM_128_SALT_SIZE
#define IV   TLS_CIPHER_AES_GCM_128_IV_SIZE
#define KEY  TLS_CIPHER_AES_GCM_128_KEY_SIZE

/* The nonce of TLS 1.3 (RFC 8446, 5.3) is in two parts here, as it was before. */
static int give_keys(gnutls_session_t session, int fd, bool reading, struct drover_err *err)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};
	gnutls_datum_t mac, nonce, key;
	int r = gnutls_record_get_state(session, reading, &mac, &nonce, &key, info.rec_seq);

	if (r < 0)
		return drover_err_set(err, EIO, "the keys of TLS cannot be had: %s",
				      gnutls_strerror(r));
	if (nonce.size != SALT + IV || key.size != KEY)
		return drover_err_set(err, EIO, "the keys of TLS are not those of AES-128-GCM");
	memcpy(info.salt, nonce.data, SALT);
	memcpy(info.iv, nonce.data + SALT, IV);
	memcpy(info.key, key.data, KEY);
	r = setsockopt(fd, SOL_TLS, reading ? TLS_RX : TLS_TX, &info, sizeof(info));
	if (r < 0)
		r = drover_err_set(err, EOPNOTSUPP, "the kernel does not take the keys of TLS: %s",
				   strerror(errno));
	explicit_bzero(&info, sizeof(info));
	return r;
}

int drover_ktls_start(gnutls_session_t session, int fd, struct drover_err *err)
{
	int r;

	if (gnutls_record_check_pending(session))
		return drover_err_set(err, EPROTO, "data came before the connection was encrypted");
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0)
		return drover_err_set(err, EOPNOTSUPP,
				      "the kernel cannot encrypt connections: %s (its module tls "
				      "is wanted)",
				      strerror(errno));
	r = give_keys(session, fd, false, err);
	return r < 0 ? r : give_keys(session, fd, true, err);
}
