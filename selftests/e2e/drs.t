#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Load balancing by what an administrator types: placement, rules, shares, maintenance; a host that
# falls silent, a leader that dies.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cluster.sh"
MEMORY=128

# where VM: the host that it runs on.
where()
{
	drs host1 ".vms[] | select(.name == \"$1\") | .host"
}

hosts_up 3 || exit 1
fails 'no cluster' 'this host is in no cluster' drover host1 drs status
fails 'nor rules' 'this host is in no cluster' drover host1 rule add pair apart vm1 vm2
cluster_make 3
is $? 0 'three hosts are a cluster'
is "$(drs host2 '"\(.automation) \(.threshold) \(.leader)"')" "manual 3 $(cluster_leader host1)" 'it begins with advice alone, on any host'
drs_await host1 60 '.passes > 0 and (.hosts | map(select(.state == "up" and .cpu_mhz > 0)) | length == 3)'
is $? 0 'the leader sees all hosts'

# --- what can be wrong ---
fails 'unknown host' 'knows no host nowhere' drover host1 rule add r on vm1 --host nowhere
fails 'no host' 'rule r needs a host' drover host1 rule add r on vm1
fails 'one VM' 'needs two VMs or more' drover host1 rule add r apart vm1
fails 'no pool' 'there is no resource pool gold' drover host1 respool vm vm1 --in gold
fails 'limits' 'the limit of CPU is below its reservation' drover host1 respool set gold --cpu-limit 1 --cpu-reservation 2
fails 'no recommendation' 'there is no recommendation 77' drover host2 drs apply 77
fails 'no maintenance' 'host host2 is not in maintenance' drover host1 host maintenance host2 off
fails 'no definition' 'vm9' drover host1 vm start vm9 --on auto

# --- placement ---
drover host3 rule add pair apart vm1 vm2
is $? 0 'a rule is made on one host'
is "$(drover host2 --json rule list | jq -c '.rules[0] | [.name, .kind, .must]')" '["pair","apart",true]' 'and known on another'
fails 'twice' 'there is a rule pair already' drover host1 rule add pair apart vm1 vm2
for n in 1 2 3; do small_define host1 vm$n $n mem=8 rate=20 tick=200 report=60; done
for n in 1 2; do
	drover host1 vm start vm$n --on auto >"$WORK/out" 2>&1
	is $? 0 "vm$n starts where there is room" "$(cat "$WORK/out")"
	drs_await host1 30 ".vms | map(.name) | index(\"vm$n\") != null"
done
isnt "$(where vm1)" "$(where vm2)" 'and not both on one host'
drover host1 vm start vm3 --on host2 >"$WORK/out" 2>&1
is "$? $(vm_state host2 vm3)" '0 running' 'vm3 starts on host2, which has no definition of it' "$(cat "$WORK/out")"
for n in 1 2 3; do vm_await "$(where vm$n || echo host2)" vm$n; done
drs_await host1 30 '.vms | length == 3'

# --- shares ---
drover host1 respool set gold --cpu-shares 4000
drover host1 respool vm vm3 --in gold --cpu-limit 500 --memory-reservation 64
limits='cd /sys/fs/cgroup/drover/vm-vm3 && cat cpu.weight cpu.max memory.low 2>/dev/null'
for ((i = 0; i < 40; i++)); do
	read -r weight quota period low <<<"$(on host2 sh -c "$limits" | tr '\n' ' ')"
	[ "${quota:-max}" = max ] || break
	sleep 1
done
mhz=$(drs host1 '.hosts[] | select(.name == "host2") | .cpu_mhz')
is "$((${quota//max/0} * 100 / ${period:-1}))" "$(awk -v m="$mhz" 'BEGIN { printf "%d", 500 * 100 / m }')" 'a limit holds on the host' "$weight $quota $period $low"
num_is "$low" -ge $((64 << 20)) 'memory is reserved there'
isnt "$weight" 100 'and its weight is its own'
fails 'not empty' 'resource pool gold is not empty: vm3 is in it' drover host2 respool remove gold
drover host2 respool release vm3 && drover host2 respool remove gold
is $? 0 'it is released'
for ((i = 0; i < 40; i++)); do
	[ "$(on host2 sh -c "$limits" | tr '\n' ' ')" != '100 max 100000 0 ' ] || break
	sleep 1
