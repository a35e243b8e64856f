// SPDX-License-Identifier: GPL-2.0-or-later
/* drover rule */
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"
#include "report.h"
#include "report_drs.h"

#define WORDS_MAX 66
#define HOSTS_MAX 64
#define ADD_USAGE "drover rule add NAME together|apart|on|not-on VM… [--host HOST]… [--should]"

static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json)
		output_print(stdout, report_json(reply, "rules"));
	else if (list)
		report_rules(stdout, reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int kind_of(const char *word, Drover__RuleKind *ret_kind)
{
	static const char *const kinds[] = {"together", "apart", "on", "not-on"};

	for (int i = 0; i < 4; i++) {
		if (!strcmp(word, kinds[i])) {
			*ret_kind = i + 1;
			return EXIT_DONE;
		}
	}
	return tool_fail(EXIT_USAGE, "a rule is together, apart, on or not-on, not \"%s\"", word);
}

static int add(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__RuleSet verb = DROVER__RULE_SET__INIT;
	Drover__RuleRecord rule = DROVER__RULE_RECORD__INIT;
	const char *words[WORDS_MAX] = {NULL}, *host_words[HOSTS_MAX];
	struct tool_words hosts = {.words = host_words, .max = HOSTS_MAX};
	bool should = false;
	const struct tool_option options[] = {
		{.name = "--host", .words = &hosts},
		{.name = "--should", .flag = &should},
		{0},
	};
	int r = tool_parse_some(argc, argv, options, words, 3, WORDS_MAX, ADD_USAGE);

	if (r == 0)
		r = kind_of(words[1], &rule.kind);
	if (r)
		return r;
	rule.name = (char *)words[0];
	rule.must = !should;
	rule.vms = (char **)words + 2;
	while (rule.n_vms < WORDS_MAX - 2 && rule.vms[rule.n_vms])
		rule.n_vms++;
	rule.hosts = (char **)host_words;
	rule.n_hosts = hosts.count;
	verb.rule = &rule;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_RULE_SET;
	request.rule_set = &verb;
	return ask_and_print(&request, false);
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__RuleList verb = DROVER__RULE_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover rule list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_RULE_LIST;
	request.rule_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

static int drop(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__RuleRemove verb = DROVER__RULE_REMOVE__INIT;
	int r = tool_parse(argc, argv, NULL, (const char **)&verb.name, 1,
			   "drover rule remove NAME");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_RULE_REMOVE;
	request.rule_remove = &verb;
	return r ? r : ask_and_print(&request, false);
}

int rule_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{"add", add},
		{"list", list},
		{"remove", drop},
		{NULL},
	};

	return tool_family("rule", verbs, argc, argv);
}
