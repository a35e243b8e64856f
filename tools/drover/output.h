/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers, for people and for scripts. */
#ifndef DROVER_TOOL_OUTPUT_H
#define DROVER_TOOL_OUTPUT_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

/**
 * output_json() - a message as JSON: the field names of the .proto file, enum values
 * as lower-case words without their prefix ("in_doubt")
 */
json_t *output_json(const ProtobufCMessage *message);

/** output_print() - print and free a JSON value, with a newline */
void output_print(FILE *out, json_t *value);

/** output_print_line() - the same on a single line */
void output_print_line(FILE *out, json_t *value);

/** output_text() - a text as it is but for control characters */
void output_text(FILE *out, const char *s);

/** output_state() - an enum value as the word that output_json() gives it */
const char *output_state(const ProtobufCEnumDescriptor *descriptor, int value, char *buf,
			 size_t size);

/** output_when() - a time of CLOCK_REALTIME in microseconds as local date and time */
const char *output_when(uint64_t time_us, char *buf, size_t size);

/**
 * struct output_table - columns as wide as their longest cell
 * @columns: at most OUTPUT_COLUMNS
 *
 * A column whose heading begins with '>' is set flush right.
 */
#define OUTPUT_COLUMNS 12
struct output_table {
	int columns;
	const char *const *headings;
	char ***rows;
	size_t count;
};

/** output_row() - add a row of @columns strings, copied; "" and NULL become "-" */
void output_row(struct output_table *table, const char *const *cells);

/** output_table() - print and free the rows */
void output_table(FILE *out, struct output_table *table);

/* Into @buf of 32 bytes. */
const char *output_bytes(uint64_t bytes, char *buf);
const char *output_time(uint64_t us, char *buf);

#endif
