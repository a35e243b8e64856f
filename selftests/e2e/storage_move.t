#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A VM moves with its disks between hosts that share no storage. Whatever happens on
# the way there is one copy that runs, on images that hold all it wrote, and nothing
# is left of the others.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"
. "$TOP/selftests/e2e/storage.sh"

GRACE=20
MIB=1048576

# running: on how many hosts the VM runs.
running()
{
	local host n=0
	for host in host1 host2; do
		[ "$(vm_state $host web)" != running ] || n=$((n + 1))
	done
	echo $n
}

# images HOST: the VM's images there, and records of those that arrive.
images()
{
	on "$1" sh -c 'cd /srv/local && ls web* 2>/dev/null; ls /var/lib/drover/landings 2>/dev/null; :' | xargs
}

# gone HOST [SECONDS]: until nothing of the VM is there, nor of its disks.
gone()
{
	local i
	for ((i = 0; i < ${2:-20} * 2; i++)); do
		[ -n "$(leftovers "$1" web)$(images "$1")" ] || return 0
		sleep 0.5
	done
	return 1
}

# true_image NAME: the guest works, and finds its disk and memory as it wrote them.
true_image()
{
	local before answer
	before=$(guest_ask report | jq .disk_writes)
	answer=$(guest_ask check)
	is "$(jq -r '"\(.mem_errors) \(.disk_errors)"' <<<"$answer")" '0 0' "$1: the guest has lost nothing"
	num_is "$(guest_ask report | jq .disk_writes)" -gt "$before" "$1: and works"
}

# stays NAME [SECONDS]: the migration failed or was cancelled, all is on host1 as before.
stays()
{
	is "$(vm_state host1 web)" running "$1: the VM runs on host1"
	gone host2 "${2:-20}"
	is "$(leftovers host2 web)$(images host2)" '' "$1: nothing is left on host2"
	is "$(images host1)" 'web-data.raw web-root.raw' "$1: its images are on host1 alone"
	is "$(running)" 1 "$1: exactly one copy runs"
	true_image "$1"
}

# disk FIELD [NUMBER]: of a disk of the newest migration of host1, by default the first one.
disk()
{
	drover host1 --json migration list | jq -r ".migrations[0].disks[${2:-0}].$1"
}

# states: of all its disks, each state once.
states()
{
	drover host1 --json migration list | jq -r '.migrations[0].disks | map(.state) | unique | join(" ")'
}

# await_disks STATE [SECONDS]: until all its disks are in that state.
await_disks()
{
	local i
	for ((i = 0; i < ${2:-20} * 4; i++)); do
		[ "$(states)" != "$1" ] || return 0
		sleep 0.2
	done
	return 1
}

# begin MIB [OPTION…]: a move that takes a while; returns while its disks are copied.
begin()
{
	local i
	drover host1 migrate web --to host2 --with-storage --bandwidth "$@" --detach >/dev/null || return 1
	for ((i = 0; i < 100; i++)); do
		[ "$(disk state)" != copying ] || [ "$(disk done_bytes)" -lt 4000000 ] || return 0
		sleep 0.2
	done
	return 1
}

# fill HOST KIB: leave that much room in the pool.
fill()
{
	on "$1" sh -c "fallocate -l \$((\$(df --output=avail /srv/local | tail -n 1) - $2))K /srv/local/hog"
}

link()
{
	"$LAB" nsexec ip link set tap2 "$1"
}

agent_restart()
{
	on "$1" pkill -KILL -x droverd
	sleep 0.5
	agent_start "$@"
}

# storage_conf HOST: how long a link that was cut is waited for.
storage_conf()
{
	on "$1" sh -c "printf '[storage]\ngrace_s = $GRACE\n' >>/etc/drover/drover.conf"
}

# define: the VM, on host1.
define()
{
	DISK=/srv/local/web-root.raw EXTRA='[disk data]
path = /srv/local/web-data.raw' MEMORY=128 vm_define host1 web mem=16 rate=20 disk=1 diskrate=60 diskmib=32
}

# power_back HOST: one that lost its power has nothing but its disks. Its agent is not started.
power_back()
{
	"$LAB" poweron "$1" && host_install "$1" 2 || return 1
	on "$1" sh -ec "mkdir -p /srv/local; mount /dev/local /srv/local
		printf '[pool local]\npath = /srv/local\nmounted = yes\n' >>/etc/drover/drover.conf"
	storage_conf "$1"
}

POOLS=local:local hosts_up 2 || exit 1
for host in host1 host2; do
	storage_conf $host
	agent_restart $host
done

# --- there and back ---

on host1 sh -c 'cd /srv/local; truncate -s 192M web-root.raw; head -c 12M /dev/urandom >web-data.raw; truncate -s 64M web-data.raw'
define
drover host1 vm start web >/dev/null
vm_await host1 web
is $? 0 'a VM with two disks runs'
sum=$(on host1 sha256sum /srv/local/web-data.raw | cut -d' ' -f1)

