#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# clang, too, compiles the programs and their tests without a warning.
. selftests/tap.sh

# flags VARIABLES: as the Makefile has them.
flags()
{
	make -s --no-print-directory --eval="show-flags:;@:\$(info $1)" show-flags
}

# compile FLAGS FILES…: a line for each diagnostic.
compile()
{
	local -a args
	# The flags are quoted for a shell.
	eval "args=($1)"
	shift
	printf '%s\0' "$@" | xargs -0 -P 2 -n 8 clang -fsyntax-only -std=gnu11 "${args[@]}" 2>&1
}

# judge NAME FLAGS FILES…
judge()
{
	local name=$1 flags=$2 log
	shift 2
	[ -e "$1" ] || { not_ok "$name" "there is no $1"; return; }
	log=$(compile "$flags" "$@")
	is "$log" '' "$name: $# files"
}

command -v clang >/dev/null || skip_all 'clang is not installed; run tools/setup'
make -s --no-print-directory build/gen/peer.pb-c.h build/gen/control.pb-c.h ||
	bail_out 'the protobuf code cannot be generated'
# shellcheck disable=SC2016 # make expands them
common=$(flags '$(CPPFLAGS) $(WARN)')
# shellcheck disable=SC2016
{
	judge 'the agent' "$common $(flags '$(AGENT_INC)')" agent/*/*.c
	judge 'the command line' "$common -Itools/drover $(flags '$(TOOL_INC)')" tools/drover/*.c
	judge 'the unit tests' "$common $(flags '$(AGENT_INC)') -Wno-missing-prototypes" \
		selftests/agent/test_*.c selftests/power/*.c
}
mapfile -t programs < <(find selftests/kmod selftests/e2e selftests/guest -name '*.c')
judge 'the programs of the lab tests' "$common -Wno-missing-prototypes" "${programs[@]}"
done_testing
