// SPDX-License-Identifier: GPL-2.0-or-later
/* drover host */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"

static void print_list(const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "NAME", "ADDRESS", "STATE", ">CPUS", ">MEMORY",
						">FREE", ">VMS", ">LOAD" };
	struct output_table t = { .columns = 8, .headings = headings };

	for (size_t i = 0; i < reply->n_hosts; i++) {
		const Drover__HostInfo *h = reply->hosts[i];
		char cpus[32], memory[32], available[32], vms[32], load[32];

		snprintf(cpus, sizeof(cpus), "%u", h->cpus);
		snprintf(memory, sizeof(memory), "%" PRIu64 " MiB", h->memory_mib);
		snprintf(available, sizeof(available), "%" PRIu64 " MiB", h->memory_free_mib);
		snprintf(vms, sizeof(vms), "%u", h->vms);
		snprintf(load, sizeof(load), "%.2f", h->load1);
		if (h->reachable)
			output_row(&t, (const char *const[]){ h->name, h->address,
				h->self ? "this" : "up", cpus, memory, available, vms, load });
		else
			output_row(&t, (const char *const[]){ h->name, h->address, "unreachable",
				"", "", "", "", "" });
	}
	output_table(stdout, &t);
}

static void print_one(const Drover__HostInfo *h)
{
	printf("name:        %s\n", h->name);
	printf("address:     %s\n", h->address);
	if (!h->reachable) {
		printf("unreachable: %s\n", h->error);
		return;
	}
	printf("cpu:         %s\n", h->cpu_model);
	printf("cpus:        %u\n", h->cpus);
	printf("load:        %.2f\n", h->load1);
	printf("memory:      %" PRIu64 " MiB, %" PRIu64 " MiB available\n", h->memory_mib,
	       h->memory_free_mib);
	printf("vms:         %u\n", h->vms);
	printf("kernel:      %s\n", h->kernel);
	printf("qemu:        %s\n", h->qemu);
	printf("agent:       %s\n", h->agent);
}

static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json) {
		json_t *hosts = json_array(), *o = json_object();

		for (size_t i = 0; i < reply->n_hosts; i++)
			json_array_append_new(hosts, output_json(&reply->hosts[i]->base));
		json_object_set_new(o, "hosts", hosts);
		output_print(stdout, o);
	} else if (list) {
		print_list(reply);
	} else {
		for (size_t i = 0; i < reply->n_hosts; i++)
			print_one(reply->hosts[i]);
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__HostList verb = DROVER__HOST_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover host list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_LIST;
	request.host_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__HostShow verb = DROVER__HOST_SHOW__INIT;
	int r = tool_parse(argc, argv, NULL, (const char **)&verb.name, 1, "drover host show NAME");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_SHOW;
	request.host_show = &verb;
	return r ? r : ask_and_print(&request, false);
}

int host_command(int argc, char **argv)
{
	if (argc > 0 && !strcmp(argv[0], "list"))
		return list(argc - 1, argv + 1);
	if (argc > 0 && !strcmp(argv[0], "show"))
		return show(argc - 1, argv + 1);
	return tool_fail(EXIT_USAGE, "drover host takes list or show");
}