like "$(drover host1 migrate web --to host2 --with-storage nowhere 2>&1)" 'host2 has no pool nowhere' 'an unknown pool is refused'
like "$(drover host1 migrate web --to host2 2>&1)" 'disk root of vm web cannot be opened on host2' \
	'and a disk that neither travels nor is there'
fill host2 20000
like "$(drover host1 migrate web --to host2 --with-storage 2>&1)" 'host2: .*(space|free)' 'and a pool without room'
on host2 rm /srv/local/hog
stays 'refused'

migrate host1 web host2 --with-storage --verify
is $? 0 'the VM moves with its disks' "$(cat "$WORK/m.err")"
is "$(figure mismatched_pages)" 0 'no page differs'
is "$(figure 'disks | map("\(.disk) \(.state) \(.mismatched_bytes) \(.verified_bytes == .size_bytes)") | join(", ")')" \
	'root done 0 true, data done 0 true' 'nor a byte of a disk'
is "$(vm_state host1 web) $(vm_state host2 web)" 'moved running' 'it runs on host2'
true_image 'there'
is "$(on host2 sha256sum /srv/local/web-data.raw | cut -d' ' -f1)" "$sum" 'the disk that nobody wrote to came whole'
num_is "$(on host2 du -m /srv/local/web-root.raw | cut -f1)" -lt 100 'a sparse image is sparse still'
like "$(on host2 cat /etc/drover/vms/web.conf)" 'path = /srv/local/web-root.raw' 'host2 has its definition'
is "$(on host1 ls /etc/drover/vms)" 'web.conf.moved' 'host1 has it no more'
is "$(images host1)" 'web-data.raw web-root.raw' 'its old images were not asked to be deleted'
is "$(drover host1 --json storage list web | jq -r '.images | map("\(.disk) \(.is_true)") | sort | join(", ")')" \
	'data false, root false' 'and storage list tells that they are old'
like "$(drover host1 vm start web 2>&1)" 'web' 'nobody starts them'
on host1 sh -c 'rm /srv/local/web*; rm -f /var/lib/drover/disks/*'

migrate host2 web host1 --with-storage local --delete-old
is "$? $(figure 'disks | map(.old_deleted) | all')" '0 true' 'and back, the old images are to be deleted' "$(cat "$WORK/m.err")"
is "$(images host2)" '' 'and are'
stays 'back'

# --- what is cut, is full, is cancelled ---

# Nobody writes to the second disk; for this one move it holds the larger part of the data. What the guest
# writes while the link is cut follows in pieces of 64 KiB: that may be all of its own 32 MiB.
on host1 dd if=/dev/urandom of=/srv/local/web-data.raw bs=1M count=44 seek=16 conv=notrunc oflag=direct status=none
sum=$(on host1 sha256sum /srv/local/web-data.raw | cut -d' ' -f1)
size=$((64 * MIB))
drover host1 migrate web --to host2 --with-storage --verify --delete-old --bandwidth 8 --detach >/dev/null
await_disks copying
begun=$(date +%s%N)
carried=$(link_bytes host2)
for ((i = 0; i < 200; i++)); do
	[ "$(disk done_bytes 1)" -lt 40000000 ] || break
	sleep 0.2
done
carried=$(($(link_bytes host2) - carried))
took_ms=$((($(date +%s%N) - begun) / 1000000))
link down
num_is $carried -gt $((40 * MIB)) 'link cut: most of the disks has been sent'
num_is $carried -lt $((took_ms * 8 * MIB * 11 / 10000 + 4 * MIB)) 'two disks share one bandwidth'
await_disks interrupted 15
is $? 0 'link cut: the disks say so' "$(states)"
before=$(guest_ask report | jq .disk_writes)
sleep 2
num_is "$(guest_ask report | jq .disk_writes)" -gt "$before" 'link cut: the guest writes on'
arrived=$(disk done_bytes 1)
carried=$(link_bytes host2)
link up
for ((i = 0; i < 100; i++)); do
	seen=$(states)
	[[ $seen == *interrupted* ]] || break
	sleep 0.2
done
like "$seen" '^(copying|in_step|copying in_step)$' 'link restored: no disk is interrupted any more'
num_is "$(disk done_bytes 1)" -ge "$arrived" 'link restored: it goes on from where it was'
await_disks in_step 60
in_step=$? after=$(link_bytes host2)
is $in_step 0 'link restored: all disks come in step' "$(drover host1 migration list)"
# What it lacked, what the guest may have written, and 20 MiB for headers and the first of the memory. To
# start over would be 88 MiB and the same on top.
num_is $((after - carried)) -lt $((size - arrived + 32 * MIB + 20 * MIB)) \
	'link restored: what had arrived is not sent again'
num_is "$(disk done_bytes 1)" -le $size 'link restored: nor copied again'
await_move host1 'done' 120
is $? 0 'link restored: the move comes to its end' "$(drover host1 migration list)"
is "$(drover host1 --json migration list | jq -r '.migrations[0] | "\(.mismatched_pages) \(.disks |
	map("\(.state) \(.mismatched_bytes) \(.verified_bytes == .size_bytes) \(.interruptions > 0)") | join(", "))"')" \
	'0 done 0 true true, done 0 true true' 'link restored: not a byte differs, and the interruption was counted'
