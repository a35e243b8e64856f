// SPDX-License-Identifier: GPL-2.0-or-later
/* The INI reader. */
#include "core/ini.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define KEYS_MAX 32

/*
 * @where: line of the error that ended the reading
 * @keys: those of this section so far, as they stand in our copy of the text
 */
struct reader {
	const struct drover_ini_ops *ops;
	void *data;
	unsigned int line, section_line, where;
	const char *keys[KEYS_MAX];
	int key_count;
};

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return s;
}

/* How many bytes follow the first one of a character, or -1 (RFC 3629, section 3). */
static int utf8_rest(unsigned char c)
{
	if (c < 0x80)
		return 0;
	if (c >= 0xc2 && c <= 0xdf)
		return 1;
	if (c >= 0xe0 && c <= 0xef)
		return 2;
	return c >= 0xf0 && c <= 0xf4 ? 3 : -1;
}

/* Second bytes that would make a character too long, a surrogate, or too large. */
static bool utf8_forbidden(unsigned char first, unsigned char second)
{
	return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	       (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
}

/* Values travel on as JSON and on command lines: text they must be. */
static bool is_text(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		int rest = utf8_rest(*p);

		if (rest < 0 || *p == 0x7f || (*p < ' ' && *p != '\t' && *p != '\r'))
			return false;
		if (rest && utf8_forbidden(p[0], p[1]))
			return false;
		for (p++; rest; rest--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

static int end_section(struct reader *r, struct drover_err *err)
{
	return r->section_line && r->ops->end ? r->ops->end(r->data, err) : 0;
}

static int read_section(struct reader *r, char *line, struct drover_err *err)
{
	char *end = strchr(line, ']'), *name;

	if (!end || *trim(end + 1))
		return drover_err_set(err, EINVAL, "a section is written [kind] or [kind name]");
	*end = '\0';
	line = trim(line + 1);
	name = line + strcspn(line, " \t");
	if (*name)
		*name++ = '\0';
	r->section_line = r->line;
	r->key_count = 0;
	return r->ops->section(r->data, line, trim(name), err);
}

static int read_key(struct reader *r, char *line, struct drover_err *err)
{
	char *value = strchr(line, '='), *key;

	if (!value)
		return drover_err_set(err, EINVAL, "a line is written key = value");
	if (!r->section_line)
		return drover_err_set(err, EINVAL, "a key stands before the first section");
	*value++ = '\0';
	key = trim(line);
	for (int i = 0; i < r->key_count; i++)
		if (!strcmp(r->keys[i], key))
			return drover_err_set(err, EINVAL, "a second \"%s\" in this section", key);
	if (r->key_count == KEYS_MAX)
		return drover_err_set(err, EINVAL, "more than %d keys in a section", KEYS_MAX);
	r->keys[r->key_count++] = key;
	return r->ops->key(r->data, key, trim(value), err);
}

static int read_line(struct reader *r, char *line, struct drover_err *err)
{
	if (!is_text(line))
		return drover_err_set(err, EINVAL,
				      "the line holds control characters or is not UTF-8");
	line = trim(line);
	if (!*line || *line == '#' || *line == ';')
		return 0;
	return *line == '[' ? read_section(r, line, err) : read_key(r, line, err);
}

static int locate(const struct drover_err *why, const char *origin, unsigned int line,
		  struct drover_err *err)
{
	return drover_err_set(err, why->code, "%s:%u: %s", origin, line, why->text);
}

static int read_lines(struct reader *r, char *text, struct drover_err *why)
{
	char *rest = text, *line;
	int result;

	while ((line = strsep(&rest, "\n"))) {
		r->line++;
		r->where = r->section_line;
		if (*trim(line) == '[' && (result = end_section(r, why)) < 0)
			return result;
		r->where = r->line;
		result = read_line(r, line, why);
		if (result < 0)
			return result;
	}
	r->where = r->section_line;
	return end_section(r, why);
}

int drover_ini_read(const char *text, const char *origin, const struct drover_ini_ops *ops,
		    void *data, struct drover_err *err)
{
	auto_free char *copy = strdup(text);
	struct reader r = { .ops = ops, .data = data };
	struct drover_err why = { 0 };
	int result;

	if (!copy)
		return drover_err_set(err, ENOMEM, "out of memory");
	result = read_lines(&r, copy, &why);
	/* There may have been passwords in it. */
	explicit_bzero(copy, strlen(text));
	return result < 0 ? locate(&why, origin, r.where, err) : 0;
}

int drover_ini_load(const char *path, const char *origin, size_t max, char **ret_text,
		    struct drover_err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r = drover_io_read_file(path, max, &text, &len, err);

	if (r < 0)
		return r;
	/* What stands behind it would be ignored without a word. */
	if (strlen(text) != len)
		return drover_err_set(err, EINVAL, "%s is no text: it has a byte 0", origin);
	*ret_text = steal_ptr(text);
	return 0;
}
