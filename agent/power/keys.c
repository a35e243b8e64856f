// SPDX-License-Identifier: GPL-2.0-or-later
/* The keys in a file of credentials: which driver knows which, and what they may be. */
#include "power/keys.h"

#include <errno.h>
#include <freeipmi/freeipmi.h>
#include <stdio.h>
#include <string.h>

#include "core/ini.h"

#define IPMI_PORT 623
#define WOL_PORT  9

/* IPMI 2.0, sections 22.27 and 22.30. */
#define IPMI_USER_LEN	  16
#define IPMI_PASSWORD_LEN 20

typedef int reads_key(struct drover_power_access *way, const char *value, struct drover_err *err);

static int read_address(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	/* No port, no brackets: libfreeipmi would read them its own way. */
	if (strpbrk(value, " \t[]/@"))
		return drover_err_set(err, EINVAL, "\"%s\" is no host name or IP address", value);
	return drover_ini_string(value, way->address, sizeof(way->address), err);
}

static int read_port(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	uint64_t n;
	int r = drover_ini_number(value, 1, 65535, &n, err);

	if (r == 0)
		way->port = n;
	return r;
}

static int read_user(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	size_t size = way->ops == &drover_power_ipmi ? IPMI_USER_LEN + 1 : sizeof(way->user);

	return drover_ini_string(value, way->user, size, err);
}

static int read_password(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	size_t size =
		way->ops == &drover_power_ipmi ? IPMI_PASSWORD_LEN + 1 : sizeof(way->password);

	return drover_ini_string(value, way->password, size, err);
}

/* Those that authenticate, protect and encrypt, with AES. */
static int read_cipher(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	static const char *const words[] = { "3", "8", "12", "17", NULL };
	static const uint8_t suites[] = { 3, 8, 12, 17 };
	int i = drover_ini_word(value, words, err);

	if (i < 0)
		return i;
	way->cipher = suites[i];
	return 0;
}

static int read_privilege(struct drover_power_access *way, const char *value,
			  struct drover_err *err)
{
	static const char *const words[] = { "operator", "admin", NULL };
	int i = drover_ini_word(value, words, err);

	if (i < 0)
		return i;
	way->privilege = i ? IPMI_PRIVILEGE_LEVEL_ADMIN : IPMI_PRIVILEGE_LEVEL_OPERATOR;
	return 0;
}

/* The words are those of FreeIPMI's own tools. */
static int read_workarounds(struct drover_power_access *way, const char *value,
			    struct drover_err *err)
{
#define FLAG(name) IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_##name
	static const char *const words[] = { "authcap", "intel20",	"supermicro20",
					     "sun20",	"opensesspriv", "integritycheckvalue",
					     NULL };
	static const uint32_t flags[] = {
		FLAG(AUTHENTICATION_CAPABILITIES), FLAG(INTEL_2_0_SESSION),
		FLAG(SUPERMICRO_2_0_SESSION),	   FLAG(SUN_2_0_SESSION),
		FLAG(OPEN_SESSION_PRIVILEGE),	   FLAG(NON_EMPTY_INTEGRITY_CHECK_VALUE)
	};
#undef FLAG
	char copy[DROVER_FIELD_LEN], *rest = copy, *word;
	int r = drover_ini_string(value, copy, sizeof(copy), err);

	way->workarounds = 0;
	while (r >= 0 && (word = strsep(&rest, ", \t"))) {
		if (!*word)
			continue;
		r = drover_ini_word(word, words, err);
		if (r >= 0)
			way->workarounds |= flags[r];
	}
	return r < 0 ? r : 0;
}

static int read_url(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	int r = drover_ini_string(value, way->url, sizeof(way->url), err);
	size_t n = strlen(way->url);

	if (r < 0)
		return r;
	if (n && way->url[n - 1] == '/')
		way->url[--n] = '\0';
	/* A user in it would be logged, and a path is for the service to say. */
	if (strncmp(value, "https://", 8) || n <= 8 || strpbrk(way->url + 8, "/@?# \t"))
		return drover_err_set(err, EINVAL,
				      "an url is written https://NAME or https://NAME:PORT");
	return 0;
}

static int read_ca(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	return drover_ini_path(value, way->ca, sizeof(way->ca), err);
}

/* As libcurl wants it: SHA-256 in Base64, which is 43 digits and a '='. */
static int read_fingerprint(struct drover_power_access *way, const char *value,
			    struct drover_err *err)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (strncmp(value, "sha256//", 8) || strspn(value + 8, digits) != 43 ||
	    strcmp(value + 8 + 43, "="))
		return drover_err_set(err, EINVAL,
				      "a fingerprint is written sha256// and 44 digits of Base64");
	return drover_ini_string(value, way->fingerprint, sizeof(way->fingerprint), err);
}

static int read_system(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	return drover_ini_string(value, way->system, sizeof(way->system), err);
}

static int read_mac(struct drover_power_access *way, const char *value, struct drover_err *err)
{
	uint8_t *m = way->mac;
	int end = 0;

	if (sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3],
		   &m[4], &m[5], &end) != 6 ||
	    strlen(value) != 17 || end != 17 || (m[0] & 1))
		return drover_err_set(err, EINVAL, "\"%s\" is no address of a network card", value);
	return 0;
}

static int read_interface(struct drover_power_access *way, const char *value,
			  struct drover_err *err)
{
	return drover_ini_string(value, way->interface, sizeof(way->interface), err);
}

static const struct {
	const char *key;
	reads_key *read;
	bool ipmi, redfish, wol;
} keys[] = {
	{ "address", read_address, true, false, true },
	{ "port", read_port, true, false, true },
	{ "user", read_user, true, true, false },
	{ "password", read_password, true, true, false },
	{ "cipher", read_cipher, true, false, false },
	{ "privilege", read_privilege, true, false, false },
	{ "workarounds", read_workarounds, true, false, false },
	{ "url", read_url, false, true, false },
	{ "ca", read_ca, false, true, false },
	{ "fingerprint", read_fingerprint, false, true, false },
	{ "system", read_system, false, true, false },
	{ "mac", read_mac, false, false, true },
	{ "interface", read_interface, false, false, true },
};

void drover_powerkeys_begin(struct drover_power_access *way)
{
	way->cipher = 3;
	way->privilege = IPMI_PRIVILEGE_LEVEL_OPERATOR;
	way->port = way->ops == &drover_power_wol ? WOL_PORT : IPMI_PORT;
}

int drover_powerkeys_set(struct drover_power_access *way, const char *key, const char *value,
			 struct drover_err *err)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		bool known = way->ops == &drover_power_ipmi	 ? keys[i].ipmi
			     : way->ops == &drover_power_redfish ? keys[i].redfish
								 : keys[i].wol;

		if (known && !strcmp(key, keys[i].key))
			return keys[i].read(way, value, err);
	}
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [%s]", key, way->ops->name);
}

static int missing(const struct drover_power_access *way, const char *key, struct drover_err *err)
{
	return drover_err_set(err, EINVAL, "[%s] has no %s", way->ops->name, key);
}

int drover_powerkeys_end(const struct drover_power_access *way, struct drover_err *err)
{
	static const uint8_t no_mac[6];

	if (way->ops == &drover_power_wol)
		return memcmp(way->mac, no_mac, sizeof(no_mac)) ? 0 : missing(way, "mac", err);
	if (way->ops == &drover_power_ipmi && !*way->address)
		return missing(way, "address", err);
	if (way->ops == &drover_power_redfish && !*way->url)
		return missing(way, "url", err);
	if (!*way->user)
		return missing(way, "user", err);
	return *way->password ? 0 : missing(way, "password", err);
}
