#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Agents and hosts die at the worst moments. There is never a second running copy,
# and what can be settled settles itself once the agent is back.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

# running: on how many hosts a QEMU of the VM runs its guest.
running()
{
	local host n=0
	for host in host1 host2; do
		[ "$(vm_state $host web)" != running ] || n=$((n + 1))
	done
	echo $n
}

works()
{
	local before after
	before=$(guest_ask report | jq .mem_writes)
	sleep 2
	after=$(guest_ask report | jq .mem_writes)
	is "$((after > before))" 1 "$1: the guest works"
	is "$(running)" 1 "$1: exactly one copy runs"
}

agent_restart()
{
	on "$1" pkill -KILL -x droverd
	sleep 0.5
	agent_start "$@"
}

hosts_up 2 || exit 1
MEMORY=256 vm_define host1 web mem=48 rate=200 disk=1 diskrate=20
drover host1 vm start web >/dev/null
vm_await host1 web
is $? 0 'a VM runs'

pid=$(drover host1 --json vm show web | jq '.vms[0].pid')
agent_restart host1
is "$(drover host1 --json vm show web | jq '.vms[0].pid')" "$pid" 'an agent that was killed adopts the VM again'
works 'adopted'

drover host1 migrate web --to host2 --bandwidth 2 --detach >/dev/null
await_move host1 precopy
sleep 1
agent_restart host1
is "$(vm_state host1 web)" running 'source agent killed in pre-copy: the VM runs on'
await_gone host2 web
is "$(leftovers host2 web)" '' 'and nothing is left on host2'

drover host1 migrate web --to host2 --bandwidth 2 --detach >/dev/null
await_move host1 precopy
sleep 1
agent_restart host2
await_move host1 failed
is $? 0 'target agent killed in pre-copy: the migration fails'
is "$(leftovers host2 web)" '' 'its restart removes what had arrived'
works 'after that'

drover host1 migrate web --to host2 --verify --detach >/dev/null
await_move host1 switchover
agent_restart host1
state_await host1 web running
is $? 0 'source agent killed while the VM was paused: its successor resumes it'
works 'resumed'
await_gone host2 web
is $? 0 'resumed: and host2 lets go of it'

drover host1 migrate web --to host2 --verify --detach >/dev/null
await_move host1 switchover
on host1 sh -c 'pkill -TERM -x droverd; timeout 20 sh -c "while pgrep -x droverd >/dev/null; do sleep 0.2; done"'
like "$(on host1 sh -c 'echo "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-status\"}" |
	socat -t 2 - UNIX:/run/drover/vms/web/qmp.sock')" '"running": true' \
	'source agent asked to end in a switchover: it resumes the VM before it goes'
agent_start host1
await_gone host2 web
is $? 0 'and host2 lets go of it'

agent_restart host1 DROVER_FAULT=source-committed
drover host1 migrate web --to host2 >/dev/null 2>"$WORK/err"
like "$(cat "$WORK/err")" 'no agent is running' 'the agent of the source is gone after its commit'
agent_start host1
state_await host1 web running 30
is $? 0 'source agent killed after its commit: host2 never ran it, so it runs here again'
works 'source-committed'

agent_restart host2 DROVER_FAULT=target-undecided
drover host1 migrate web --to host2 >/dev/null 2>"$WORK/err"
is $? 5 'target agent killed before it decided: in doubt'
like "$(cat "$WORK/err")" 'may run on host2' 'with a sentence'
is "$(vm_state host1 web)" in_doubt 'and nothing runs on host1'
like "$(drover host1 migration cancel "$(migration_id host1)" 2>&1)" 'can no longer be cancelled' \
	'which cannot be cancelled'
agent_start host2
state_await host1 web running 30
is $? 0 'its successor says that it never will: the VM runs on host1'
works 'target-undecided'

for fault in target-decided target-running; do
	agent_restart host2 DROVER_FAULT=$fault
	drover host1 migrate web --to host2 >/dev/null 2>&1
	is $? 5 "$fault: in doubt"
	agent_start host2
	state_await host2 web running 30
	is $? 0 "$fault: the VM runs on host2"
	state_await host1 web moved 30
	is $? 0 "$fault: and host1 lets go of it"
	works $fault
	migrate host2 web host1
	is $? 0 "$fault: and back" "$(cat "$WORK/m.err")"
done

agent_restart host2 DROVER_FAULT=target-undecided
drover host1 migrate web --to host2 >/dev/null 2>&1
is $? 5 'in doubt once more'
"$LAB" crash host2
id=$(migration_id host1)
sleep 3
is "$(vm_state host1 web)" in_doubt 'the target is gone: it stays in doubt'
drover host1 migration resolve "$id" --source >/dev/null
is $? 0 'an operator who knows settles it'
state_await host1 web running 20
is $? 0 'and the VM runs on host1'
answer=$(guest_ask check)
is "$(jq -r '"\(.mem_errors) \(.disk_errors)"' <<<"$answer")" '0 0' 'the guest has lost nothing'
is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
done_testing
