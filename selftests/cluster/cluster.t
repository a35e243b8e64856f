#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three members over real corosync, each in a network namespace of its own: what one says all
# have, who leads, what a partition and sudden deaths do.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
HOSTS=(1 2 3)
hosts_up

for i in 1 2 3; do hears "host$i is in a cluster of three" $i 40 '^state active [a-z]+ host1,host2,host3|^state active [a-z]+ (host[123],?){3} '; done
leader=$(grep -l '^state active leads' "$WORK"/[123]/out | sed 's|.*/\([123]\)/out|\1|')
is "$(wc -w <<<"$leader")" 1 'one of them leads' "$leader"
others=$(echo 1 2 3 | tr -d "$leader")
read -r a b <<<"$others"
[ -n "$leader" ] || { tail -n 5 "$WORK"/[123]/corosync.log >&2; done_testing; }

tell "$a" set vm/web host1
hears 'what one says is done' "$a" 5 '^done set vm/web 0$'
for i in 1 2 3; do hears "host$i hears of it" $i 5 '^changed vm/web host1$'; done
tell "$a" lock move/web
tell "$b" lock move/web
hears 'a lock is taken' "$a" 5 '^done lock move/web (0|-16)$'
hears 'by one of two' "$b" 5 '^done lock move/web (0|-16)$'
is "$(cat "$WORK"/[123]/out | grep '^done lock' | sort | uniq | cut -d ' ' -f 4 | paste -sd ' ')" '-16 0' 'and by one alone'
tell "$b" new vm/web x
hears 'what is there is not made anew' "$b" 5 '^done new vm/web -11$'

start=$(date +%s%N)
node_kill "$leader"
hears 'the leader dies: the next one leads' "$a" 10 "^state active leads|^state active follows host$b"
printf '# a new leader after %s ms\n' $((($(date +%s%N) - start) / 1000000))
tell "$a" set vm/db host2
hears 'two of three go on' "$a" 10 '^done set vm/db 0$'
node_start "$leader"
hears 'it comes back as the youngest' "$leader" 20 "^state active follows (host[$a$b],?){2}host$leader "
is "$(asked "$leader" vm/db)" host2 'and has what was said meanwhile'

ip -n "$NS-0" link set "port$leader" down
hears 'cut off: it sees that it is in the minority' "$leader" 15 '^state no-quorum follows'
hears 'and the others go on without it' "$a" 15 "^state active [a-z]+ (host[$a$b],?){2} "
tell "$leader" set vm/lost x
tell "$a" set vm/kept y
hears 'the majority changes its state' "$a" 5 '^done set vm/kept 0$'
is "$(grep -c 'done set vm/lost' "$WORK/$leader/out")" 0 'the minority does not'
ip -n "$NS-0" link set "port$leader" up
hears 'together again' "$leader" 30 '^state active [a-z]+ (host[123],?){3} '
hears 'what waited is done then' "$leader" 10 '^done set vm/lost 0$'
is "$(asked "$leader" vm/kept) $(asked "$a" vm/lost)" 'y x' 'nothing is lost'
is "$(digest 1)|$(digest 2)" "$(digest 2)|$(digest 3)" 'all have the same state'

kill -KILL "$(<"$WORK/$b/corosync.pid")"
hears 'a corosync dies: its agent is offline' "$b" 10 '^state offline follows'
corosync_start "$b"
sleep 1
node_kill "$b"
node_start "$b"
hears 'and is back with it' "$b" 30 '^state active [a-z]+ (host[123],?){3} '

for i in 1 2 3; do node_kill $i; done
for i in 1 2 3; do node_start $i; done
hears 'all agents die, and start with what they had' 1 40 '^state active [a-z]+ (host[123],?){3} '
is "$(asked 1 vm/web) $(asked 2 vm/db) $(asked 3 vm/kept)" 'host1 host2 y' 'nothing is forgotten'
# --- hosts leave one after the other, without the others losing their quorum ---

for i in 1 2 3; do hears "all are there: host$i" $i 30 '^state active [a-z]+ (host[123],?){3} '; done
before=$(grep -c no-quorum "$WORK/1/out")
weighs 3 0 2
leaves 3
hears 'two go on' 1 15 '^state active [a-z]+ (host[12],?){2} '
# The last one has to take the vote over.
weighs 1 2 3
weighs 2 0 2
leaves 2
hears 'one goes on' 1 15 '^state active leads host1 '
is "$(grep -c no-quorum "$WORK/1/out")" "$before" 'with quorum all the while'
tell 1 set vm/night x
hears 'and may change things' 1 5 '^done set vm/night 0$'
corosync_start 2
for ((j = 0; j < 50; j++)); do [ ! -s "$WORK/2/corosync.pid" ] || break; sleep 0.1; done
sleep 1
node_start 2
hears 'one comes back, with its vote' 2 30 '^state active follows host1,host2 '
is "$(asked 2 vm/night)" x 'and learns what was changed'
weighs 1 1 2
hears 'the votes are as before' 1 5 '^state active leads host1,host2 '
# Who took over votes of several gives them back in steps that corosync takes: what is there must be
# a quorum of what was counted before.
weighs 1 3 4
weighs 1 2 3
weighs 1 1 2
hears 'votes of several are given back' 1 5 '^state active leads host1,host2 '
done_testing
