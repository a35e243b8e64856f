/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of a file of drover-power(5), changed in one section; nothing is read or written here. */
#ifndef DROVER_TOOL_POWER_FILE_H
#define DROVER_TOOL_POWER_FILE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct power_key - a key and what it is set to
 * @value: "": the key goes
 */
struct power_key {
	char key[32];
	const char *value;
};

/** power_file_valid() - is that a value that stays on its line as it is? */
bool power_file_valid(const char *value);

/**
 * power_file_set() - set keys of a section, which is made if there is none
 *
 * Everything else stays, comments too. Returns a new text, or NULL without memory. It may hold
 * secrets: wipe it before it is freed.
 */
char *power_file_set(const char *text, const char *section, const struct power_key *keys,
		     size_t count);

/** power_file_remove() - the text without a section; otherwise like power_file_set() */
char *power_file_remove(const char *text, const char *section);

/** power_file_is_empty() - has the text no section? */
bool power_file_is_empty(const char *text);

#endif
