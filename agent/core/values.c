// SPDX-License-Identifier: GPL-2.0-or-later
/* Values of keys in INI files. */
#include "core/ini.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int drover_ini_number(const char *value, uint64_t min, uint64_t max, uint64_t *ret,
		      struct drover_err *err)
{
	unsigned long long n = 0;
	char *end = NULL;

	errno = 0;
	/* strtoull() alone would take signs and blanks. */
	if (strspn(value, "0123456789") == strlen(value))
		n = strtoull(value, &end, 10);
	if (errno || !end || end == value || n < min || n > max)
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

int drover_ini_path(const char *value, char *buf, size_t size, struct drover_err *err)
{
	if (*value && *value != '/')
		return drover_err_set(err, EINVAL, "\"%s\" is no absolute path", value);
	return drover_ini_string(value, buf, size, err);
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

int drover_ini_yes_no(const char *value, bool *ret, struct drover_err *err)
{
	static const char *const words[] = { "no", "yes", NULL };
	int i = drover_ini_word(value, words, err);

	if (i < 0)
		return i;
	*ret = i;
	return 0;
}
