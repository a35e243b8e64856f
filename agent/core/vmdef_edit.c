// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes a VM definition as a careful person would: everything else stays as it was written. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/config.h"

#define BLANKS " \t\r"

/**
 * struct edit - what goes where
 * @inside: the section that began last is the disk's
 * @has_format: the disk's section tells its format
 */
struct edit {
	FILE *out;
	const char *disk, *path, *format;
	bool inside, has_format;
};

/* Some of the text. */
struct part {
	const char *first, *end;
};

static struct part trim(struct part p)
{
	while (p.first < p.end && strchr(BLANKS, *p.first))
		p.first++;
	while (p.end > p.first && strchr(BLANKS, p.end[-1]))
		p.end--;
	return p;
}

static bool reads(struct part p, const char *word)
{
	p = trim(p);
	return (size_t)(p.end - p.first) == strlen(word) && !memcmp(p.first, word, p.end - p.first);
}

static void begin_section(struct edit *e, struct part line)
{
	struct part name = { line.first + 1, memchr(line.first, ']', line.end - line.first) };
	const char *p;

	if (!name.end)
		return;
	name = trim(name);
	for (p = name.first; p < name.end && !strchr(BLANKS, *p);)
		p++;
	e->inside = reads((struct part){ name.first, p }, "disk") &&
		    reads((struct part){ p, name.end }, e->disk);
}

static const char *new_value(struct edit *e, struct part key)
{
	if (reads(key, "path"))
		return e->path;
	if (!reads(key, "format"))
		return NULL;
	e->has_format = true;
	return e->format;
}

static void put_line(struct edit *e, struct part whole)
{
	struct part line = trim(whole);
	const char *equals = memchr(line.first, '=', line.end - line.first);
	const char *value = NULL;

	if (line.first < line.end && *line.first == '[')
		begin_section(e, line);
	else if (e->inside && equals && !strchr("#;", *line.first))
		value = new_value(e, (struct part){ line.first, equals });
	if (!value) {
		fwrite(whole.first, 1, whole.end - whole.first, e->out);
		return;
	}
	fwrite(whole.first, 1, trim((struct part){ equals + 1, line.end }).first - whole.first,
	       e->out);
	fputs(value, e->out);
	/* Where no format is told it is raw. */
	if (value == e->path && !e->has_format && strcmp(e->format, "raw"))
		fprintf(e->out, "\nformat = %s", e->format);
	fwrite(line.end, 1, whole.end - line.end, e->out);
}

static int walk(struct edit *e, const char *text, char **ret_text, struct drover_err *err)
{
	size_t size;

	*ret_text = NULL;
	e->inside = false;
	e->out = open_memstream(ret_text, &size);
	if (!e->out)
		return drover_err_set(err, ENOMEM, "out of memory");
	while (*text) {
		const char *end = text + strcspn(text, "\n");

		put_line(e, (struct part){ text, end });
		if (*end)
			fputc(*end++, e->out);
		text = end;
	}
	return fclose(e->out) ? drover_err_set(err, ENOMEM, "out of memory") : 0;
}

/* What was written must be read again as what was meant. */
static int check(const char *text, const char *disk, const char *path, const char *format,
		 struct drover_err *err)
{
	const struct drover_disk_def *now;
	struct drover_vm_def def;
	int r = drover_vmdef_parse(text, "the new definition", &def, err);

	if (r < 0)
		return r;
	now = drover_vmdef_disk(&def, disk);
	if (!now)
		return drover_err_set(err, ENOENT, "vm %s has no disk %s", def.name, disk);
	if (strcmp(now->path, path) || strcmp(now->format, format))
		return drover_err_set(err, EINVAL, "\"%s\" cannot be the path of disk %s", path, disk);
	return 0;
}

int drover_vmdef_set_disk(const char *text, const char *disk, const char *path, const char *format,
			  char **ret_text, struct drover_err *err)
{
	struct edit e = { .disk = disk, .path = path, .format = format };
	auto_free char *first = NULL, *second = NULL;
	/* The first time tells whether the section has a format behind its path. */
	int r = walk(&e, text, &first, err);

	if (r == 0)
		r = walk(&e, text, &second, err);
	if (r == 0)
		r = check(second, disk, path, format, err);
	if (r == 0)
		*ret_text = steal_ptr(second);
	return r;
}
