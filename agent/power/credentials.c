// SPDX-License-Identifier: GPL-2.0-or-later
/* The files of credentials. Their text is wiped wherever it was. */
#include "power/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/config.h"
#include "core/ini.h"
#include "power/keys.h"

#define FILE_MAX 65536

/* @ways: by driver, in order of preference; unused ones have no ops. */
struct reader {
	struct drover_power_access ways[DROVER_POWER_DRIVERS_MAX];
	struct drover_power_access *way;
};

static const struct drover_power_ops *const drivers[DROVER_POWER_DRIVERS_MAX] = {
	&drover_power_ipmi,
	&drover_power_redfish,
	&drover_power_wol,
};

static int on_section(void *data, const char *kind, const char *name, struct drover_err *err)
{
	struct reader *r = data;

	for (int i = 0; i < DROVER_POWER_DRIVERS_MAX; i++) {
		if (strcmp(kind, drivers[i]->name) || *name)
			continue;
		r->way = &r->ways[i];
		if (r->way->ops)
			return drover_err_set(err, EINVAL, "a second section [%s]", kind);
		r->way->ops = drivers[i];
		drover_powerkeys_begin(r->way);
		return 0;
	}
	return drover_err_set(err, EINVAL,
			      "unknown section [%s%s%s]; there are ipmi, redfish and wol", kind,
			      *name ? " " : "", name);
}

static int on_key(void *data, const char *key, const char *value, struct drover_err *err)
{
	struct reader *r = data;

	return drover_powerkeys_set(r->way, key, value, err);
}

static int on_end(void *data, struct drover_err *err)
{
	struct reader *r = data;

	return drover_powerkeys_end(r->way, err);
}

/* Who may read the file also commands the machine. */
static int check_file(const char *path, int fd, size_t *ret_size, struct drover_err *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return drover_err_set(err, errno, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return drover_err_set(err, EINVAL, "%s is no file", path);
	r = drover_io_check_secret(path, &st, "the passwords in it", "new passwords", err);
	if (r < 0)
		return r;
	if (st.st_size > FILE_MAX)
		return drover_err_set(err, EFBIG, "%s is larger than %d bytes", path, FILE_MAX);
	*ret_size = st.st_size;
	return 0;
}

static int read_text(const char *path, int fd, char *text, size_t size, struct drover_err *err)
{
	int r = drover_io_read(fd, text, size);

	if (r < 0)
		return drover_err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	text[size] = '\0';
	if (strlen(text) != size)
		return drover_err_set(err, EINVAL, "%s is no text: it has a byte 0", path);
	return 0;
}

static int parse(const char *text, const char *origin, struct reader *r, struct drover_err *err)
{
	static const struct drover_ini_ops ops = {
		.section = on_section,
		.key = on_key,
		.end = on_end,
	};

	return drover_ini_read(text, origin, &ops, r, err);
}

/* @r is filled, or has secrets in it all the same. */
static int read_file(const char *path, struct reader *r, struct drover_err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	auto_free char *text = NULL;
	size_t size = 0;
	int result;

	if (fd < 0)
		return drover_err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	result = check_file(path, fd, &size, err);
	if (result < 0)
		return result;
	text = malloc(size + 1);
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	result = size ? read_text(path, fd, text, size, err)
		      : drover_err_set(err, EINVAL, "%s is empty", path);
	if (result == 0)
		result = parse(text, strrchr(path, '/') + 1, r, err);
	explicit_bzero(text, size + 1);
	return result;
}

static int collect(const struct reader *r, const char *name, struct drover_power_host *ret_host,
		   struct drover_err *err)
{
	if (!r->way)
		return drover_err_set(err, EINVAL, "%s.conf has no section", name);
	memset(ret_host, 0, sizeof(*ret_host));
	strncpy(ret_host->name, name, sizeof(ret_host->name) - 1);
	for (int i = 0; i < DROVER_POWER_DRIVERS_MAX; i++)
		if (r->ways[i].ops)
			ret_host->ways[ret_host->count++] = r->ways[i];
	return 0;
}

int drover_power_load(const char *dir, const char *name, struct drover_power_host *ret_host,
		      struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	struct reader r = { 0 };
	int result;

	if (!drover_name_valid(name))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a host", name);
	result = drover_io_path(path, err, "%s/%s.conf", dir, name);
	if (result == 0)
		result = read_file(path, &r, err);
	if (result == 0)
		result = collect(&r, name, ret_host, err);
	explicit_bzero(&r, sizeof(r));
	return result;
}

void drover_power_forget(struct drover_power_host *host)
{
	explicit_bzero(host, sizeof(*host));
}
