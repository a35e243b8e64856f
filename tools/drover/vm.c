// SPDX-License-Identifier: GPL-2.0-or-later
/* drover vm */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"

static void print_list(const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "NAME", "STATE", ">VCPUS", ">MEMORY", "HOST",
						">UPTIME" };
	struct output_table t = { .columns = 6, .headings = headings };

	for (size_t i = 0; i < reply->n_vms; i++) {
		const Drover__VmInfo *vm = reply->vms[i];
		char state[32], vcpus[16], memory[32], uptime[32];

		snprintf(vcpus, sizeof(vcpus), "%u", vm->vcpus);
		snprintf(memory, sizeof(memory), "%" PRIu64 " MiB", vm->memory_mib);
		output_time(vm->uptime_s * 1000000, uptime);
		output_row(&t, (const char *const[]){
			vm->name, output_state(&drover__vm_state__descriptor, vm->state, state,
					       sizeof(state)),
			vcpus, memory, vm->host, vm->pid ? uptime : "" });
	}
	output_table(stdout, &t);
}

static void print_one(const Drover__VmInfo *vm)
{
	char word[32];

	printf("name:        %s\n", vm->name);
	printf("state:       %s\n", output_state(&drover__vm_state__descriptor, vm->state, word,
						 sizeof(word)));
	printf("host:        %s\n", *vm->host ? vm->host : "-");
	printf("vcpus:       %u\n", vm->vcpus);
	printf("memory:      %" PRIu64 " MiB\n", vm->memory_mib);
	printf("machine:     %s\n", vm->machine);
	printf("cpu:         %s\n", vm->cpu);
	for (size_t i = 0; i < vm->n_disks; i++)
		printf("disk:        %s\n", vm->disks[i]);
	for (size_t i = 0; i < vm->n_nics; i++)
		printf("nic:         %s\n", vm->nics[i]);
	printf("definition:  %s\n", vm->definition);
	if (vm->pid) {
		printf("console:     %s\n", vm->console);
		printf("process:     %u\n", vm->pid);
		printf("uptime:      %s\n", output_time(vm->uptime_s * 1000000, word));
	}
	if (vm->migration_id)
		printf("migration:   %" PRIu64 "\n", vm->migration_id);
}

/* Asks, and prints the VMs of the answer. */
static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json) {
		json_t *vms = json_array(), *o = json_object();

		for (size_t i = 0; i < reply->n_vms; i++)
			json_array_append_new(vms, output_json(&reply->vms[i]->base));
		json_object_set_new(o, "vms", vms);
		output_print(stdout, o);
	} else if (list) {
		print_list(reply);
	} else {
		for (size_t i = 0; i < reply->n_vms; i++)
			print_one(reply->vms[i]);
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int start(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmStart verb = DROVER__VM_START__INIT;
	bool force = false;
	const struct tool_option options[] = { { .name = "--force", .flag = &force }, { 0 } };
	int r = tool_parse(argc, argv, options, (const char **)&verb.name, 1,
			   "drover vm start NAME [--force]");

	verb.force = force;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_START;
	request.vm_start = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int stop(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmStop verb = DROVER__VM_STOP__INIT;
	uint32_t timeout = 0;
	bool force = false;
	const struct tool_option options[] = {
		{ .name = "--force", .flag = &force },
		{ .name = "--timeout", .number = &timeout, .min = 1, .max = 25 },
		{ 0 },
	};
	int r = tool_parse(argc, argv, options, (const char **)&verb.name, 1,
			   "drover vm stop NAME [--force] [--timeout SECONDS]");

	verb.force = force;
	verb.timeout_s = timeout;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_STOP;
	request.vm_stop = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmList verb = DROVER__VM_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover vm list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_LIST;
	request.vm_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmShow verb = DROVER__VM_SHOW__INIT;
	int r = tool_parse(argc, argv, NULL, (const char **)&verb.name, 1, "drover vm show NAME");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_SHOW;
	request.vm_show = &verb;
	return r ? r : ask_and_print(&request, false);
}

int vm_command(int argc, char **argv)
{
	if (argc > 0 && !strcmp(argv[0], "start"))
		return start(argc - 1, argv + 1);
	if (argc > 0 && !strcmp(argv[0], "stop"))
		return stop(argc - 1, argv + 1);
	if (argc > 0 && !strcmp(argv[0], "list"))
		return list(argc - 1, argv + 1);
	if (argc > 0 && !strcmp(argv[0], "show"))
		return show(argc - 1, argv + 1);
	return tool_fail(EXIT_USAGE, "drover vm takes start, stop, list or show");
}
