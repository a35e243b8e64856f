#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our shell scripts give shellcheck nothing to say.
. selftests/tap.sh

scripts()
{
	find . \( -path ./.git -o -path ./build \) -prune -o -type f -print | while read -r file; do
		head -n 1 "$file" | tr -d '\0' | grep -qE '^#!.*[ /](ba)?sh( |$)|^# shellcheck shell=' &&
			echo "${file#./}"
	done
}

command -v shellcheck >/dev/null || skip_all 'shellcheck is not installed; run tools/setup'
mapfile -t files < <(scripts | sort)
num_is "${#files[@]}" -gt 5 'there are scripts to look at'
log=$(printf '%s\n' "${files[@]}" | xargs -P 2 -n 4 shellcheck -x -P SCRIPTDIR -f gcc 2>&1)
for file in "${files[@]}"; do
	is "$(grep -F "$file:" <<<"$log")" '' "$file"
done
is "$(grep -vE '^[^:]+:[0-9]+:[0-9]+: ' <<<"$log")" '' 'shellcheck itself has no trouble'
done_testing
