# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP for test scripts: source it, call these, end with done_testing. Each
# takes the name of what it proves; extra words become diagnostics.

tap_count=0
tap_failed=0

# diag TEXT…: lines for whoever reads a failure.
diag()
{
	printf '%s\n' "$@" | sed 's/^/# /'
}

# ok NAME
ok()
{
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s\n' "$tap_count" "$1"
}

# not_ok NAME [DIAGNOSTIC…]
not_ok()
{
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$1"
	shift
	# On stderr, so that it shows without prove -v.
	[ $# -eq 0 ] || diag "$@" >&2
	return 1
}

# is SEEN WANTED NAME [DIAGNOSTIC…]
is()
{
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "seen:   $1" "wanted: $2" "${@:4}"
	fi
}

# isnt SEEN UNWANTED NAME
isnt()
{
	if [ "$1" != "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "seen, and not wanted: $1"
	fi
}

# like SEEN REGEX NAME: an extended regular expression.
like()
{
	if [[ $1 =~ $2 ]]; then
		ok "$3"
	else
		not_ok "$3" "seen: $1" "does not match: $2"
	fi
}

# num_is SEEN OPERATOR BOUND NAME: numbers, e.g. num_is "$n" -gt 0 'some pages'.
num_is()
{
	if [[ $1 =~ ^-?[0-9]+$ ]] && test "$1" "$2" "$3"; then
		ok "$4"
	else
		not_ok "$4" "seen: $1" "wanted: $2 $3"
	fi
}

# runs NAME COMMAND…: the command succeeds; its output is shown if it does not.
runs()
{
	local name=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name" "exit status $status of: $*" "$out"
	fi
}

# fails NAME REGEX COMMAND…: the command fails and says why.
fails()
{
	local name=$1 regex=$2 out status
	shift 2
	out=$("$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		not_ok "$name" "succeeded: $*" "$out"
	elif [[ $out =~ $regex ]]; then
		ok "$name"
	else
		not_ok "$name" "exit status $status, but does not match: $regex" "$out"
	fi
}

# Bash calls this, in a process of its own: a check that is called by a name that nothing has would
# only be missing. No plan counts this line, so the test fails.
command_not_found_handle()
{
	printf 'not ok - there is no command "%s"\n' "$1"
	printf '# %s: command not found\n' "$1" >&2
	return 127
}

# skip NAME WHY: a requirement is missing. Says so where people see it.
skip()
{
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
	printf '# SKIPPED: %s: %s\n' "$1" "$2" >&2
}

# skip_all WHY: ends the script.
skip_all()
{
	printf '1..0 # SKIP %s\n' "$*"
	printf '# SKIPPED: %s: %s\n' "$0" "$*" >&2
	exit 0
}

# bail_out WHY: nothing after this can be tested.
bail_out()
{
	printf 'Bail out! %s\n' "$*"
	exit 1
}

# done_testing: the plan, and the exit status.
done_testing()
{
	printf '1..%d\n' "$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
}
