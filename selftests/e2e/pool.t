#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pools on one host: what is listed and measured, one emptied while its VMs write, balancing
# as advice, on approval and by itself, and mistakes that touch nothing.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/storage.sh"

WEB_IP=10.77.0.50
DB_IP=10.77.0.51

# conf [LINE…]: drover.conf with three pools, and these lines in [storage]; droverd reads it.
conf()
{
	local line pool
	{
		printf '[host]\nname = host1\n[storage]\n'
		for line in "$@"; do printf '%s\n' "$line"; done
		for pool in old fast new; do
			printf '[pool %s]\npath = /srv/%s\nmounted = yes\n' $pool $pool
		done
	} | on host1 tee /etc/drover/drover.conf >/dev/null
	agent_kill host1
	agent_start host1
}

# pool_make NAME MIB: a file system of its own, in a file on the host's scratch disk.
pool_make()
{
	on host1 sh -ec "
		truncate -s $2M /srv/disk/$1.img
		mkfs.ext4 -q -m 0 -O ^has_journal /srv/disk/$1.img
		mkdir -p /srv/$1
		mount -o loop,noatime /srv/disk/$1.img /srv/$1
		chmod 755 /srv/$1
		rm -rf /srv/$1/lost+found"
}

# image POOL/FILE MIB: that only QEMU's user reads and writes.
image()
{
	on host1 sh -ec "truncate -s $2M /srv/$1; chown drover-qemu: /srv/$1; chmod 600 /srv/$1"
}

# pool_figure POOL FIELD
pool_figure()
{
	drover host1 --json pool list | jq -r ".pools[] | select(.name == \"$1\") | $2"
}

# place VM: the pools that its disks lie in, by its definition.
place()
{
	on host1 sh -c "sed -n 's|^path = /srv/\([a-z]*\)/.*|\1|p' /etc/drover/vms/$1.conf" | paste -sd' '
}

# fill POOL PERCENT: with a file of no VM, so that the pool is so full.
fill()
{
	on host1 sh -c "rm -f /srv/$1/filler
		set -- \$(df -k --output=used,avail /srv/$1 | tail -n 1)
		fallocate -l \$(((\$1 + \$2) * $2 / 100 - \$1))K /srv/$1/filler"
}

# disk_errors IP: of a guest that has just checked its whole disk. What was moved is written back for a
# while, and where that takes all of a busy machine's disk a guest can stand still for longer than a
# connection waits.
disk_errors()
{
	local i errors
	for ((i = 0; i < 6; i++)); do
		errors=$("$LAB" nsexec "$PROBE" --ask "$1:7001" check | jq -r '.disk_errors')
		[ -z "$errors" ] || break
		sleep 10
	done
	printf '%s\n' "$errors"
}

# guests: what they and QEMU say of themselves when one does not answer.
guests()
{
	local vm
	for vm in web db; do
		drover host1 --json storage list $vm | jq -c '.disk_moves'
		on host1 sh -c "tail -n 4 /run/drover/vms/$vm/console.log; tail -n 4 /run/drover/vms/$vm/qemu.log"
	done
	drover host1 vm list
	on host1 tail -n 20 /var/log/droverd.log
	GUEST_IP=$WEB_IP guest_ask report
}

# whole TEXT: that the disks of both guests are.
whole()
{
	local errors
	errors="$(disk_errors $WEB_IP) $(disk_errors $DB_IP)"
	is "$errors" '0 0' "$1" "$([ "$errors" = '0 0' ] || guests)"
}

hosts_up 1 || exit 1
on host1 sh -ec 'modprobe loop; mkfs.ext4 -q -m 0 -E lazy_itable_init=1,lazy_journal_init=1 /dev/local
	mkdir -p /srv/disk; mount -o noatime /dev/local /srv/disk' || exit 1
pool_make old 320 && pool_make fast 256 && pool_make new 256 || exit 1
conf || exit 1
image old/web.img 128 && image old/db.img 96 && image old/cold.img 64 || exit 1
on host1 sh -ec 'dd if=/dev/urandom of=/srv/old/cold.img bs=1M count=20 conv=notrunc status=none
	dd if=/dev/urandom of=/srv/old/tools.iso bs=1M count=2 status=none
	chmod 644 /srv/old/tools.iso; echo notes >/srv/old/notes.txt'

GUEST_IP=$WEB_IP MEMORY=128 DISK=/srv/old/web.img vm_define host1 web mem=8 rate=20 disk=1 diskmib=32 diskrate=20
GUEST_IP=$DB_IP MEMORY=128 DISK=/srv/old/db.img vm_define host1 db mem=8 rate=20 disk=1 diskmib=24 diskrate=20
MEMORY=128 DISK=/srv/old/cold.img EXTRA='[disk cd]
path = /srv/old/tools.iso
readonly = yes' vm_define host1 cold
drover host1 vm start web >/dev/null && drover host1 vm start db >/dev/null || exit 1

# --- while the guests come up: what is known of the pools ---
is "$(pool_figure old .measured_time_us)" 0 'nothing was measured yet'
drover host1 --json pool list --measure >"$WORK/pools.json"
is "$(jq -c '[.pools[] | [.name, .error, .latency_us > 0, .read_rate_bytes > 0, .write_rate_bytes > 0]]' \
	"$WORK/pools.json")" \
	'[["old","",true,true,true],["fast","",true,true,true],["new","",true,true,true]]' \
	'all pools are measured' "$(cat "$WORK/pools.json")"
