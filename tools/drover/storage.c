// SPDX-License-Identifier: GPL-2.0-or-later
/* drover storage */
#include <inttypes.h>
#include <stdio.h>

#include "drover_tool.h"
#include "follow_storage.h"
#include "output.h"
#include "report.h"
#include "report_storage.h"

#define MIGRATE_USAGE                                                                          \
	"drover storage migrate VM [DISK | --all] --to POOL [--format FORMAT] "                \
	"[--bandwidth MIB] [--keep-backing] [--delete-old] [--verify] [--detach]"

static int begin_and_leave(Drover__StorageMigrate *verb)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ControlReply *reply;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_MIGRATE;
	request.storage_migrate = verb;
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	if (tool_json)
		output_print(stdout, report_json(reply, "disk_moves"));
	for (size_t i = 0; i < reply->n_disk_moves && !tool_json; i++)
		printf("disk move %" PRIu64 " of disk %s\n", reply->disk_moves[i]->id,
		       reply->disk_moves[i]->disk);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int migrate(int argc, char **argv)
{
	Drover__StorageMigrate verb = DROVER__STORAGE_MIGRATE__INIT;
	const char *to = NULL, *format = NULL, *words[2];
	bool all = false, keep_backing = false, delete_old = false, verify = false, detach = false;
	const struct tool_option options[] = {
		{ .name = "--to", .text = &to },
		{ .name = "--all", .flag = &all },
		{ .name = "--format", .text = &format },
		{ .name = "--bandwidth", .number = &verb.bandwidth_mib, .min = 1, .max = 1000000 },
		{ .name = "--keep-backing", .flag = &keep_backing },
		{ .name = "--delete-old", .flag = &delete_old },
		{ .name = "--verify", .flag = &verify },
		{ .name = "--detach", .flag = &detach },
		{ 0 },
	};
	int r = tool_parse_some(argc, argv, options, words, 1, 2, MIGRATE_USAGE);

	if (r)
		return r;
	if (!to)
		return tool_fail(EXIT_USAGE, "--to is missing; usage: %s", MIGRATE_USAGE);
	if (all && words[1])
		return tool_fail(EXIT_USAGE, "--all and the name of a disk exclude each other");
	verb.vm = (char *)words[0];
	if (words[1])
		verb.disk = (char *)words[1];
	verb.pool = (char *)to;
	if (format)
		verb.format = (char *)format;
	verb.keep_backing = keep_backing;
	verb.delete_old = delete_old;
	verb.verify = verify;
	return detach ? begin_and_leave(&verb) : follow_storage(&verb);
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageList verb = DROVER__STORAGE_LIST__INIT;
	Drover__ControlReply *reply;
	const char *vm;
	int r = tool_parse_some(argc, argv, NULL, &vm, 0, 1, "drover storage list [VM]");

	if (r)
		return r;
	if (vm)
		verb.vm = (char *)vm;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_LIST;
	request.storage_list = &verb;
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	if (tool_json) {
		json_t *both = report_json(reply, "images");

		json_object_update_new(both, report_json(reply, "disk_moves"));
		output_print(stdout, both);
	} else {
		report_storage(stdout, reply);
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int ask_and_print(Drover__ControlRequest *request)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json)
		output_print(stdout, report_json(reply, "disk_moves"));
	for (size_t i = 0; i < reply->n_disk_moves && !tool_json; i++)
		disk_move_summary(stdout, reply->disk_moves[i]);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int take_id(int argc, char **argv, uint64_t *ret_id, const char *usage)
{
	const char *word = NULL;
	int r = tool_parse(argc, argv, NULL, &word, 1, usage);

	if (r == 0 && !tool_number(word, 1, UINT64_MAX, ret_id))
		r = tool_fail(EXIT_USAGE, "\"%s\" is no number of a disk move", word);
	return r;
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageShow verb = DROVER__STORAGE_SHOW__INIT;
	int r = take_id(argc, argv, &verb.id, "drover storage show ID");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_SHOW;
	request.storage_show = &verb;
	return r ? r : ask_and_print(&request);
}

static int cancel(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageCancel verb = DROVER__STORAGE_CANCEL__INIT;
	int r = take_id(argc, argv, &verb.id, "drover storage cancel ID");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_CANCEL;
	request.storage_cancel = &verb;
	return r ? r : ask_and_print(&request);
}

int storage_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "migrate", migrate },
		{ "list", list },
		{ "show", show },
		{ "cancel", cancel },
		{ NULL },
	};

	return tool_family("storage", verbs, argc, argv);
}
