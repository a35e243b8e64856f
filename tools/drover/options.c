// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of a command, and asking the agent with them. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drover_tool.h"
#include "mailbox.h"

#define OPTIONS_MAX 12
/* What getopt_long() returns: beyond all letters. */
#define JSON	    256
#define HELP	    257
#define FIRST	    258	/* of the command's own */

bool tool_json;

/* One write, so that nothing comes in between; what droverd quotes may be anything. */
int tool_fail(int code, const char *fmt, ...)
{
	char sentence[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	for (char *p = sentence; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	fprintf(stderr, "drover: %s\n", sentence);
	return code;
}

bool tool_number(const char *word, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(word, &end, 10);
	if (errno || word[0] < '0' || word[0] > '9' || *end || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

/* --- options --- */

/* The value is cut at its commas, in place. */
static int take_words(const struct tool_option *o, const char *usage)
{
	struct tool_words *w = o->words;
	char *rest = optarg, *word;

	while ((word = strsep(&rest, ","))) {
		if (!*word)
			return tool_fail(EXIT_USAGE, "%s wants a value; usage: %s", o->name, usage);
		if (w->count == w->max)
			return tool_fail(EXIT_USAGE, "%s takes at most %d values", o->name, w->max);
		w->words[w->count++] = word;
	}
	return 0;
}

/* The word behind an option whose value may be left out, unless that is an option too. */
static char *next_word(int argc, char **argv)
{
	return optind < argc && argv[optind][0] != '-' ? argv[optind++] : NULL;
}

static int take(const struct tool_option *o, const char *usage)
{
	uint64_t n;

	if (o->flag) {
		*o->flag = true;
		if (!o->text || !optarg)
			return 0;
	}
	if (o->words)
		return take_words(o, usage);
	if (o->text) {
		*o->text = optarg;
		return *optarg ? 0 : tool_fail(EXIT_USAGE, "%s wants a value; usage: %s", o->name,
					       usage);
	}
	if (!tool_number(optarg, o->min, o->max, &n))
		return tool_fail(EXIT_USAGE, "%s takes a number from %u to %u, not \"%s\"", o->name,
				 o->min, o->max, optarg);
	*o->number = n;
	return 0;
}

/* What getopt_long() did not like, in words. */
static int wrong(int c, char **argv, const struct tool_option *options, const char *usage)
{
	const char *name = optopt >= FIRST  ? options[optopt - FIRST].name
			   : optopt == JSON ? "--json"
					    : "--help";

	if (optopt && optopt < JSON)
		return tool_fail(EXIT_USAGE, "unknown option -%c; usage: %s", optopt, usage);
	if (!optopt)
		return tool_fail(EXIT_USAGE, "unknown option %s; usage: %s", argv[optind - 1],
				 usage);
	return tool_fail(EXIT_USAGE, c == ':' ? "%s wants a value; usage: %s"
					      : "%s takes no value; usage: %s", name, usage);
}

static int arguments_of(const struct tool_option *o)
{
	if (o->flag)
		return o->text ? optional_argument : no_argument;
	return required_argument;
}

static void fill(const struct tool_option *options, struct option *names)
{
	*names++ = (struct option){ "json", no_argument, NULL, JSON };
	*names++ = (struct option){ "help", no_argument, NULL, HELP };
	for (int i = 0; options && options[i].name && i < OPTIONS_MAX; i++)
		*names++ = (struct option){ options[i].name + strlen("--"),
					    arguments_of(&options[i]), NULL, FIRST + i };
	*names = (struct option){ 0 };
}

static int parse_options(int argc, char **argv, const struct tool_option *options,
			 const char *usage)
{
	struct option names[OPTIONS_MAX + 3];
	int c, r = 0;

	fill(options, names);
	opterr = 0;
	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":h", names, NULL)) != -1) {
		switch (c) {
		case '?':
		case ':':
			return wrong(c, argv, options, usage);
		case 'h':
		case HELP:
			return EXIT_HELP;
		case JSON:
			tool_json = true;
			break;
		default:
			if (!optarg && options[c - FIRST].text)
				optarg = next_word(argc, argv);
			r = take(&options[c - FIRST], usage);
		}
	}
	return r;
}

int tool_parse_some(int argc, char **argv, const struct tool_option *options, const char **names,
		    int min, int count, const char *usage)
{
	/* getopt_long() passes over the first word, here that of the command. */
	int r = parse_options(argc + 1, argv - 1, options, usage);
	char **words = argv - 1 + optind;
	int found = argc + 1 - optind;

	if (r)
		return r;
	if (found > count)
		return tool_fail(EXIT_USAGE, "\"%s\" is a word too many; usage: %s", words[count],
				 usage);
	if (found < min)
		return tool_fail(EXIT_USAGE, "something is missing; usage: %s", usage);
	for (int i = 0; i < count; i++) {
		names[i] = NULL;
		if (i >= found)
			continue;
		if (!*words[i])
			return tool_fail(EXIT_USAGE, "a name is empty; usage: %s", usage);
		names[i] = words[i];
	}
	return 0;
}

int tool_parse(int argc, char **argv, const struct tool_option *options, const char **names,
	       int count, const char *usage)
{
	return tool_parse_some(argc, argv, options, names, count, count, usage);
}

/* --- verbs --- */

int tool_family(const char *family, const struct tool_verb *verbs, int argc, char **argv)
{
	char list[128] = "";

	if (argc > 0 && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")))
		return EXIT_HELP;
	for (const struct tool_verb *v = verbs; v->name; v++) {
		if (argc > 0 && !strcmp(argv[0], v->name))
			return v->run(argc - 1, argv + 1);
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 v == verbs ? "" : v[1].name ? ", " : " or ", v->name);
	}
	return tool_fail(EXIT_USAGE, "drover %s takes %s%s%s%s", family, list,
			 argc > 0 ? ", not \"" : "", argc > 0 ? argv[0] : "", argc > 0 ? "\"" : "");
}

int tool_ask(Drover__ControlRequest *request, Drover__ControlReply **ret_reply)
{
	char why[MAILBOX_WHY];
	Drover__ControlReply *reply;
	int r = mailbox_ask(request, &reply, why);

	if (r)
		return tool_fail(r, "%s", why);
	if (reply->code) {
		tool_fail(EXIT_REFUSED, "%s",
			  *reply->error ? reply->error : strerror(reply->code));
		drover__control_reply__free_unpacked(reply, NULL);
		return EXIT_REFUSED;
	}
	*ret_reply = reply;
	return 0;
}

int tool_do(Drover__ControlRequest *request)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r == 0)
		drover__control_reply__free_unpacked(reply, NULL);
	return r;
}
