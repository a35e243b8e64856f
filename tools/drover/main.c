// SPDX-License-Identifier: GPL-2.0-or-later
/* drover: what administrators type. */
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"

static tool_command help_command, version_command;

static const struct {
	const char *name;
	tool_command *run;
	const char *help;
	const char *usage;
} commands[] = {
	{ "vm", vm_command, "start, stop, list and show VMs",
	  "drover vm start NAME [OPTION…]          start a VM from its definition file\n"
	  "  --on HOST           there; auto: where the cluster has most room for it\n"
	  "  --force             even if a host cannot be asked: only if it runs nowhere\n"
	  "drover vm stop NAME [--force] [--timeout SECONDS]   ask a VM to power off\n"
	  "  --force             end it at once\n"
	  "  --timeout SECONDS   wait 1 to 25 seconds for its end, by default 20\n"
	  "drover vm list                          VMs that run or are defined here\n"
	  "drover vm show NAME                     all that is known of one\n" },
	{ "migrate", migrate_command, "move a running VM to another host",
	  "drover migrate VM --to HOST [OPTION…]   move a VM that runs here, and show it\n"
	  "  --to HOST           a peer of drover.conf\n"
	  "  --with-storage [POOL]   its disks travel too, into that pool of the target\n"
	  "  --delete-old        delete their images here once the VM runs there\n"
	  "  --verify            compare all pages, and disks, while the VM is paused\n"
	  "  --downtime-limit MS longest blackout to aim at, 1 to 3600000 ms\n"
	  "  --bandwidth MIB     at most 1 to 1000000 MiB/s\n"
	  "  --streams N         1 to 16 connections for pages\n"
	  "  --detach            do not wait for the end\n"
	  "Ctrl-C cancels it; pressed once more it leaves the migration to itself.\n" },
	{ "migration", migration_command, "list, show, cancel and resolve migrations",
	  "drover migration list                   migrations from this host and to it\n"
	  "drover migration show ID                one, with its rounds\n"
	  "drover migration cancel ID              end it; the VM stays on its source\n"
	  "drover migration resolve ID [--source | --target]   settle one that is in doubt\n"
	  "  without an option   ask the target once more\n"
	  "  --source            the VM will never run on the target: resume it here\n"
	  "  --target            the VM runs on the target: end it here\n" },
	{ "storage", storage_command, "move the disks of VMs to another pool",
	  "drover storage migrate VM [DISK] --to POOL [OPTION…]   move disks, and show it\n"
	  "  --to POOL           a pool of drover.conf\n"
	  "  --all               all disks of the VM; so it is without DISK, too\n"
	  "  --format FORMAT     raw or qcow2, by default that of the pool\n"
	  "  --bandwidth MIB     at most 1 to 1000000 MiB/s, all disks together\n"
	  "  --keep-backing      copy the top image alone, onto the same backing file\n"
	  "  --delete-old        delete the old image once the new one is proven\n"
	  "  --verify            pause the VM at the switch and compare every byte\n"
	  "  --detach            do not wait for the end\n"
	  "drover storage list [VM]                images, which of them are true, and moves\n"
	  "drover storage show ID                  a move\n"
	  "drover storage cancel ID                end it; the disk stays on its old image\n"
	  "Ctrl-C cancels; pressed once more it leaves the moves to themselves.\n" },
	{ "pool", pool_command, "list, show, evacuate and balance pools",
	  "drover pool list [--measure]            pools of this host\n"
	  "drover pool show POOL [--measure]       one, with its images, and how its evacuation stands\n"
	  "  --measure           measure latency and throughput now\n"
	  "drover pool evacuate POOL [OPTION…]     move the disks of all VMs off it, and show it\n"
	  "  --to POOL           where to, may be given several times; by default any other\n"
	  "  --parallel N        1 to 16 disks at a time, by default 1\n"
	  "  --bandwidth MIB     at most 1 to 1000000 MiB/s, all together\n"
	  "  --delete-old        delete each old image once the new one is proven\n"
	  "  --dry-run           only say what would move where\n"
	  "  --detach            do not wait for the end\n"
	  "drover pool balance                     advice by space and latency\n"
	  "  --apply             carry it out, unless automation is manual\n"
	  "  --detach            do not wait for the end\n"
	  "drover pool report [POOL]               how the evacuation, or the balancing, stands\n"
	  "drover pool stop [POOL]                 begin no more moves of it\n"
	  "Ctrl-C does as stop does; pressed once more it leaves those under way to droverd.\n" },
	{ "host", host_command, "list and show hosts, turn them on and off",
	  "drover host list                        this host and its peers\n"
	  "drover host show NAME                   all that is known of one\n"
	  "drover host maintenance HOST on|off     move its VMs away, and none to it\n"
	  "  --detach            do not wait until it is empty\n"
	  "drover host power status [HOST]         is it on, who says so, what it draws\n"
	  "drover host power on HOST               turn it on by its BMC or network card\n"
	  "drover host power off HOST              shut it down; refused while VMs may be on it\n"
	  "  --force             off whatever runs there\n"
	  "  --cut               cut its power\n"
	  "  --detach            do not wait until it is on, or off\n"
	  "drover host power set HOST ipmi|redfish|wol KEY=VALUE…    how it is reached\n"
	  "  --password-file FILE    the BMC's password; -: standard input\n"
	  "  --remove            not this way any more\n"
	  "drover host standby HOST on|off         move its VMs away and let it sleep; wake it\n"
	  "drover host power test HOST             let it sleep and wake; needed for automatic power\n"
	  "  --detach            do not wait for the end\n" },
	{ "cluster", cluster_command, "make, join and leave a cluster",
	  "drover cluster init                     make one of the hosts in drover.conf, with a new key\n"
	  "drover cluster join                     enter it with the key, copied here before\n"
	  "drover cluster update                   drover.conf names other hosts: tell corosync\n"
	  "drover cluster leave                    this host by itself again\n"
	  "drover cluster status                   quorum, members, and who leads\n" },
	{ "drs", drs_command, "balance the load of the cluster",
	  "drover drs status                       settings, load of hosts, scores of VMs\n"
	  "drover drs recommendations              moves that would help, and why\n"
	  "drover drs apply ID… | --all            carry them out, whatever the mode\n"
	  "drover drs mode manual|partial|full     advice alone; placement at start, too; all by itself\n"
	  "drover drs threshold N                  1 (only what must be) to 5 (every gain)\n"
	  "drover drs set [OPTION…]\n"
	  "  --failover-hosts N  so many hosts may fail, and all VMs still fit\n"
	  "  --settle SECONDS    a VM stays at least so long after a move, by default 900\n"
	  "drover drs explain [VM]                 the last pass, with what it rejected\n"
	  "drover drs history                      moves that were made\n" },
	{ "dpm", dpm_command, "let idle hosts sleep, and wake them",
	  "drover dpm status                       settings, hosts, their wake tests\n"
	  "drover dpm recommendations              who may sleep or should wake, and why, and why not\n"
	  "drover dpm apply ID… | --all            carry it out\n"
	  "drover dpm mode off|manual|automatic    nothing; advice alone; by itself\n"
	  "drover dpm threshold N                  1 (only what must be) to 5 (every gain)\n"
	  "drover dpm set [OPTION…]\n"
	  "  --hosts-min N       so many hosts stay on\n"
	  "  --target PERCENT    load of a host to aim at, by default 63\n"
	  "  --wake-window, --sleep-window SECONDS   over which demand is looked at: 300 and 2400\n"
	  "  --stay-on, --stay-off SECONDS           at least so long after a change: 2400 and 600\n"
	  "  --quiet SECONDS     a quiet time lasts that long where no habit tells: the sleep window\n"
	  "  --shutdown-timeout, --boot-timeout SECONDS   that hosts may take: 300 each\n"
	  "drover dpm host HOST [--mode cluster|off|manual|automatic] [--watts IDLE,FULL]\n"
	  "drover dpm history                      hosts that slept and woke\n"
	  "drover dpm savings                      kWh that were not drawn, and how that is known\n" },
	{ "rule", rule_command, "say which VMs go together, apart, or where",
	  "drover rule add NAME together|apart VM VM…          on one host; each on its own\n"
	  "drover rule add NAME on|not-on VM… --host HOST…     on one of them; on none\n"
	  "  --should            broken where there is no other way\n"
	  "drover rule list                        all of them\n"
	  "drover rule remove NAME                 forget it\n" },
	{ "respool", respool_command, "shares, reservations and limits",
	  "drover respool set POOL [OPTION…]       make a resource pool, or make it another\n"
	  "drover respool vm VM [OPTION…]          what a VM has of its own\n"
	  "  --in POOL           inside that pool\n"
	  "  --cpu-shares N, --memory-shares N     weight against its siblings, by default 1000\n"
	  "  --cpu-reservation MHZ, --memory-reservation MIB   kept for it\n"
	  "  --cpu-limit MHZ, --memory-limit MIB   never more\n"
	  "  --mode MODE         of a VM: cluster, manual, partial, full or fixed\n"
	  "drover respool list                     pools, and VMs that have something\n"
	  "drover respool remove POOL              an empty one\n"
	  "drover respool release VM               as if nothing had been said of it\n" },
	{ "events", events_command, "follow what happens on this host",
	  "drover events                           a line for each event, until Ctrl-C\n" },
	{ "session", session_command, "list the VMs that drover.ko tracks",
	  "drover session list                     asks the module alone, not droverd\n" },
	{ "version", version_command, "print the version",
	  "drover version                          print the version of drover\n" },
	{ "help", help_command, "explain a command",
	  "drover help [COMMAND]                   list the commands, or explain one\n" },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void list_commands(FILE *out)
{
	fputs("usage: drover [--json] COMMAND …\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\ndrover help COMMAND shows its words; drover(8) tells everything.\n", out);
}

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < COMMANDS && strcmp(name, commands[i].name))
		i++;
	return i;
}

