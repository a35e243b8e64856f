#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What droverd tells of the load is what a VM that loads its host in a known way does.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

RATE=400

vm_load()
{
	drover host1 --json vm show web | jq ".vms[0].load.$1"
}

host_load()
{
	drover host1 --json host show host1 | jq ".hosts[0].load.$1"
}

# holds NUMBER CONDITION NAME: an awk condition on x
holds()
{
	if awk -v x="${1:-nan}" "BEGIN { exit !(x != \"nan\" && $2) }"; then
		ok "$3"
	else
		not_ok "$3" "seen: $1, wanted: $2"
	fi
}

hosts_up 1 || exit 1
MEMORY=256 vm_define host1 web mem=48 rate=$RATE disk=1 diskrate=20
drover host1 vm start web >/dev/null
vm_await host1 web
is $? 0 'a VM runs'
since=$(on host1 date +%s%6N)
for ((i = 0; i < 90; i++)); do
	[ "$(vm_load sampled_time_us)" -lt "$since" ] || break
	sleep 1
done
holds "$(vm_load cpu_used)" 'x > 0.02 && x < 3' 'its use of processors is seen'
holds "$(vm_load resident_bytes)" 'x > 48*1048576 && x <= 256*1048576' 'and how much of its RAM is there'
holds "$(vm_load dirty_rate_bytes)" "x > $RATE*4096/4 && x < $RATE*4096*6" 'its dirty rate is of the right size'
holds "$(vm_load working_set_bytes)" 'x > 0 && x <= 256*1048576' 'and it has a working set'
holds "$(vm_load disk_write_bytes)" 'x > 0' 'its writes to the disk are seen'
holds "$(host_load cpu_used)" 'x > 0.02 && x < 2' 'the host is as busy as that'
holds "$(host_load memory_used_bytes)" 'x > 48*1048576' 'and its memory in use'
holds "$(host_load agent_cpu)" 'x < 0.2' 'droverd itself takes little'
diag "droverd uses $(host_load agent_cpu) of an emulated processor"
like "$(drover host1 vm show web)" 'in use, .* MiB/s written' 'vm show says it in words'
like "$(drover host1 host show host1)" 'pressure: .*processors' 'and so does host show'

drover host1 vm stop web --force >/dev/null
is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
done_testing
