# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What every part of the lab shares: where things lie, how it speaks, and how it
# knows that a process is still the one it started.
# shellcheck disable=SC2034 # used by those who source this

CHECKOUT=$(cd "$LAB_TOOLS/../.." && pwd -P)
LAB=$(realpath -m "${DROVER_LAB_DIR:-$CHECKOUT/build/lab}")
NETNS=drover-lab-$(printf %s "$LAB" | sha256sum | cut -c1-8)
SAN_ADDRESS=10.77.0.1
SAN_PORT=10809
PATH=$PATH:/usr/sbin:/sbin

say()
{
	printf 'lab: %s\n' "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# need PROGRAM…: the lab's user is root and has these.
need()
{
	local program
	[ "$(id -u)" -eq 0 ] || die "the lab makes network devices: run it as root"
	for program in "$@"; do
		command -v "$program" >/dev/null || die "there is no $program here; tools/setup installs it"
	done
}

# host_number hostN: prints N, or ends with a sentence.
host_number()
{
	[[ $1 =~ ^host([1-9])$ ]] || die "'$1' is no virtual host; they are called host1 to host9"
	printf %s "${BASH_REMATCH[1]}"
}

host_address()
{
	printf '10.77.0.1%s' "$1"
}

# pid_birth PID: prints the start time of a living process. A pid alone may have
# been given to somebody else; a pid with its start time has not. The name in
# parentheses may contain anything, so cut behind the last one.
pid_birth()
{
	local stat fields
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	read -ra fields <<<"${stat##*)}"
	[ "${fields[0]}" != Z ] && printf %s "${fields[19]}"
}

# pid_save FILE PID
pid_save()
{
	printf '%s %s\n' "$2" "$(pid_birth "$2")" >"$1"
}

# pid_alive FILE: true while the process noted in FILE lives.
pid_alive()
{
	local pid birth
	{ read -r pid birth <"$1"; } 2>/dev/null || return 1
	[ -n "$birth" ] && [ "$(pid_birth "$pid")" = "$birth" ]
}

# pid_await FILE TENTHS: true as soon as the process is gone.
pid_await()
{
	local left=$2
	while pid_alive "$1"; do
		((left-- > 0)) || return 1
		sleep 0.1
	done
}

# pid_end FILE [SIGNAL]: ends the process, with force after ten seconds.
pid_end()
{
	local pid rest
	if pid_alive "$1"; then
		read -r pid rest <"$1"
		kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
		pid_await "$1" 100 || kill -s KILL "$pid" 2>/dev/null || true
		pid_await "$1" 50 || say "process $pid does not end"
	fi
	rm -f "$1"
}
