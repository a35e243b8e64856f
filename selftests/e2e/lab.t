#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The lab itself: what every other test on virtual hosts takes for granted.
# shellcheck disable=SC2317,SC2016 # functions are named to check; hosts expand
set -u
cd "$(dirname "$(realpath "$0")")/../.." || exit
mkdir -p build
DROVER_LAB_DIR=$(mktemp -d "$PWD/build/lab-test.XXXXXX")
export DROVER_LAB_DIR
count=0 failed=0
links=$(ip -o link | cut -d: -f2)

lab()
{
	tools/lab/lab "$@"
}

finish()
{
	lab down
	rm -rf "$DROVER_LAB_DIR"
}
trap finish EXIT
trap 'exit 1' INT TERM

# check NAME COMMAND…: one line of TAP.
check()
{
	local name=$1 ok='ok'
	shift
	"$@" || { ok='not ok'; failed=$((failed + 1)); }
	count=$((count + 1))
	echo "$ok $count - $name"
}

# same WANTED SEEN
same()
{
	[ "$1" = "$2" ] && return
	printf '# wanted: %q\n# seen:   %q\n' "$1" "$2"
	return 1
}

# status WANTED COMMAND…: the command's exit status.
status()
{
	local wanted=$1
	shift
	"$@" >/dev/null 2>&1
	same "$wanted" $?
}

skip_all()
{
	echo "1..0 # SKIP $*"
	trap - EXIT
	rm -rf "$DROVER_LAB_DIR"
	exit 0
}

state()
{
	lab status 2>/dev/null | awk -v host="$1" '$1 == host { print $3 }'
}

arguments()
{
	local odd=("a b" "it's" '"$HOME"' '' $'two\nlines' '*' 'back\slash' '--' ';' 'ä')
	same "$(printf '<%s>' "${odd[@]}")" "$(lab exec host1 -- printf '<%s>' "${odd[@]}")"
}

streams()
{
	same 'out:in' "$(echo in | lab exec host1 -- sh -c 'read -r x; echo "out:$x"; echo err >&2' 2>/dev/null)" &&
		same 'err' "$(lab exec host1 -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
}

binary_stream()
{
	same "$(head -c 300000 /bin/bash | md5sum)" "$(head -c 300000 /bin/bash | lab exec host1 -- cat | md5sum)"
}

checkout_is_fresh()
{
	local file=$DROVER_LAB_DIR/fresh word
	for word in one two; do
		echo "$word" >"$file"
		same "$word" "$(lab exec host1 -- cat "$file")" || return
	done
	lab exec host1 -- sh -c "echo three >'$file'"
	same three "$(<"$file")"
}

san_is_shared()
{
	local word=drover-$RANDOM
	lab exec host1 -- sh -c "printf %-4096s $word | dd of=/dev/san bs=4096 seek=7 oflag=direct status=none" &&
		same "$word" "$(lab exec host2 -- dd if=/dev/san bs=4096 skip=7 count=1 iflag=direct status=none | tr -d ' ')"
}

# At 8 MiB a second; the limit lets a burst pass first.
slow_is_slow()
{
	local start=$EPOCHREALTIME ms
	lab exec host1 -- dd if=/dev/zero of=/dev/slow bs=1M count=32 oflag=direct status=none || return
	ms=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	((ms >= 2500)) || same 'at least 2500 ms' "$ms ms"
}

survives_power_off()
{
	lab exec host2 -- sh -c 'echo kept >/var/lib/drover/note; echo lost >/var/note'
	lab poweroff host2 && same off "$(state host2)" && lab poweron host2 &&
		same kept "$(lab exec host2 -- cat /var/lib/drover/note)" &&
		status 1 lab exec host2 -- test -e /var/note
}

panic_is_reported()
{
	local seen
	seen=$(lab exec host1 -- sh -c 'echo c >/proc/sysrq-trigger' 2>&1)
	same 255 $? && grep -q 'host1 is dead' <<<"$seen" && grep -q 'Kernel Offset\|Kernel panic' <<<"$seen" &&
		same 16 "$(wc -l <<<"$seen")" && same dead "$(state host1)"
}

crash_is_reported()
{
	lab crash host2 && same dead "$(state host2)" && status 255 lab exec host2 -- true
}

# Everything of a lab runs in its directory, or in its namespace.
leaves_nothing()
{
	local pid
	same '' "$(find /proc -maxdepth 2 -name cwd -lname "$DROVER_LAB_DIR*" 2>/dev/null)" &&
		same '' "$(for pid in "${pids[@]}"; do tr '\0' ' ' <"/proc/$pid/cmdline"; done 2>/dev/null)" &&
		same '' "$(ip netns list | grep -F "$netns")" &&
		same '' "$(grep -F "$netns" /proc/mounts)" &&
		same "$links" "$(ip -o link | cut -d: -f2)"
}

# The signal goes to the whole group, as Ctrl-C at a terminal does.
interrupted_up()
{
	local seconds
	for seconds in 0.2 0.5 3; do
		status 124 timeout -s INT "$seconds" tools/lab/lab up -n 1 || return
		leaves_nothing || return
	done
}

[ "$(id -u)" -eq 0 ] || skip_all 'the lab wants root'
check 'two hosts come up' lab up -n 2 --slow 8
[ $failed -eq 0 ] || { echo 'Bail out! no lab, no test'; exit 1; }
netns=$(lab nsexec ip netns identify)
mapfile -t pids < <(ip netns pids "$netns")

check 'a second up is refused' status 1 lab up
check 'the exit status comes through' status 7 lab exec host1 -- sh -c 'exit 7'
check 'arguments come through as they are' arguments
check 'streams come through' streams
check 'binary data comes through' binary_stream
check 'the command starts in the checkout' same "$PWD" "$(lab exec host1 -- pwd)"
check 'an unknown host is refused' status 1 lab exec host7 -- true
check 'a host has its name' same host2 "$(lab exec host2 -- hostname)"
check 'hosts reach each other' status 0 lab exec host1 -- ping -c 1 -W 5 host2
check 'the build machine reaches a host' status 0 lab nsexec ping -c 1 -W 5 "$(lab address host1)"
check 'a host has /dev/kvm' lab exec host1 -- test -c /dev/kvm
check 'a host has cgroups of its own' lab exec host1 -- test -e /sys/fs/cgroup/cgroup.controllers
check 'orphans are reaped' same '' "$(lab exec host1 -- sh -c '(sleep 0.1 &); sleep 0.5; ps -eo stat= | grep Z')"
check 'changes in the checkout are seen at once' checkout_is_fresh
check 'what one host writes to the SAN the other reads' san_is_shared
check 'the local disk takes O_DIRECT' lab exec host1 -- dd if=/dev/zero of=/dev/local bs=4096 count=1 oflag=direct status=none
check 'the slow disk is slow' slow_is_slow
check "a host's own disk survives power-off" survives_power_off
check 'a panic is reported with the console' panic_is_reported
check 'a pulled plug is reported' crash_is_reported
check 'down succeeds' lab down
check 'down leaves nothing' leaves_nothing
check 'an interrupted up leaves nothing' interrupted_up
echo "1..$count"
exit $((failed > 0))
