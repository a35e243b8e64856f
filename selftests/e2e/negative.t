#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The negative control. A guest reads its disk (O_DIRECT, on a virtio disk of the
# host), so that QEMU writes guest memory that KVM's log does not see. With the second
# source switched off --verify must find that; with it, nothing.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

hosts_up 2 || exit 1
MEMORY=256 vm_define host1 reader mem=8 rate=20 diskread=1
drover host1 vm start reader >/dev/null
vm_await host1 reader
is $? 0 'a guest reads its disk'
sleep 3

missed=0
for try in 1 2 3; do
	migrate host1 reader host2 --verify --bandwidth 10 --debug-no-vmm-writes
	status=$?
	[ "$status" -ne 0 ] || break
	missed=$(figure mismatched_pages)
	[ "$missed" -eq 0 ] || break
done
diag "without the second source: $missed pages differed, at try $try"
isnt "$missed" 0 'without the second source pages differ, and --verify finds them'
is "$status" 1 'such a migration is refused'
like "$(cat "$WORK/m.err")" 'pages differ between host1 and host2' 'with a sentence'
is "$(vm_state host1 reader)" running 'the VM goes on where it was'
is "$(leftovers host2 reader)" '' 'nothing is left on the target'

from=host1 to=host2
for try in 1 2 3; do
	migrate $from reader $to --verify
	is "$? $(figure mismatched_pages)" '0 0' "with it no page differs ($from to $to)" "$(cat "$WORK/m.err")"
	isnt "$(figure vmm_pages)" 0 'and it did find pages'
	tmp=$from from=$to to=$tmp
done
answer=$(guest_ask check)
is "$(jq -r .disk_errors <<<"$answer")" 0 'the guest never read a wrong block'
is "$(jq -r .mem_errors <<<"$answer")" 0 'nor found wrong memory'
is "$(kernel_warnings host1 host2)" 0 'the kernels of both hosts have nothing to complain of'
done_testing
