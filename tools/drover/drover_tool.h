/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the subcommands share: exit codes, options, the table of commands. */
#ifndef DROVER_TOOL_H
#define DROVER_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "control.pb-c.h"

/* drover(8) lists them for scripts: they never change their meaning. */
enum exit_code {
	EXIT_HELP = -1,		/* not for the shell: main() prints the command's help */
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_AGENT = 3,
	EXIT_CANCELLED = 4,
	EXIT_IN_DOUBT = 5,
	EXIT_LEFT = 130,	/* a second Ctrl-C: the migration goes on by itself */
};

/* Options that every command takes, in front of it or behind. */
extern bool tool_json;

/**
 * struct tool_words - values of an option that may be given several times
 * @words: room for @max of them
 */
struct tool_words {
	const char **words;
	int count, max;
};

/**
 * struct tool_option - one option of a command
 * @name: with its dashes, e.g. "--to"; NULL ends the list
 * @text: where its value goes, or NULL for a flag or a number
 * @words: where its values go; one may hold several, with commas between them
 * @number: where its number goes, @min to @max
 * @flag: set to true; with @text as well, the value may be left out
 */
struct tool_option {
	const char *name;
	const char **text;
	struct tool_words *words;
	uint32_t *number;
	uint32_t min, max;
	bool *flag;
};

/**
 * tool_parse() - read a command's words
 * @argc, @argv: behind the command's name
 * @options: of the command; "--json" and "--help" are understood besides
 * @names, @count: out: the words that are no options, exactly @count of them
 * @usage: for the error
 *
 * Returns 0, EXIT_HELP, or EXIT_USAGE after a sentence on standard error.
 */
int tool_parse(int argc, char **argv, const struct tool_option *options, const char **names,
	       int count, const char *usage);

/** tool_parse_some() - the same with at least @min words; the others are NULL */
int tool_parse_some(int argc, char **argv, const struct tool_option *options, const char **names,
		    int min, int count, const char *usage);

typedef int tool_command(int argc, char **argv);

struct tool_verb {
	const char *name;
	tool_command *run;
};

/** tool_family() - run the verb that the first word names; @verbs ends with a NULL name */
int tool_family(const char *family, const struct tool_verb *verbs, int argc, char **argv);

/** tool_fail() - "drover: SENTENCE" on standard error; returns @code */
int tool_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** tool_number() - a decimal number that fills the whole word */
bool tool_number(const char *word, uint64_t min, uint64_t max, uint64_t *ret);

/**
 * tool_ask() - ask, and turn a refusal into its sentence
 * @request: its version is filled in
 * @ret_reply: out: only with 0
 *
 * Returns 0, EXIT_REFUSED or EXIT_NO_AGENT.
 */
int tool_ask(Drover__ControlRequest *request, Drover__ControlReply **ret_reply);

/** tool_do() - the same where the answer says no more than that it was done */
int tool_do(Drover__ControlRequest *request);

tool_command cluster_command, vm_command, migrate_command, migration_command, host_command, events_command,
	session_command, pool_command, storage_command, dpm_command, drs_command, rule_command, respool_command;

#endif
