#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A VM moves: idle, under memory load, disk load and network load, back and
# forth; nothing is lost, the connection stays, the hosts stay clean.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

check_move()
{
	is "$1" 0 "$2: drover says that it is done" "$(cat "$WORK/m.err")"
	is "$(figure mismatched_pages)" 0 "$2: no page differs"
	is "$(figure verified_pages)" 65536 "$2: every page was verified"
}

hosts_up 2 || exit 1
MEMORY=256 vm_define host1 web mem=48 fill=16 rate=5 disk=1 diskrate=20
drover host1 vm start web >/dev/null
is $? 0 'a VM starts'
vm_await host1 web
is $? 0 'its guest comes up'
probe_start

on host1 sh -c "timeout 120 $BUILD/drover events >/tmp/events 2>&1 </dev/null &"
sleep 1
migrate host1 web host2 --verify
check_move $? 'idle'
like "$(on host1 cat /tmp/events)" 'host1 migration [0-9]+ of vm web from host1 to host2 is done' \
	'whoever follows the events has read of it'
is "$(vm_state host1 web)" moved 'host1 says that it has moved'
is "$(vm_state host2 web)" running 'host2 says that it runs'
is "$(leftovers host1 web)" '' 'nothing of it is left on host1'

guest_ask 'rate 3000' >/dev/null
migrate host2 web host1 --verify
check_move $? 'memory load'
isnt "$(figure rounds[1].log_pages)" 0 'memory load: the second round has pages that the guest wrote'
guest_ask 'rate 50' >/dev/null

head -c 8000000 /dev/urandom >"$WORK/bulk"
"$LAB" nsexec timeout 120 socat -t 30 - "TCP:$GUEST_IP:7000" <"$WORK/bulk" >"$WORK/echo" 2>/dev/null &
bulk=$!
migrate host1 web host2 --verify
check_move $? 'network load'
wait $bulk
cmp -s "$WORK/bulk" "$WORK/echo"
is $? 0 'network load: 8 MB came back from the guest as they went'

for turn in 1 2 3 4 5; do
	migrate host2 web host1 --verify --streams $turn
	is "$? $(figure mismatched_pages)" '0 0' "turn $turn: to host1 over $turn streams"
	migrate host1 web host2 --verify
	is "$? $(figure mismatched_pages)" '0 0' "turn $turn: and back"
done

is "$(probe_tcp)" alive 'the TCP connection opened at the start is alive'
is "$(probe_read tcp_errors)" 0 'it never carried a wrong byte'
answer=$(guest_ask check)
is "$(jq -r .mem_errors <<<"$answer")" 0 'the guest finds its memory as it wrote it'
is "$(jq -r .disk_errors <<<"$answer")" 0 'and its disk'
is "$(kernel_warnings host1 host2)" 0 'the kernels of both hosts have nothing to complain of'
drover host2 vm stop web --force >/dev/null
is $? 0 'it is stopped'
is "$(leftovers host2 web)" '' 'and nothing of it is left'
is "$(sessions_left host1)" 0 'no session is left in the module of host1'
is "$(sessions_left host2)" 0 'nor of host2'
on host1 sh -c 'pkill -TERM -x droverd; sleep 1; rmmod drover'
is $? 0 'the module can be unloaded'
done_testing
