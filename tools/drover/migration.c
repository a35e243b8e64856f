// SPDX-License-Identifier: GPL-2.0-or-later
/* drover migration */
#include <stdio.h>

#include "drover_tool.h"
#include "output.h"
#include "progress.h"
#include "report.h"

static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json) {
		output_print(stdout, report_json(reply, "migrations"));
	} else if (list) {
		report_migrations(stdout, reply);
	} else {
		for (size_t i = 0; i < reply->n_migrations; i++) {
			progress_disks(stdout, reply->migrations[i]);
			progress_rounds(stdout, reply->migrations[i]);
			progress_summary(stdout, reply->migrations[i]);
		}
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int take_id(const char *word, uint64_t *ret_id)
{
	if (tool_number(word, 1, UINT64_MAX, ret_id))
		return 0;
	return tool_fail(EXIT_USAGE, "\"%s\" is no number of a migration", word);
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationList verb = DROVER__MIGRATION_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover migration list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_LIST;
	request.migration_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationShow verb = DROVER__MIGRATION_SHOW__INIT;
	const char *word = NULL;
	int r = tool_parse(argc, argv, NULL, &word, 1, "drover migration show ID");

	if (r == 0)
		r = take_id(word, &verb.id);
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_SHOW;
	request.migration_show = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int cancel(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationCancel verb = DROVER__MIGRATION_CANCEL__INIT;
	const char *word = NULL;
	int r = tool_parse(argc, argv, NULL, &word, 1, "drover migration cancel ID");

	if (r == 0)
		r = take_id(word, &verb.id);
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_CANCEL;
	request.migration_cancel = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int resolve(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationResolve verb = DROVER__MIGRATION_RESOLVE__INIT;
	bool source = false, target = false;
	const struct tool_option options[] = {
		{ .name = "--source", .flag = &source },
		{ .name = "--target", .flag = &target },
		{ 0 },
	};
	const char *word = NULL;
	int r = tool_parse(argc, argv, options, &word, 1,
			   "drover migration resolve ID [--source | --target]");

	if (r == 0 && source && target)
		r = tool_fail(EXIT_USAGE, "--source and --target exclude each other");
	if (r == 0)
		r = take_id(word, &verb.id);
	if (source)
		verb.verdict = DROVER__MIGRATION_RESOLVE__VERDICT__SOURCE;
	if (target)
		verb.verdict = DROVER__MIGRATION_RESOLVE__VERDICT__TARGET;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_RESOLVE;
	request.migration_resolve = &verb;
	return r ? r : ask_and_print(&request, false);
}

int migration_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "list", list },
		{ "show", show },
		{ "cancel", cancel },
		{ "resolve", resolve },
		{ NULL },
	};

	return tool_family("migration", verbs, argc, argv);
}