static int unknown(const char *name)
{
	return tool_fail(EXIT_USAGE, "there is no command \"%s\"; drover help lists them", name);
}

static int explain(size_t command)
{
	fputs(commands[command].usage, stdout);
	puts("  --json              (every command) write JSON");
	return EXIT_DONE;
}

/* "help vm start" is "help vm". */
static int help_command(int argc, char **argv)
{
	size_t i = argc > 0 ? find(argv[0]) : 0;

	if (argc > 0 && argv[0][0] != '-')
		return i < COMMANDS ? explain(i) : unknown(argv[0]);
	list_commands(stdout);
	return EXIT_DONE;
}

static int version_command(int argc, char **argv)
{
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover version");

	if (r)
		return r;
	if (tool_json)
		output_print(stdout, json_pack("{ss}", "version", DROVER_VERSION));
	else
		puts("drover " DROVER_VERSION);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	size_t command;
	int i = 1, r;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json"))
			tool_json = true;
		else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return help_command(0, NULL);
		else if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-V"))
			return version_command(argc - i - 1, argv + i + 1);
		else
			return tool_fail(EXIT_USAGE,
					 "unknown option %s; drover help lists the commands",
					 argv[i]);
	}
	if (i == argc)
		return tool_fail(EXIT_USAGE, "a command is missing; drover help lists them");
	command = find(argv[i]);
	if (command == COMMANDS)
		return unknown(argv[i]);
	r = commands[command].run(argc - i - 1, argv + i + 1);
	return r == EXIT_HELP ? explain(command) : r;
}

int main(int argc, char **argv)
{
	int r = run(argc, argv);

	/* Output that got lost is a failure, whatever else went well. */
	if ((fflush(stdout) || ferror(stdout)) && r == EXIT_DONE)
		r = tool_fail(EXIT_REFUSED, "standard output cannot be written");
	return r;
}