is "$(on host2 sha256sum /srv/local/web-data.raw | cut -d' ' -f1)" "$sum" 'link restored: nor in what nobody wrote to'
is "$(vm_state host2 web) $(images host1)" 'running ' 'link restored: the VM runs on host2, and is gone from host1'
true_image 'link restored'
migrate host2 web host1 --with-storage --delete-old
is $? 0 'link restored: and back' "$(cat "$WORK/m.err")"
on host1 fallocate -p -o 16M -l 44M /srv/local/web-data.raw

begin 6
drover host1 migration cancel "$(migration_id host1)" >/dev/null
await_move host1 cancelled
is $? 0 'cancelled in the disk copy' "$(drover host1 migration list)"
stays 'cancelled in the disk copy'

begin 6
link down
await_move host1 failed $((GRACE + 40))
is $? 0 'link cut for longer than the grace: the migration fails' "$(drover host1 migration list)"
like "$(drover host1 --json migration list | jq -r '.migrations[0].error')" "cut for longer than $GRACE s" 'with a sentence'
is "$(vm_state host1 web)" running 'and the VM runs on'
link up
stays 'cut for long' 60

begin 6
fill host2 300
await_move host1 failed 60
like "$(drover host1 --json migration list | jq -r '.migrations[0].error')" 'no space is left' 'pool full on the way: the migration fails and says so'
on host2 rm /srv/local/hog
stays 'full'

begin 16
for ((i = 0; i < 100; i++)); do
	[ "$(disk state)" != in_step ] || break
	sleep 0.2
done
sleep 1
drover host1 migration cancel "$(migration_id host1)" >/dev/null
await_move host1 cancelled
is $? 0 'cancelled in the rounds'
stays 'cancelled in the rounds'

# --- who dies ---

begin 6
agent_restart host1
stays 'source agent killed'

begin 6
agent_restart host2
await_move host1 failed
is $? 0 'target agent killed: the migration fails' "$(drover host1 migration list)"
stays 'target agent killed'

agent_restart host2 DROVER_FAULT=target-undecided
drover host1 migrate web --to host2 --with-storage >/dev/null 2>&1
is $? 5 'target agent killed after the commit: in doubt'
is "$(vm_state host1 web) $(on host2 ls /srv/local | grep -c web)" 'in_doubt 2' 'and nothing is deleted anywhere'
agent_start host2
state_await host1 web running 30
stays 'in doubt, never'

agent_restart host2 DROVER_FAULT=target-decided
drover host1 migrate web --to host2 --with-storage --delete-old >/dev/null 2>&1
is $? 5 'killed once it had decided: in doubt'
is "$(images host1)" 'web-data.raw web-root.raw' 'and nothing is deleted here'
agent_start host2
state_await host1 web moved 30
is "$(vm_state host2 web) $(images host1)" 'running ' 'in doubt, running: it runs on host2, the old images are gone'
like "$(on host2 cat /etc/drover/vms/web.conf)" 'path = /srv/local/web-root.raw' 'its definition is there'
true_image 'in doubt, running'
migrate host2 web host1 --with-storage --delete-old
is $? 0 'and back' "$(cat "$WORK/m.err")"

agent_restart host2 DROVER_FAULT=target-undecided
drover host1 migrate web --to host2 --with-storage --delete-old >/dev/null 2>&1
is $? 5 'in doubt once more'
"$LAB" crash host2
sleep 3
drover host1 migration resolve "$(migration_id host1)" --source >/dev/null
state_await host1 web running 30
is $? 0 'resolved by an operator: the VM runs on host1'
power_back host2
isnt "$(images host2)" '' 'what had arrived survived the loss of power'
agent_start host2
stays 'resolved'

is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
begin 6
is $? 0 'a move is under way'
"$LAB" crash host1
isnt "$(images host2)" '' 'a part of its disks has arrived on host2'
power_back host1 && agent_start host1
is $? 0 'host1 loses its power in the disk copy: it comes back'
define
is "$(drover host1 --json storage list web | jq -r '.images | map("\(.path) \(.is_true)") | sort | join(", ")')" \
	'/srv/local/web-data.raw true, /srv/local/web-root.raw true' 'its images are the true ones'
gone host2 $((GRACE + 40))
is "$(leftovers host2 web)$(images host2)" '' 'host2 deletes what had arrived'
drover host1 vm start web >/dev/null
vm_await host1 web
num_is "$(guest_ask report | jq .disk_kept)" -gt 0 'the VM starts on what it had written'
stays 'host1 lost its power'

begin 6
"$LAB" crash host2
await_move host1 failed $((GRACE + 40))
is "$? $(vm_state host1 web)" '0 running' 'host2 crashes in the disk copy: the migration fails, the VM runs' \
	"$(drover host1 migration list)"
true_image 'crashed'
is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
done_testing
