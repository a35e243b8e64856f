#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two of six hosts are awake. Whoever comes has a corosync.conf of six, so sees no quorum where the
# others do, and must not keep them waiting.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
HOSTS=(1 2 3 4 5 6)
hosts_up

# lost N: without a word.
lost()
{
	kill -KILL "$(<"$WORK/$1/node.pid")" "$(<"$WORK/$1/corosync.pid")"
	rm -f "$WORK/$1/corosync.pid"
}

for i in "${HOSTS[@]}"; do hears "host$i is there" "$i" 60 '^state active [a-z]+ (host[1-6],?){6} '; done
for ((i = 6; i > 2; i--)); do
	weighs $i 0 $((i - 1))
	leaves $i
	hears "$((i - 1)) are left" 1 15 "^state active [a-z]+ (host[1-6],?){$((i - 1))} "
done
tell 1 set vm/night x
hears 'they have quorum' 1 5 '^done set vm/night 0$'

lost 2
hears 'one of two is lost: there is no quorum' 1 15 '^state no-quorum'
host_up 2
hears 'it is back, and both go on' 2 40 '^state active [a-z]+ host1,host2 '
is "$(asked 2 vm/night)" x 'with what they knew'

# The two lose each other, and a host wakes on one side: these two are no quorum, as the others could be one
# likewise.
ip -n "$NS-0" link add br1 type bridge
ip -n "$NS-0" link set br1 up
for i in 1 3; do ip -n "$NS-0" link set "port$i" master br1; done
hears 'cut off from each other neither has quorum' 1 15 '^state no-quorum'
hears 'nor has the other one' 2 15 '^state no-quorum'
host_up 3
hears 'one that wakes is seen on its side' 1 30 '^state syncing'
sleep 12
is "$(grep '^state' "$WORK/1/out" | tail -n 1 | cut -d ' ' -f 2)" syncing 'which does nothing alone'
for i in 1 3; do ip -n "$NS-0" link set "port$i" master br0; done
hears 'together they go on' 3 40 '^state active [a-z]+ (host[123],?){3} '
tell 3 set vm/day y
hears 'and may change things' 3 5 '^done set vm/day 0$'

host_up 4
hears 'one more wakes' 4 40 '^state active [a-z]+ (host[1234],?){4} '
is "$(asked 4 vm/day)" y 'and knows what the others do'
done_testing