is "$(on host1 ls -A /srv/new)" '' 'and measuring leaves nothing'
measured=$(pool_figure old .measured_time_us)
isnt "$measured" 0 'what was measured is kept'
is "$(pool_figure old '.vms | sort | join(" ")')" 'cold db web' 'the VMs on a pool are known'
drover host1 --json pool show old >"$WORK/old.json"
is "$(jq -r '.pools[0].images | map(select(.vm != "") | .vm + "/" + .disk) | sort | join(" ")' "$WORK/old.json")" \
	'cold/cd cold/root db/root web/root' 'and their images' "$(cat "$WORK/old.json")"
is "$(jq -r '.pools[0].images[] | select(.vm == "") | .path + ": " + .note' "$WORK/old.json")" \
	'/srv/old/notes.txt: of no VM that host1 knows' 'and a file of none'
is "$(jq -r '.pools[0].images[] | select(.vm == "web") | .size_bytes' "$WORK/old.json")" $((128 << 20)) \
	'an image is as large as its guest sees it'

vm_await host1 web && vm_await host1 db
is $? 0 'two VMs run'

# --- mistakes ---
refused 'unknown pool' 'host1 knows no pool nope' pool show nope
refused 'evacuating an unknown pool' 'host1 knows no pool nope' pool evacuate nope
refused 'an unknown target' 'host1 knows no pool nope' pool evacuate old --to nope
refused 'onto itself' 'pool old cannot be evacuated onto itself' pool evacuate old --to fast,old
fill fast 99
refused 'no space' 'pool old cannot be evacuated: no other pool has space' pool evacuate old --to fast
on host1 rm /srv/fast/filler
on host1 umount /srv/new
refused 'nothing mounted' 'pool new cannot be used: nothing is mounted at /srv/new' pool evacuate old --to new
like "$(pool_figure new .error)" 'nothing is mounted' 'nothing mounted: the list says so'
refused 'nothing to evacuate from' 'nothing is mounted at /srv/new' pool evacuate new
on host1 rmdir /srv/new
refused 'no directory' 'pool new cannot be used: there is no directory /srv/new' pool evacuate old --to new
on host1 sh -ec 'mkdir /srv/new; mount -o loop,noatime /srv/disk/new.img /srv/new'
refused 'no report' 'pool old was not evacuated' pool report old
refused 'manual balancing' 'automation = manual' pool balance --apply

# --- one pool is emptied while its VMs write ---
drover host1 --json pool evacuate old --dry-run >"$WORK/plan.json"
is "$(jq '[.advice[] | select(.to != "")] | length' "$WORK/plan.json")" 3 'a plan for three disks'
is "$(place web)$(place db)" oldold 'that nobody carries out'
drover host1 --json pool evacuate old --parallel 2 --delete-old >"$WORK/report.json" 2>"$WORK/err"
is $? 1 'evacuated, but for the read-only disk' "$(cat "$WORK/err")"
is "$(jq -r '.advice | map(select(.state == "done") | .vm) | sort | join(" ")' "$WORK/report.json")" \
	'cold db web' 'three disks moved' "$(cat "$WORK/report.json")"
is "$(jq -r '.advice | map(select(.state == "unspecified") | .path + ": " + .error) | sort | .[]' \
	"$WORK/report.json")" \
	'/srv/old/notes.txt: of no VM that host1 knows
/srv/old/tools.iso: it is read-only' 'and the report says what was left, and why'
is "$(on host1 ls -A /srv/old | paste -sd' ')" 'notes.txt tools.iso' 'these alone are there'
is "$(place web | grep -c old)$(place db | grep -c old)" 00 'the definitions name the new images'
is "$(drover host1 --json pool report old | jq -S .)" "$(jq -S . "$WORK/report.json")" 'pool report tells the same'
like "$(drover host1 pool show old)" '3 moved \(.*\), 0 failed, 2 left' 'and so does pool show'
whole 'both guests find their disks whole'

# --- balancing ---
fill old 50
crowded=$(place web)
fill "$crowded" 90
drover host1 --json pool balance >"$WORK/advice.json"
is "$(jq -r '[.advice[] | select(.reason | test("above the threshold of 80"))] | map(.from) | unique | join(" ")' \
	"$WORK/advice.json")" "$crowded" 'balancing relieves the pool that is too full' "$(cat "$WORK/advice.json")"
is "$(place web)" "$crowded" 'in manual mode it says so, and no more'
conf 'automation = partial' || exit 1
drover host1 pool balance --apply >"$WORK/out" 2>&1
is $? 0 'approved, it is carried out' "$(cat "$WORK/out")"
is "$(drover host1 --json pool list | jq '[.pools[] | select(.used_bytes * 100 > .size_bytes * 80)] | length')" 0 \
	'no pool is above the threshold' "$(drover host1 pool list)"
is "$(drover host1 --json pool balance | jq '[.advice[] | select(.reason | test("threshold"))] | length')" 0 \
	'and there is no more advice'

crowded=$(place db)
fill "$crowded" 90
conf 'automation = full' 'interval_s = 2' || exit 1
for ((i = 0; i < 60; i++)); do
	[ "$(pool_figure "$crowded" '.used_bytes * 100 > .size_bytes * 80')" = true ] || break
	sleep 0.5
done
is "$(pool_figure "$crowded" '.used_bytes * 100 > .size_bytes * 80')" false 'in full mode the agent does it by itself' \
	"$(on host1 tail -n 5 /var/log/droverd.log)"
conf || exit 1
whole 'both guests still find their disks whole'
drover host1 vm stop web --force >/dev/null && drover host1 vm stop db --force >/dev/null
is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
done_testing
