// SPDX-License-Identifier: GPL-2.0-or-later
/* drover-sim: the policies of droverd, on clusters and loads that are made up or recorded. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static const struct part {
	const char *word;
	int (*run)(int argc, char **argv);
	const char *help;
} parts[] = {
	{ "--drs", sim_drs, "balance load between hosts (default)" },
	{ "--replay", sim_replay, "think passes of droverd through again" },
	{ "--dpm", sim_dpm, "let hosts sleep, on days of recorded load" },
};

static int usage(FILE *out)
{
	fputs("usage: drover-sim [PART] [OPTION]...\n", out);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		fprintf(out, "  %-8s %s\n", parts[i].word, parts[i].help);
	fputs("drover-sim PART --help lists the options of a part\n", out);
	return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout);
	for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].word))
			continue;
		argv[1] = argv[0];
		return parts[i].run(argc - 1, argv + 1);
	}
	return parts[0].run(argc, argv);
}
