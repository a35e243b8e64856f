// SPDX-License-Identifier: GPL-2.0-or-later
/* Edits the text of files with secrets: one buffer of the right size, so that no copies stay. */
#include "power_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t\r");
}

static size_t line_length(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? (size_t)(end - line) + 1 : strlen(line);
}

static bool is_header(const char *line)
{
	return *skip_blanks(line) == '[';
}

static bool begins_section(const char *line, const char *section)
{
	const char *s = skip_blanks(line);
	size_t n = strlen(section);

	if (*s != '[')
		return false;
	s = skip_blanks(s + 1);
	return !strncmp(s, section, n) && *skip_blanks(s + n) == ']';
}

static bool sets_key(const char *line, const struct power_key *keys, size_t count)
{
	const char *s = skip_blanks(line);

	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(keys[i].key);

		if (!strncmp(s, keys[i].key, n) && *skip_blanks(s + n) == '=')
			return true;
	}
	return false;
}

bool power_file_valid(const char *value)
{
	size_t n = strlen(value);

	for (const char *p = value; *p; p++)
		if (iscntrl((unsigned char)*p))
			return false;
	return !n || (value[0] != ' ' && value[n - 1] != ' ');
}

bool power_file_is_empty(const char *text)
{
	for (; *text; text += line_length(text))
		if (is_header(text))
			return false;
	return true;
}

static char *add(char *end, const char *text, size_t len)
{
	memcpy(end, text, len);
	return end + len;
}

static char *add_keys(char *end, const struct power_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!*keys[i].value)
			continue;
		end = add(end, keys[i].key, strlen(keys[i].key));
		end = add(end, " = ", 3);
		end = add(end, keys[i].value, strlen(keys[i].value));
		*end++ = '\n';
	}
	return end;
}

static size_t room_for(const char *text, const char *section, const struct power_key *keys,
		       size_t count)
{
	/* Newlines, brackets and " = " are what else may come. */
	size_t size = strlen(text) + strlen(section) + 8;

	for (size_t i = 0; i < count; i++)
		size += strlen(keys[i].key) + strlen(keys[i].value) + 8;
	return size;
}

char *power_file_set(const char *text, const char *section, const struct power_key *keys,
		     size_t count)
{
	char *made = malloc(room_for(text, section, keys, count)), *end = made;
	bool inside = false, found = false;

	if (!made)
		return NULL;
	for (const char *line = text; *line; line += line_length(line)) {
		size_t len = line_length(line);

		if (is_header(line))
			inside = begins_section(line, section);
		if (inside && sets_key(line, keys, count))
			continue;
		end = add(end, line, len);
		if (line[len - 1] != '\n')
			*end++ = '\n';
		if (inside && is_header(line) && !found) {
			end = add_keys(end, keys, count);
			found = true;
		}
	}
	if (!found) {
		if (end > made)
			*end++ = '\n';
		*end++ = '[';
		end = add(end, section, strlen(section));
		end = add(end, "]\n", 2);
		end = add_keys(end, keys, count);
	}
	*end = '\0';
	return made;
}

char *power_file_remove(const char *text, const char *section)
{
	char *made = malloc(strlen(text) + 1), *end = made;
	bool inside = false;

	if (!made)
		return NULL;
	for (const char *line = text; *line; line += line_length(line)) {
		if (is_header(line))
			inside = begins_section(line, section);
		if (!inside)
			end = add(end, line, line_length(line));
	}
	*end = '\0';
	return made;
}
