// SPDX-License-Identifier: GPL-2.0-or-later
/* The INI reader. */
#include "core/ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return s;
}

struct reader {
	const struct drover_ini_ops *ops;
	void *data;
	bool in_section;
	char keys[512];	/* of this section so far, each between newlines */
};

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
	r->in_section = true;
	strcpy(r->keys, "\n");
	return r->ops->section(r->data, line, trim(name), err);
}

/* A key given twice is a mistake that nobody should have to search for. */
static int first_time(struct reader *r, const char *key, struct drover_err *err)
{
	char word[64];

	snprintf(word, sizeof(word), "\n%.60s\n", key);
	if (strstr(r->keys, word))
		return drover_err_set(err, EINVAL, "a second \"%s\" in this section", key);
	strncat(r->keys, word + 1, sizeof(r->keys) - strlen(r->keys) - 1);
	return 0;
}

static int read_line(struct reader *r, char *line, struct drover_err *err)
{
	char *value;
	int ret;

	line = trim(line);
	if (!*line || *line == '#' || *line == ';')
		return 0;
	if (*line == '[')
		return read_section(r, line, err);
	value = strchr(line, '=');
	if (!value)
		return drover_err_set(err, EINVAL, "a line is written key = value");
	if (!r->in_section)
		return drover_err_set(err, EINVAL, "a key stands before the first section");
	*value++ = '\0';
	line = trim(line);
	ret = first_time(r, line, err);
	return ret < 0 ? ret : r->ops->key(r->data, line, trim(value), err);
}

int drover_ini_read(const char *text, const char *origin, const struct drover_ini_ops *ops,
		    void *data, struct drover_err *err)
{
	struct reader reader = { .ops = ops, .data = data };
	auto_free char *copy = strdup(text);
	unsigned int number = 0;
	char *rest = copy, *line;

	if (!copy)
		return drover_err_set(err, ENOMEM, "out of memory");
	while ((line = strsep(&rest, "\n"))) {
		struct drover_err why = { 0 };
		int r;

		number++;
		r = read_line(&reader, line, &why);
		if (r < 0)
			return drover_err_set(err, r, "%s:%u: %s", origin, number, why.text);
	}
	return 0;
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

int drover_ini_number(const char *value, uint64_t min, uint64_t max, uint64_t *ret,
		      struct drover_err *err)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno || !isdigit((unsigned char)*value) || *end || n < min || n > max)
		return drover_err_set(err, EINVAL, "\"%s\" is no number from %llu to %llu", value,
				      (unsigned long long)min, (unsigned long long)max);
	*ret = n;
	return 0;
}

int drover_ini_string(const char *value, char *buf, size_t size, struct drover_err *err)
{
	if (!*value)
		return drover_err_set(err, EINVAL, "the value is empty");
	if (strlen(value) >= size)
		return drover_err_set(err, EINVAL, "the value is longer than %zu bytes", size - 1);
	strcpy(buf, value);
	return 0;
}

int drover_ini_word(const char *value, const char *const *words, struct drover_err *err)
{
	char list[128] = "";

	for (int i = 0; words[i]; i++) {
		if (!strcmp(value, words[i]))
			return i;
		if (i)
			strncat(list, ", ", sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	return drover_err_set(err, EINVAL, "\"%s\" is none of %s", value, list);
}
