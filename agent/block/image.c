// SPDX-License-Identifier: GPL-2.0-or-later
/* Disk images as files. What is in them is qemu-img's business. */
#include "block/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "block/imgtool.h"

#define LOOK_S	  20
#define MEASURE_S 120
/* With a low limit it may be long until the next percent. */
#define COPY_S 86400
#define SECTOR 512

/* --- looking --- */

/* Over TCP, or over a unix socket. */
static bool is_nbd(const char *path)
{
	return !strncmp(path, "nbd://", 6) || !strncmp(path, "nbd+unix://", 11);
}

/*
 * A name for qemu-img under which it looks at the image whoever else uses it: the target of a
 * mirror is locked even against readers. To be freed.
 */
static char *unlocked(const char *path)
{
	auto_free char *text = NULL;
	char *name = NULL;
	struct stat st;
	json_t *o;

	if (is_nbd(path))
		return strdup(path);
	o = json_pack("{s{ss ss ss}}", "file", "driver",
		      stat(path, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device" : "file",
		      "filename", path, "locking", "off");
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text && asprintf(&name, "json:%s", text) >= 0 ? name : NULL;
}

static int run_json(const struct drover_imgtool *run, json_t **ret_object, struct drover_err *err)
{
	auto_free char *text = NULL;
	int r = drover_imgtool_run(run, &text, err);

	if (r < 0)
		return r;
	*ret_object = json_loads(text ? text : "", 0, NULL);
	return *ret_object ? 0
			   : drover_err_set(err, EPROTO, "qemu-img %s says what is no JSON",
					    run->argv[0]);
}

static void take(json_t *o, const char *key, char *buf, size_t size)
{
	const char *value = json_string_value(json_object_get(o, key));

	snprintf(buf, size, "%s", value ? value : "");
}

/* A raw image has nothing in it that would have to be read. */
static int look_at_raw(const char *path, const struct stat *st, struct drover_image *ret_image,
		       struct drover_err *err)
{
	auto_close int fd = -1;
	off_t size = st->st_size;

	if (S_ISBLK(st->st_mode)) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	}
	if (size < 0)
		return drover_err_set(err, errno, "%s cannot be read: %s", path, strerror(errno));
	*ret_image = (struct drover_image){ .format = "raw" };
	/* QEMU counts in sectors. */
	ret_image->size = ((uint64_t)size + SECTOR - 1) / SECTOR * SECTOR;
	ret_image->used = fd < 0 ? st->st_blocks * UINT64_C(512) : ret_image->size;
	return 0;
}

int drover_image_look(const char *path, const char *format, struct drover_image *ret_image,
		      struct drover_err *err)
{
	auto_free char *name = unlocked(path);
	struct drover_imgtool run = {
		.argv = { "info", "-U", "--output=json", "-f", format, name },
		.patience_s = LOOK_S,
	};
	struct stat st;
	json_t *o;
	int r;

	if (!name)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (!is_nbd(path) && stat(path, &st) < 0)
		return drover_err_set(err, errno, "%s: %s", path, strerror(errno));
	if (!is_nbd(path) && !strcmp(format, "raw"))
		return look_at_raw(path, &st, ret_image, err);
	r = run_json(&run, &o, err);
	if (r < 0)
		return r;
	*ret_image = (struct drover_image){
		.size = json_integer_value(json_object_get(o, "virtual-size")),
		.used = json_integer_value(json_object_get(o, "actual-size")),
	};
	if (is_nbd(path) || S_ISBLK(st.st_mode))
		ret_image->used = ret_image->size;
	take(o, "format", ret_image->format, sizeof(ret_image->format));
	take(o, "full-backing-filename", ret_image->backing, sizeof(ret_image->backing));
	take(o, "backing-filename-format", ret_image->backing_format,
	     sizeof(ret_image->backing_format));
	json_decref(o);
	return 0;
}

int drover_image_measure(const char *path, const char *format, const char *to_format,
			 uint64_t *ret_bytes, struct drover_err *err)
{
	auto_free char *name = unlocked(path);
	struct drover_imgtool run = {
		.argv = { "measure", "-U", "--output=json", "-f", format, "-O", to_format, name },
		.patience_s = MEASURE_S,
	};
	json_t *o;
	int r = name ? run_json(&run, &o, err) : drover_err_set(err, ENOMEM, "out of memory");

	if (r < 0)
		return r;
	*ret_bytes = json_integer_value(json_object_get(o, "required"));
	json_decref(o);
	return 0;
}

/* --- making and removing --- */

static int sync_path(const char *path, int flags)
{
	auto_close int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_image(const char *path, struct drover_err *err)
{
	char copy[DROVER_PATH_MAX];
	int r = drover_io_path(copy, err, "%s", path);

	if (r < 0)
		return r;
	r = sync_path(path, O_RDWR);
	if (r == 0)
		r = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY);
	return r < 0 ? drover_err_set(err, r, "%s cannot be synced: %s", path, strerror(-r)) : 0;
}