done
is "$(on host2 sh -c "$limits" | tr '\n' ' ')" '100 max 100000 0 ' 'and all is as before'

# --- maintenance ---
busy=$(where vm1)
timeout 120 "$LAB" exec host1 -- "$BUILD/drover" host maintenance "$busy" on >"$WORK/out" 2>&1
is $? 0 'a host goes into maintenance' "$(cat "$WORK/out")"
is "$(on "$busy" pgrep -c qemu-system)" 0 'no VM is left there'
isnt "$(where vm1)" "$(where vm2)" 'the rule is kept still'
is "$(drs host2 '[.history[] | select(.state == "done" and .blackout_us > 0)] | length > 0')" true 'the history has its moves' "$(drover host1 drs history)"
is "$(drs host1 ".hosts[] | select(.name == \"$busy\") | .state")" maintenance 'its state is told'
drover host2 host maintenance "$busy" off
is $? 0 'it is over'

# --- a host falls silent, and the leader dies ---
leader=$(cluster_leader host1)
silent=$(printf 'host%s\n' 1 2 3 | grep -v "^$leader\$" | tail -n 1)
other=$(printf 'host%s\n' 1 2 3 | grep -v -e "^$leader\$" -e "^$silent\$")
moves=$(drs "$other" '.history | length')
agent_kill "$leader"
for ((i = 0; i < 60; i++)); do
	now=$(cluster_leader "$other")
	[ -z "$now" ] || [ "$now" = "$leader" ] || break
	sleep 0.5
done
isnt "$now" "$leader" 'the leader is killed: another one leads'
drs_await "$other" 40 '.passes > 0'
is "$(drs "$other" '.history | length') $(drover "$other" --json rule list | jq '.rules | length')" "$moves 1" 'it knows rules and history'
is "$(drs "$other" ".hosts[] | select(.name == \"$leader\") | .state")" down 'the other host is told to be down'
agent_start "$leader"
drs_await "$other" 40 '.hosts | all(.state == "up")'
is $? 0 'its agent comes back'
drs_await "$other" 40 '.vms | length == 3'
is "$(drs "$other" '.history | map(select(.state != "done")) | length')" 0 'and nothing was moved for that'
# --- the leader is cut off from the others ---
leader=$(cluster_leader "$other")
mapfile -t rest < <(printf 'host%s\n' 1 2 3 | grep -v "^$leader\$")
for host in "${rest[@]}"; do on "$leader" ip route add blackhole "10.77.0.1${host#host}"; done
for ((i = 0; i < 60; i++)); do
	now=$(cluster_leader "${rest[0]}")
	[ -z "$now" ] || [ "$now" = null ] || [ "$now" = "$leader" ] || break
	sleep 0.5
done
isnt "$now" "$leader" 'the leader is cut off: another one leads the others'
# Corosync needs longer to be alone than the others need to be without it.
for ((i = 0; i < 60; i++)); do
	drover "$leader" drs status >/dev/null 2>&1 || break
	sleep 0.5
done
fails 'alone it knows nothing' 'no quorum' drover "$leader" drs status
fails 'and changes nothing' 'no quorum' drover "$leader" rule remove pair
drs_await "${rest[0]}" 40 '.passes > 1'
is "$(drs "${rest[0]}" '.history | map(select(.state != "done")) | length')" 0 'nobody moves anything for that'
for host in "${rest[@]}"; do on "$leader" ip route delete blackhole "10.77.0.1${host#host}"; done
drs_await "${rest[0]}" 60 '(.hosts | all(.state == "up")) and (.vms | length == 3)'
is $? 0 'it comes back'
is "$(drs "$leader" .leader)" "$now" 'and follows'
for n in 1 2 3; do is "$(small_ask $n check | jq .mem_errors)" 0 "vm$n has lost nothing"; done
is "$(kernel_warnings host1 host2 host3)" 0 'the kernels have nothing to complain of'
done_testing
