# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The verbs of `lab`, each a function; the table in `lab` names them.

BOOT_SECONDS=180

lab_load()
{
	[ -s "$LAB/lab.conf" ] || die "no lab is up; 'tools/lab/lab up' starts one"
	# shellcheck source=/dev/null
	. "$LAB/lab.conf"
}

lab_save()
{
	declare -p HOSTS MEMORY SMP SLOW INIT RELEASE KERNEL_IMAGE | sed 's/^declare -[^ ]*/declare -g/' >"$LAB/lab.conf"
}

# lab_host hostN: sets N, and ends with a sentence if there is no such host.
lab_host()
{
	lab_load
	N=$(host_number "${1:-}") || exit
	((N <= HOSTS)) || die "there is no $1: this lab has $HOSTS"
}

lab_options()
{
	HOSTS=2 MEMORY=3072 SMP=1 SLOW=16 INIT=busybox RELEASE=
	while [ $# -gt 0 ]; do
		case $1 in
		-n | --kernel | --memory | --smp | --slow | --init) [ $# -ge 2 ] || die "$1 wants a value" ;;
		esac
		case $1 in
		-n) HOSTS=$2 ;;
		--kernel) RELEASE=$2 ;;
		--memory) MEMORY=$2 ;;
		--smp) SMP=$2 ;;
		--slow) SLOW=$2 ;;
		--init) INIT=$2 ;;
		*) die "lab up does not know '$1'" ;;
		esac
		shift 2
	done
	[[ $INIT = busybox || $INIT = systemd ]] || die "--init takes busybox or systemd"
	[[ $HOSTS =~ ^[1-8]$ ]] || die "-n takes 1 to 8 virtual hosts"
	[[ $MEMORY =~ ^[1-9][0-9]+$ && $SMP =~ ^[1-9][0-9]*$ && $SLOW =~ ^[1-9][0-9]*$ ]] ||
		die "--memory (MiB), --smp and --slow (MiB a second) take a number"
}

# lab_claim: from here on we are the one who starts a lab in this directory, and
# who cleans up if it does not come about. What a reboot left behind is no lab.
lab_claim()
{
	mkdir -p "$LAB"
	[ ! -s "$LAB/lab.conf" ] || [ -e "/run/netns/$NETNS" ] || lab_end
	(set -o noclobber && : >"$LAB/lab.conf") 2>/dev/null ||
		die "a lab is already up; 'tools/lab/lab down' ends it"
	trap 'trap - EXIT; lab_end' EXIT
	trap 'exit 130' INT TERM HUP
	lab_save
}

verb_up()
{
	local n
	need qemu-system-x86_64 qemu-nbd busybox dropbear ssh cpio mkfs.ext4
	lab_options "$@"
	kernel_find "$RELEASE"
	lab_claim
	rm -f "$LAB"/host*.*
	remote_keys
	initrd_pack "$HOSTS"
	disk_create "$HOSTS"
	net_up "$HOSTS"
	san_start
	for ((n = 1; n <= HOSTS; n++)); do host_start "$n"; done
	for ((n = 1; n <= HOSTS; n++)); do host_await "$n" $BOOT_SECONDS; done
	trap - EXIT INT TERM HUP
	say "up with $HOSTS virtual host(s), kernel $RELEASE, in $SECONDS s"
}

# lab_end: whatever there is of a lab is gone afterwards; logs and disks stay.
lab_end()
{
	local file
	for file in "$LAB"/host*.pid; do
		[ ! -e "$file" ] || pid_end "$file" KILL
	done
	for file in "$LAB"/host*.keeper; do
		[ ! -e "$file" ] || pid_await "$file" 50 || pid_end "$file" KILL
	done
	san_stop
	net_down
	rm -f "$LAB"/lab.conf "$LAB"/host*.{pid,keeper,exit,qmp,ssh} "$LAB"/{key,key.pub,hostkey,initrd.img}
	rm -rf "$LAB/initrd" "$LAB/bmc"
}

verb_down()
{
	need ip
	lab_end
}

verb_status()
{
	local n
	lab_load
	for ((n = 1; n <= HOSTS; n++)); do
		printf 'host%s %s %s %s\n' "$n" "$(host_address "$n")" "$(host_state "$n")" "$RELEASE"
		[ "$(host_state "$n")" != dead ] || host_report "$n"
	done
}

verb_exec()
{
	local status=0
	lab_host "${1:-}"
	shift
	[ "${1:-}" != -- ] || shift
	[ $# -gt 0 ] || die "lab exec wants a command"
	if [ "$(host_state "$N")" != on ]; then
		host_report "$N"
		exit 255
	fi
	remote_run "$N" "$@" || status=$?
	if [ "$status" -eq 255 ] && [ "$(host_state "$N")" != on ]; then host_report "$N"; fi
	exit "$status"
}

verb_nsexec()
{
	lab_load
	[ "${1:-}" != -- ] || shift
	[ $# -gt 0 ] || die "lab nsexec wants a command"
	exec ip netns exec "$NETNS" "$@"
}

verb_poweroff()
{
	lab_host "${1:-}"
	[ "$(host_state "$N")" = on ] || die "$1 is not on"
	host_off "$N"
}

verb_poweron()
{
	lab_host "${1:-}"
	[ "$(host_state "$N")" != on ] || die "$1 is on already"
	host_start "$N"
	host_await "$N" $BOOT_SECONDS
}

verb_crash()
{
	lab_host "${1:-}"
	[ "$(host_state "$N")" = on ] || die "$1 is not on"
	host_kill "$N"
}

verb_console()
{
	local lines=1000000
	lab_host "${1:-}"
	[ "${2:-}" != -n ] || lines=${3:-15}
	host_console "$N" "$lines"
}

verb_address()
{
	lab_host "${1:-}"
	host_address "$N"
	echo
}
