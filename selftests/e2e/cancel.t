#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A migration is cancelled in each phase: the VM goes on where it was, nothing is
# left on the target, and the next migration works.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

# cancelled PHASE: after the cancel was sent.
cancelled()
{
	await_move host1 cancelled
	is $? 0 "$1: the migration says that it was cancelled" "$(drover host1 migration list)"
	is "$(vm_state host1 web)" running "$1: the VM runs on host1"
	await_gone host2 web 5
	is "$(leftovers host2 web)" '' "$1: nothing is left on host2"
	is "$(sessions_left host1)" 0 "$1: the session is closed"
	local before after
	before=$(guest_ask report | jq .mem_writes)
	sleep 2
	after=$(guest_ask report | jq .mem_writes)
	is "$((after > before))" 1 "$1: the guest works"
}

hosts_up 2 || exit 1
# Much memory makes the comparison of all pages long enough to be cancelled in.
MEMORY=256 vm_define host1 web mem=144 fill=16 rate=200 disk=1 diskrate=20 presses=2
drover host1 vm start web >/dev/null
vm_await host1 web
is $? 0 'a VM runs'

drover host1 migrate web --to host2 --detach >/dev/null
drover host1 migration cancel "$(migration_id host1)" >/dev/null
is $? 0 'prepare: the cancel is taken'
cancelled prepare

drover host1 migrate web --to host2 --bandwidth 2 --detach >/dev/null
await_move host1 precopy
sleep 2
drover host1 migration cancel "$(migration_id host1)" >/dev/null
is $? 0 'pre-copy: the cancel is taken'
cancelled pre-copy

drover host1 migrate web --to host2 --verify --detach >/dev/null
await_move host1 switchover
drover host1 migration cancel "$(migration_id host1)" >/dev/null
is $? 0 'switchover: the cancel is taken'
cancelled switchover

migrate host1 web host2 --verify
is "$? $(figure mismatched_pages)" '0 0' 'the next migration works' "$(cat "$WORK/m.err")"
like "$(drover host1 migration cancel "$(migration_id host1)" 2>&1)" 'has ended' \
	'one that has ended cannot be cancelled'
like "$(drover host1 migration cancel 99999999 2>&1)" 'knows no migration' 'nor one that never was'
answer=$(guest_ask check)
is "$(jq -r '"\(.mem_errors) \(.disk_errors)"' <<<"$answer")" '0 0' 'the guest has lost nothing'
drover host2 vm stop web --timeout 25 >/dev/null
is $? 0 'asked to power off until it notices, the guest does'
is "$(leftovers host2 web)" '' 'and nothing of it is left'
is "$(kernel_warnings host1 host2)" 0 'the kernels of both hosts have nothing to complain of'
done_testing
