// SPDX-License-Identifier: GPL-2.0-or-later
#include "recommendation.h"

#include "drover_tool.h"

int recommendation_ids(int argc, char **argv, const char *usage, uint64_t *ret_ids,
		       size_t *ret_count)
{
	const char *words[RECOMMENDATIONS_MAX] = {NULL};
	bool all = false;
	const struct tool_option options[] = {{.name = "--all", .flag = &all}, {0}};
	int r = tool_parse_some(argc, argv, options, words, 0, RECOMMENDATIONS_MAX, usage);
	size_t n = 0;

	if (r)
		return r;
	if (all == (words[0] != NULL))
		return tool_fail(EXIT_USAGE, "either numbers or --all; usage: %s", usage);
	for (; n < RECOMMENDATIONS_MAX && words[n]; n++)
		if (!tool_number(words[n], 1, UINT64_MAX, &ret_ids[n]))
			return tool_fail(EXIT_USAGE, "\"%s\" is no number of a recommendation",
					 words[n]);
	*ret_count = n;
	return 0;
}

int recommendation_threshold(int argc, char **argv, const char *usage, uint32_t *ret_threshold)
{
	const char *word;
	uint64_t n = 0;
	int r = tool_parse(argc, argv, NULL, &word, 1, usage);

	if (r == 0 && !tool_number(word, 1, 5, &n))
		r = tool_fail(EXIT_USAGE, "the threshold is 1 to 5, not \"%s\"", word);
	*ret_threshold = (uint32_t)n;
	return r;
}
