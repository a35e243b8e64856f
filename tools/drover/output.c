// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers, for people and for scripts. */
#include "output.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Values of an enum RuleKind begin with RULE_KIND_, but for those inside of messages. */
static size_t prefix_length(const ProtobufCEnumDescriptor *descriptor, const char *value)
{
	const char *type = descriptor->short_name, *at = value;

	for (const char *t = type; *t; t++) {
		if (t > type && isupper((unsigned char)*t) && *at++ != '_')
			return 0;
		if (*at++ != toupper((unsigned char)*t))
			return 0;
	}
	return *at == '_' ? at + 1 - value : 0;
}

const char *output_state(const ProtobufCEnumDescriptor *descriptor, int value, char *buf,
			 size_t size)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(descriptor, value);
	const char *name = v ? v->name : "unknown";
	size_t i;

	name += prefix_length(descriptor, name);
	for (i = 0; name[i] && i + 1 < size; i++)
		buf[i] = tolower((unsigned char)name[i]);
	buf[i] = '\0';
	return buf;
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	default:
		return 4;
	}
}

/* What a peer or a guest named may be no UTF-8, or be meant for a terminal. */
static json_t *text(const char *s)
{
	json_t *value = json_string(s);

	if (!value) {
		char *copy = strdup(s);

		for (char *p = copy; p && *p; p++)
			if (*p & 0x80)
				*p = '?';
		value = json_string(copy ? copy : "");
		free(copy);
	}
	return value;
}

static char *printable(const char *s)
{
	char *copy = strdup(s);

	for (char *p = copy; p && *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return copy;
}

const char *output_when(uint64_t time_us, char *buf, size_t size)
{
	time_t seconds = time_us / 1000000;
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(buf, size, "%F %T", &tm))
		snprintf(buf, size, "?");
	return buf;
}

void output_text(FILE *out, const char *s)
{
	for (; *s; s++)
		fputc(iscntrl((unsigned char)*s) ? '?' : *s, out);
}

static json_t *scalar(const ProtobufCFieldDescriptor *field, const void *p)
{
	char word[64];

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return text(*(char *const *)p ?: "");
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)p ? output_json(*(ProtobufCMessage *const *)p)
						     : json_null();
	case PROTOBUF_C_TYPE_ENUM:
		return json_string(output_state(field->descriptor, *(const int *)p, word,
						sizeof(word)));
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)p);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_real(*(const double *)p);
	case PROTOBUF_C_TYPE_UINT64:
		return json_integer((json_int_t)*(const uint64_t *)p);
	case PROTOBUF_C_TYPE_INT32:
		return json_integer(*(const int32_t *)p);
	default:
		return json_integer(*(const uint32_t *)p);
	}
}

static json_t *array(const ProtobufCFieldDescriptor *field, const void *message)
{
	size_t n = *(const size_t *)((const char *)message + field->quantifier_offset);
	const char *items = *(char *const *)((const char *)message + field->offset);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, scalar(field, items + i * size_of(field->type)));
	return list;
}

json_t *output_json(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	json_t *o = json_object();

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		json_object_set_new(o, f->name,
				    f->label == PROTOBUF_C_LABEL_REPEATED
					    ? array(f, message)
					    : scalar(f, (const char *)message + f->offset));
	}
	return o;
}

void output_print(FILE *out, json_t *value)
{
	json_dumpf(value, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(value);
}

void output_print_line(FILE *out, json_t *value)
{
	json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(value);
}

void output_row(struct output_table *table, const char *const *cells)
{
	char ***rows = realloc(table->rows, (table->count + 1) * sizeof(*rows));
	char **row = calloc(table->columns, sizeof(*row));

	if (rows)
		table->rows = rows;
	if (!rows || !row)
		abort();
	rows[table->count++] = row;
	for (int c = 0; c < table->columns; c++) {
		row[c] = printable(cells[c] && *cells[c] ? cells[c] : "-");
		if (!row[c])
			abort();
	}
}

static void print_cell(FILE *out, const char *cell, size_t width, bool right, bool last)
{
	if (right)
		fprintf(out, "%*s%s", (int)width, cell, last ? "" : "  ");
	else if (last)
		fputs(cell, out);
	else
		fprintf(out, "%-*s  ", (int)width, cell);
}

void output_table(FILE *out, struct output_table *t)
{
	size_t width[OUTPUT_COLUMNS];

	for (int c = 0; c < t->columns; c++) {
		width[c] = strlen(t->headings[c] + (t->headings[c][0] == '>'));
		for (size_t i = 0; i < t->count; i++)
			if (strlen(t->rows[i][c]) > width[c])
				width[c] = strlen(t->rows[i][c]);
	}
	for (int c = 0; c < t->columns; c++)
		print_cell(out, t->headings[c] + (t->headings[c][0] == '>'), width[c],
			   t->headings[c][0] == '>', c + 1 == t->columns);
	fputc('\n', out);
	for (size_t i = 0; i < t->count; i++) {
		for (int c = 0; c < t->columns; c++) {
			print_cell(out, t->rows[i][c], width[c], t->headings[c][0] == '>',
				   c + 1 == t->columns);
			free(t->rows[i][c]);
		}
		fputc('\n', out);
		free(t->rows[i]);
	}
	free(t->rows);
	t->rows = NULL;
	t->count = 0;
}

const char *output_bytes(uint64_t bytes, char *buf)
{
	if (bytes >= 1ULL << 30)
		snprintf(buf, 32, "%.1f GiB", (double)bytes / (1 << 30));
	else if (bytes >= 1 << 20)
		snprintf(buf, 32, "%.1f MiB", (double)bytes / (1 << 20));
	else
		snprintf(buf, 32, "%.1f KiB", (double)bytes / 1024);
	return buf;
}

const char *output_time(uint64_t us, char *buf)
{
	if (us >= 10000000)
		snprintf(buf, 32, "%.0f s", (double)us / 1e6);
	else if (us >= 1000000)
		snprintf(buf, 32, "%.1f s", (double)us / 1e6);
	else
		snprintf(buf, 32, "%.0f ms", (double)us / 1e3);
	return buf;
}
