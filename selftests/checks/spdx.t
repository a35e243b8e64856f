#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every source file says on its first lines under which licence it is.
. selftests/tap.sh

sources()
{
	find . \( -path ./.git -o -path ./build \) -prune -o -type f -print | while read -r file; do
		case $file in
		*.c | *.h | *.S | *.sh | *.t | *.pl | *.proto | *.mk | *.yaml | *.bash | */Makefile | */Kbuild)
			echo "$file" ;;
		*)
			# Scripts have no suffix.
			[ "$(head -c 2 "$file" | tr -d '\0')" != '#!' ] || echo "$file" ;;
		esac
	done
}

mapfile -t files < <(sources | sort)
num_is "${#files[@]}" -gt 50 'there are sources to look at'
bare=$(for file in "${files[@]}"; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' || echo "$file"
done)
is "$bare" '' 'every source file has an SPDX line'
done_testing
