#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hosts sleep and wake by what an administrator types, and BMCs and hosts do not do as they are
# told; the leader is lost in the middle. The VM goes on all the while.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cluster.sh"
MEMORY=128
BMC=$TOP/tools/lab/bmc

# host HOST FILTER: what the cluster knows of its power, asked on host1 or host2.
host()
{
	dpm "$ANY" ".hosts[] | select(.host == \"$1\") | $2"
}

# sleeping HOST: the state of its sleep, or null.
sleeping()
{
	host "$1" '.sleep.state'
}

# becomes NAME HOST SECONDS STATE
becomes()
{
	local i seen
	for ((i = 0; i < $3; i++)); do
		seen=$(sleeping "$2")
		[ "$seen" != "$4" ] || break
		sleep 1
	done
	is "$seen" "$4" "$1" "$(drover "$ANY" dpm status)"
}

# members NAME NUMBER: so many agents, with quorum, within a while.
members()
{
	local i seen
	for ((i = 0; i < 60; i++)); do
		seen=$(drover "$ANY" --json cluster status | jq -r '.cluster | "\(.state) \(.members | length)"')
		[ "$seen" != "active $2" ] || break
		sleep 1
	done
	is "$seen" "active $2" "$1"
}

ANY=host1
trap '"$BMC" down >/dev/null 2>&1; hosts_down' EXIT
hosts_up 3 && "$BMC" up || exit 1
cluster_make 3
is $? 0 'three hosts are a cluster'
for name in host1 host2 host3; do
	for on in host1 host2 host3; do
		"$BMC" conf $name ipmi | on $on sh -c "umask 077; mkdir -p /etc/drover/power; cat >/etc/drover/power/$name.conf"
	done
done
for name in host1 host2 host3; do boots_by_itself $name; done
ANY=$(cluster_leader host1)
others=(host1 host2 host3)
others=("${others[@]/$ANY/}")
read -r second third <<<"${others[*]}"
drs_await "$ANY" 60 '.passes > 0 and (.hosts | map(select(.state == "up" and .cpu_mhz > 0)) | length == 3)'

# --- what can be wrong ---
fails 'unknown host' 'host9 is not in the cluster' drover host1 host standby host9 on
fails 'awake' "host $third is awake" drover host1 host standby "$third" off
fails 'no number' 'there is no recommendation 7' drover host1 dpm apply 7
fails 'itself' 'is this very host' drover host1 host power off host1
is "$(drover host1 --json host power status | jq -c '[.power[] | .state]')" '["on","on","on"]' 'all BMCs say on'

# --- a VM there, and a test ---
small_define host1 vm1 1 mem=8 rate=20 tick=200 report=60
drover host1 vm start vm1 --on "$third" >"$WORK/out" 2>&1
is $? 0 'a VM starts' "$(cat "$WORK/out")"
vm_await "$third" vm1
drs_await "$ANY" 30 '.vms | length == 1'
fails 'a host with a VM is not turned off' '1 VM is on' drover "$ANY" host power off "$third"
drover "$second" host power test "$third" >"$WORK/out" 2>&1
is $? 0 'asked on any host, it is emptied, sleeps and wakes' "$(cat "$WORK/out")"
like "$(cat "$WORK/out")" "$third has slept and woken" 'which is told'
members 'all are there again' 3
num_is "$(host "$third" '.record.tested_us > 0 and .record.wake_s > 0 | if . then 1 else 0 end')" -eq 1 'when, and how long it took, is remembered'
isnt "$(drs "$ANY" '.vms[0].host')" "$third" 'the VM is elsewhere'

# --- BMCs that do not obey ---
drover "$ANY" dpm set --shutdown-timeout 10 --boot-timeout 45
"$BMC" fault "$third" silent
fails 'a BMC that does not answer' '(does not answer|no answer within)' drover "$ANY" host standby "$third" on
members 'the host stays' 3
is "$(sleeping "$third")" null 'and is as before'
"$BMC" fault "$third" ignore-off
fails 'a power-off that is ignored' 'is still on' drover "$ANY" host standby "$third" on
members 'the host is called back' 3
becomes 'and takes part again' "$third" 30 null
is "$(lab_state "$third") $(host "$third" '.record.failed_us > .record.tested_us')" 'on true' 'and not used by itself'
like "$(drover "$second" dpm status)" 'failed .*is still on' 'as dpm status says'

# --- the leader is lost in the middle, and then the host does not boot ---
"$BMC" fault "$third" none
drover "$ANY" host standby "$third" on --detach
for ((i = 0; i < 200; i++)); do
	[ "$(sleeping "$third")" != stopping ] || break
	sleep 0.1
done
agent_kill "$ANY"
lost=$ANY ANY=$second
# One of two is no quorum, so it is needed; systemd would start it again as well.
sleep 2
agent_start "$lost"
becomes 'who leads next sees it off' "$third" 60 asleep
is "$(lab_state "$third")" off 'it is off'
members 'two are left' 2
small_define "$ANY" vm2 2
drover "$ANY" vm start vm2 >"$WORK/out" 2>&1
is $? 0 'a VM starts though a host sleeps that cannot be asked' "$(cat "$WORK/out")"
drover "$ANY" vm stop vm2 --force >/dev/null
fails 'no sleep twice' 'sleeps already' drover "$ANY" host standby "$third" on
"$BMC" fault "$third" no-boot
fails 'a host that does not boot' 'does not come back' drover "$ANY" host standby "$third" off
is "$(sleeping "$third")" failed 'is marked'
"$BMC" fault "$third" none
drover "$ANY" host standby "$third" off >"$WORK/out" 2>&1
is $? 0 'when it is mended it wakes' "$(cat "$WORK/out")"
members 'all are there again' 3
is "$(host "$third" '.record.failed_us')" 0 'and may be used again'

# --- the leader sleeps, and the last one does not ---
was=$(cluster_leader "$ANY")
ANY=$third
drover "$ANY" host standby "$was" on >"$WORK/out" 2>&1
is $? 0 'the leader may sleep' "$(cat "$WORK/out")"
is "$(lab_state "$was")" off 'it is off'
isnt "$(cluster_leader "$ANY")" "$was" 'another one leads'
for name in host1 host2 host3; do
	[ $name = "$was" ] || [ $name = "$ANY" ] || last=$name
done
drover "$ANY" host standby "$last" on >"$WORK/out" 2>&1
is $? 0 'and one more' "$(cat "$WORK/out")"
members 'one is left, with quorum' 1
fails 'it stays on' 'is the last one' drover "$ANY" host standby "$ANY" on
answer=$(small_ask 1 check)
is "$(jq -r .mem_errors <<<"$answer")" 0 'the VM is whole' "$answer"
drover "$ANY" host standby "$last" off >"$WORK/out" 2>&1
is $? 0 'one wakes' "$(cat "$WORK/out")"
drover "$ANY" host standby "$was" off >"$WORK/out" 2>&1
is $? 0 'and the other' "$(cat "$WORK/out")"
members 'all are there' 3
is "$(drover "$ANY" --json cluster status | jq -c '[.cluster.members[].votes]')" '[1,1,1]' 'with one vote each'
is "$(drover "$ANY" --json dpm status | jq '.dpm.history.saved_j > 0')" true 'savings were counted'
answer=$(small_ask 1 check)
is "$(jq -r .mem_errors <<<"$answer")" 0 'the VM is whole still' "$answer"
is "$(kernel_warnings host1 host2 host3)" 0 'no kernel has anything to complain of'
done_testing