static int fill(const char *path, int fd, const char *format, uint64_t size, const char *backing,
		const char *backing_format, struct drover_err *err)
{
	struct drover_imgtool run = { .patience_s = LOOK_S };
	char number[24];

	if (!strcmp(format, "raw") && !backing)
		return ftruncate(fd, size) < 0
			       ? drover_err_set(err, errno,
						"%s cannot be made %" PRIu64 " bytes long: %s",
						path, size, strerror(errno))
			       : 0;
	snprintf(number, sizeof(number), "%" PRIu64, size);
	if (backing)
		memcpy(run.argv,
		       ((const char *[]){ "create", "-q", "-f", format, "-b", backing, "-F",
					  backing_format, path, number }),
		       10 * sizeof(char *));
	else
		memcpy(run.argv, ((const char *[]){ "create", "-q", "-f", format, path, number }),
		       6 * sizeof(char *));
	return drover_imgtool_run(&run, NULL, err);
}

int drover_image_create(const char *path, const char *format, uint64_t size, const char *backing,
			const char *backing_format, struct drover_err *err)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return drover_err_set(err, errno,
				      errno == EEXIST ? "%s is there already"
						      : "%s cannot be made: %s",
				      path, strerror(errno));
	r = fill(path, fd, format, size, backing, backing_format, err);
	if (r == 0)
		r = sync_image(path, err);
	if (r < 0)
		unlink(path);
	return r;
}

int drover_image_busy(const char *path, struct drover_err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_start = 100, .l_len = 200 };

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return drover_err_set(err, errno, "%s cannot be opened: %s", path, strerror(errno));
	if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		return drover_err_set(err, EBUSY, "%s is in use", path);
	return 0;
}

int drover_image_remove(const char *path, struct drover_err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return drover_err_set(err, EINVAL, "%s is no file, so it is not deleted", path);
	return drover_io_remove_durable(path, err);
}

/* --- copying and comparing --- */

struct copy {
	int (*progress)(void *data, uint64_t done, uint64_t total);
	void *data;
	uint64_t total;
};

static int on_percent(void *data, double percent)
{
	struct copy *c = data;

	return c->progress(c->data, (uint64_t)(percent / 100 * c->total), c->total);
}

int drover_image_copy(const char *from, const char *from_format, const char *to,
		      const char *to_format, uint64_t bandwidth,
		      int (*progress)(void *data, uint64_t done, uint64_t total), void *data,
		      struct drover_err *err)
{
	struct copy c = { .progress = progress, .data = data };
	struct drover_imgtool run = {
		.argv = { "convert", "-p", "-n", "-t", "writeback", "-f", from_format, "-O",
			  to_format, from, to },
		.patience_s = COPY_S,
		.progress = progress ? on_percent : NULL,
		.data = &c,
	};
	struct drover_image image;
	char rate[24];
	int n = 11, r = drover_image_look(to, to_format, &image, err);

	if (r < 0)
		return r;
	c.total = image.size;
	if (bandwidth) {
		snprintf(rate, sizeof(rate), "%" PRIu64, bandwidth);
		run.argv[n++] = "-r";
		run.argv[n++] = rate;
	}
	if (image.backing[0]) {
		run.argv[n++] = "-B";
		run.argv[n++] = image.backing;
		run.argv[n++] = "-F";
		run.argv[n++] = image.backing_format;
	} else {
		run.argv[n++] = "--target-is-zero";
	}
	r = drover_imgtool_run(&run, NULL, err);
	return r < 0 ? r : sync_image(to, err);
}

struct comparison {
	int (*stop)(void *data);
	void *data;
};

static int on_second(void *data, double percent)
{
	struct comparison *c = data;

	return c->stop(c->data);
}

int drover_image_compare(const char *a, const char *a_format, const char *b, const char *b_format,
			 int (*stop)(void *data), void *data, uint64_t *ret_verified,
			 uint64_t *ret_mismatched, struct drover_err *err)
{
	auto_free char *a_name = unlocked(a), *b_name = unlocked(b), *text = NULL;
	struct comparison c = { .stop = stop, .data = data };
	struct drover_imgtool run = {
		.argv = { "compare", "-U", "-f", a_format, "-F", b_format, a_name, b_name },
		.patience_s = COPY_S,
		.progress = stop ? on_second : NULL,
		.data = &c,
	};
	struct drover_image image;
	unsigned long long offset;
	const char *at;
	int r = drover_image_look(a, a_format, &image, err);

	if (r == 0)
		r = a_name && b_name ? drover_imgtool_run(&run, &text, err)
				     : drover_err_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	*ret_verified = image.size;
	*ret_mismatched = 0;
	if (r == 0)
		return 0;
	/* It ends at the first sector that differs, or because one of them is longer and not empty. */
	at = text ? strstr(text, "offset ") : NULL;
	*ret_verified = at && sscanf(at, "offset %llu", &offset) == 1 ? offset : 0;
	*ret_mismatched = SECTOR;
	return 0;
}
