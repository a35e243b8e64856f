#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A busy VM's disk changes its pool on one host: formats, space, cancels, a full pool, the agent's
# death and the host's at each step, backing files, several disks. The guest checks every block it wrote.
. selftests/tap.sh
. selftests/e2e/lib.sh
. selftests/e2e/storage.sh

OLD=/srv/fast/web.img
SIZE=134217728
# What the guest has written, in blocks of 1 KiB, with some for the file system: far below SIZE.
SPARSE=61440

# host_ready: mounts and configuration; a host that lost its power has nothing but its disks.
host_ready()
{
	host_install host1 1 || return 1
	on host1 sh -ec "
		modprobe loop
		rmdir /etc/drover/vms
		mkdir -p /var/lib/drover/vms /srv/fast /srv/slow /srv/tiny
		ln -s /var/lib/drover/vms /etc/drover/vms
		[ -e /var/lib/drover/tiny.img ] || {
			mkfs.ext4 -q -m 0 /dev/local
			mkfs.ext4 -q -m 0 /dev/slow
			truncate -s 48M /var/lib/drover/tiny.img
			mkfs.ext4 -q -m 0 -O ^has_journal /var/lib/drover/tiny.img
		}
		mount -o noatime /dev/local /srv/fast
		mount -o noatime /dev/slow /srv/slow
		mount -o noatime,loop /var/lib/drover/tiny.img /srv/tiny
		printf '[storage]\ngrace_s = 8\n' >>/etc/drover/drover.conf
		for pool in fast slow tiny; do
			printf '[pool %s]\npath = /srv/%s\nmounted = yes\n' \$pool \$pool
		done >>/etc/drover/drover.conf"
}

# move POOL [OPTION…]: the figures go to $WORK/s.json, the status is drover's.
move()
{
	local pool=$1
	shift
	drover host1 --json storage migrate web root --to "$pool" "$@" >"$WORK/s.json" 2>"$WORK/s.err"
}

# moved FIELD: of the move last made, as it was told.
moved()
{
	jq -r ".disk_moves[0].$1" "$WORK/s.json"
}

# now FIELD: of the same, as it is now.
now()
{
	drover host1 --json storage show "$(moved id)" 2>/dev/null | jq -r ".disk_moves[0].$1"
}

# all_now FILTER: the moves of all disks that were begun together, as they are now.
all_now()
{
	local id
	for id in $(jq '.disk_moves[].id' "$WORK/s.json"); do
		drover host1 --json storage show "$id"
	done | jq -rs "map(.disk_moves[0]) | $1"
}

# await_all FILTER WANTED [SECONDS]: until that is so.
await_all()
{
	local i
	for ((i = 0; i < ${3:-30} * 2; i++)); do
		[ "$(all_now "$1")" != "$2" ] || return 0
		sleep 0.2
	done
	return 1
}

# await_disk STATE [SECONDS]: until it is in that state.
await_disk()
{
	local i
	for ((i = 0; i < ${2:-30} * 3; i++)); do
		[ "$(now state)" != "$1" ] || return 0
		sleep 0.3
	done
	diag "it is $(now state): $(now error)" >&2
	return 1
}

# image: path of the one that the definition names, and that QEMU has open if the VM runs.
image()
{
	on host1 sed -n '/^\[disk root\]/,/^\[nic/s/^path = //p' /etc/drover/vms/web.conf
}

open_images()
{
	on host1 sh -c "ls -l /proc/\$(pgrep -f '[g]uest=web,')/fd | sed -n 's|.* -> \(/srv/.*\)|\1|p' | sort -u"
}

# all_is_well NAME IMAGE: it is the true one and the only one in use, and the guest has lost nothing.
all_is_well()
{
	local answer
	is "$(image) $(open_images)" "$2 $2" "$1: the definition names the image that QEMU uses"
	is "$(drover host1 --json storage list web | jq -r '[.images[] | select(.is_true and .disk == "root")] | map(.path) | join(" ")')" \
		"$2" "$1: it is the true one"
	is "$(on host1 ls /var/lib/drover/disks)" '' "$1: no record is left"
	answer=$(guest_ask check)
	is "$(jq -r '"\(.mem_errors) \(.disk_errors) \(.disk_stuck)"' <<<"$answer")" '0 0 false' \
		"$1: the guest has lost nothing" "$answer"
}

# backing IMAGE: path of its backing file, empty if it has none.
backing()
{
	on host1 qemu-img info -U --output=json "$1" | jq -r '."backing-filename" // ""'
}

# kib IMAGE: what it takes in its store.
kib()
{
	on host1 du -k "$1" | cut -f1
}

# files POOL: what lies in it.
files()
{
	on host1 sh -c "ls /srv/$1 | grep -v lost+found; :"
}

# tells REGEX NAME: what is told of the move last made is one line, and says so.
tells()
{
	local error
	error=$(now error)
	is "$(wc -l <<<"$error")" 1 "$2: in one line" "$error"
	like "$error" "$1" "$2: in words"
}

trap hosts_down EXIT
trap 'exit 130' INT TERM
"$LAB" down >/dev/null 2>&1
"$LAB" up -n 1 >&2 || exit 1
host_ready && agent_start host1 || exit 1
on host1 truncate -s $SIZE $OLD
MEMORY=128 DISK=$OLD vm_define host1 web mem=16 rate=50 disk=1 diskmib=24 diskrate=20
drover host1 vm start web >/dev/null
vm_await host1 web || exit 1

# --- there and back ---
move slow --format qcow2 --verify
is "$? $(moved state)" '0 done' 'raw to qcow2: it moves' "$(cat "$WORK/s.err")"
is "$(moved verified_bytes) $(moved mismatched_bytes)" "$SIZE 0" 'raw to qcow2: both images were the same'
is "$(moved size_bytes) $(moved interruptions)" "$SIZE 0" 'raw to qcow2: the size is that of the disk'
num_is "$(moved switch_us)" -gt 0 'raw to qcow2: it is known how long requests were held'
NEW=/srv/slow/web-root.qcow2
num_is "$(on host1 du -k $NEW | cut -f1)" -lt $SPARSE 'raw to qcow2: it stays sparse'
is "$(on host1 stat -c '%U %a' $NEW)" 'root 600' 'raw to qcow2: only root can open the image'
is "$(image) $(open_images)" "$NEW $NEW" 'raw to qcow2: definition and QEMU have the new image'
is "$(drover host1 --json storage list | jq -r '.images[] | "\(.path) \(.is_true)"')" \
	"$NEW true
$OLD false" 'raw to qcow2: the old image is listed as not true'
on host1 rm $OLD
drover host1 storage list >/dev/null
all_is_well 'raw to qcow2' $NEW

move fast --format raw --verify --delete-old
is "$? $(moved state) $(moved mismatched_bytes) $(moved old_deleted)" '0 done 0 true' \
	'qcow2 to raw: it moves, and the old image is deleted' "$(cat "$WORK/s.err")"
NEW=/srv/fast/web-root.raw
is "$(files slow)" '' 'qcow2 to raw: it is gone'
num_is "$(on host1 du -k $NEW | cut -f1)" -lt $SPARSE 'qcow2 to raw: it stays sparse'
is "$(on host1 stat -c %s $NEW)" $SIZE 'qcow2 to raw: the size is that of the disk'
all_is_well 'qcow2 to raw' $NEW

# --- bad input ---
refused 'an unknown VM' 'host1 knows no vm db' storage migrate db --to slow
refused 'an unknown disk' 'vm web has no disk data' storage migrate web data --to slow
refused 'an unknown pool' 'host1 has no pool huge' storage migrate web --to huge
refused 'an unknown format' '"vmdk" is no format' storage migrate web --to slow --format vmdk
refused 'the same pool' 'is in pool fast already, as raw' storage migrate web --to fast
refused 'no backing file' 'a raw image has none' storage migrate web --to slow --format qcow2 --keep-backing
refused 'an unknown move' 'knows no disk move 7' storage cancel 7
on host1 fallocate -l 40M /srv/tiny/filler
refused 'no space' 'pool tiny has no space: [0-9]+ MiB are free, [0-9]+ MiB are needed' \
	storage migrate web --to tiny
on host1 rm /srv/tiny/filler
is "$(files slow) $(files tiny)" ' ' 'nothing was touched'

# --- cancel ---
move slow --bandwidth 1 --detach
await_disk copying
refused 'one move at a time for a disk' 'disk root of vm web is being moved already' \
	storage migrate web --to tiny
refused 'a VM whose disk moves is not migrated' 'a disk of vm web is being moved' \
	migrate web --to host2
like "$(drover host1 storage list)" 'disk move [0-9]+ writes it' 'the image in the making is listed'
drover host1 storage cancel "$(moved id)" >/dev/null
await_disk cancelled
is $? 0 'a move is cancelled'
is "$(files slow)" '' 'nothing of the new image is left'
all_is_well 'cancelled' $NEW

# --- a pool that fills up ---
move tiny --bandwidth 4 --detach
await_disk copying
on host1 sh -c 'fallocate -l 64M /srv/tiny/filler 2>/dev/null; dd if=/dev/zero of=/srv/tiny/filler2 bs=4k 2>/dev/null; :'
await_disk interrupted
is $? 0 'a full pool interrupts the move'
on host1 sh -c 'rm /srv/tiny/filler*'
await_disk 'done'
is $? 0 'with room again it goes on to its end' "$(now error)"
num_is "$(now interruptions)" -ge 1 'that it was interrupted is told'
move fast --delete-old
is "$? $(moved state)" '0 done' 'and back' "$(cat "$WORK/s.err")"
on host1 rm $NEW
NEW=$(image)
drover host1 storage list >/dev/null
move tiny --bandwidth 4 --detach
await_disk copying
on host1 sh -c 'fallocate -l 64M /srv/tiny/filler 2>/dev/null; dd if=/dev/zero of=/srv/tiny/filler2 bs=4k 2>/dev/null; :'
await_disk failed
is $? 0 'a pool that stays full ends the move'
tells 'no space is left for the new image.*for more than 8 s' 'a pool that stays full'
on host1 sh -c 'rm /srv/tiny/filler*'
is "$(files tiny)" '' 'nothing of the new image is left'
all_is_well 'full' "$NEW"

# --- stores that refuse ---
# lies DEVICE TARGET: what is under /dev/mapper/DEVICE is that of the device mapper from now on.
lies()
{
	on host1 sh -ec "dmsetup suspend --noflush --nolockfs $1; dmsetup load $1 --table \"$2\"; dmsetup resume $1"
}

# shellcheck disable=SC2016 # the host expands
TINY=$(on host1 sh -ec 'modprobe dm_flakey; umount /srv/tiny
	loop=$(losetup -f --show /var/lib/drover/tiny.img); echo $loop
	dmsetup create tiny --table "0 98304 linear $loop 0"; dmsetup mknodes
	mount -o noatime /dev/mapper/tiny /srv/tiny')
move tiny --bandwidth 4 --detach
await_disk copying
lies tiny "0 98304 flakey $TINY 0 0 600 1 error_writes"
await_disk interrupted
is $? 0 'a store that refuses writes interrupts the move'
await_disk failed
is $? 0 'and ends it, if it goes on'
tells 'a write to the new image failed.*for more than 8 s' 'a store that refuses'
lies tiny "0 98304 linear $TINY 0"
# That nothing of it is left cannot be promised where deleting may fail.
on host1 sh -ec 'umount /srv/tiny; dmsetup remove tiny; e2fsck -fy '"$TINY"' >/dev/null || :
	mount -o noatime '"$TINY"' /srv/tiny; rm -f /srv/tiny/web-*'
agent_kill host1
agent_start host1
all_is_well 'a store that refuses' "$NEW"

# A guest that nobody else asks for its errors: it will have some.
# shellcheck disable=SC2016
BAD=$(on host1 sh -ec 'truncate -s 16M /var/lib/drover/bad.img
	loop=$(losetup -f --show /var/lib/drover/bad.img); echo $loop
	dmsetup create bad --table "0 24576 linear $loop 0
24576 8 error
24584 8184 linear $loop 24584"; dmsetup mknodes')
BAD_IP=10.77.0.51
GUEST_IP=$BAD_IP MEMORY=128 DISK=/dev/mapper/bad vm_define host1 bad mem=8 rate=20 disk=1 diskmib=8 diskrate=20
drover host1 vm start bad >/dev/null
drover host1 --json storage migrate bad root --to slow >"$WORK/s.json" 2>"$WORK/s.err"
is "$? $(moved state)" '1 failed' 'a store that cannot be read ends the move' "$(cat "$WORK/s.err")"
tells '/dev/mapper/bad cannot be read: Input/output error' 'a store that cannot be read'
is "$(vm_state host1 bad) $(files slow)" 'running ' 'a store that cannot be read: the VM runs on, nothing is left'

# The old store refuses: the guest sees that, as it would without a move, and the mirror has no part in it.
lies bad "0 32768 linear $BAD 0"
vm_await host1 bad
drover host1 --json storage migrate bad root --to slow --bandwidth 1 --verify --detach >"$WORK/s.json"
await_disk copying
is "$(GUEST_IP=$BAD_IP guest_ask report | jq .disk_errors)" 0 'an old store that works: the guest sees no error'
lies bad "0 32768 flakey $BAD 0 0 600 1 error_writes"
for ((i = 0; i < 10; i++)); do
	errors=$(GUEST_IP=$BAD_IP guest_ask report | jq .disk_errors)
	[ "$errors" = 0 ] || break
	sleep 0.2
done
num_is "$errors" -gt 0 'an old store that refuses writes: the guest sees its errors'
is "$(now state) $(now interruptions) $(now error)" 'copying 0 ' 'the mirror is not at fault, and goes on'
lies bad "0 32768 linear $BAD 0"
await_disk 'done'
is "$? $(now interruptions) $(now mismatched_bytes) $(now verified_bytes)" "0 0 0 $((16 << 20))" \
	'and comes to its end, with both images the same' "$(now error)"
is "$(GUEST_IP=$BAD_IP guest_ask check | jq .new_errors)" 0 'what the guest could write is there'
drover host1 vm stop bad --force >/dev/null
# shellcheck disable=SC2016
on host1 sh -c 'rm -f /srv/slow/bad-*; dmsetup remove bad; losetup -d $(losetup -j /var/lib/drover/bad.img | cut -d: -f1); rm -f /etc/drover/vms/bad.conf /var/lib/drover/bad.img'

# --- the agent's death ---
# dies_at PLACE POOL: the agent dies there in a move to that pool. Where it does not, what follows
# proves nothing.
dies_at()
{
	local i alive=yes
	agent_kill host1
	agent_start host1 "DROVER_FAULT=$1"
	move "$2" --detach
	for ((i = 0; i < 90; i++)); do
		alive=$(on host1 sh -c 'pgrep -x droverd || echo no')
		[ "$alive" != no ] || break
		sleep 0.3
	done
	is "$alive" no "the agent dies at $1" "$(on host1 tail -n 3 /var/log/droverd.log)"
}

# killed_at PLACE: the agent dies there in a move to the slow pool, and another one starts.
killed_at()
{
	dies_at "$1" slow
	agent_start host1
}

killed_at disk-copying
await_disk 'done'
is $? 0 'killed while copying: the move goes on' "$(now error)"
on host1 rm "$NEW"
NEW=$(image)
like "$NEW" ^/srv/slow/ 'killed while copying: the disk is in its new pool'
drover host1 storage list >/dev/null
all_is_well 'killed while copying' "$NEW"
move fast --delete-old
NEW=$(image)

killed_at disk-switching
await_disk failed
is $? 0 'killed while switching: the move is taken back'
tells 'stays on its old image' 'killed while switching'
is "$(files slow)" '' 'killed while switching: nothing of the new image is left'
all_is_well 'killed while switching' "$NEW"

killed_at disk-switched
await_disk 'done'
is $? 0 'killed after the switch: the move is finished' "$(now error)"
on host1 rm "$NEW"
NEW=$(image)
like "$NEW" ^/srv/slow/ 'killed after the switch: the disk is in its new pool'
drover host1 storage list >/dev/null
all_is_well 'killed after the switch' "$NEW"

# --- the host's death ---
move fast --bandwidth 1 --detach
await_disk copying
is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
"$LAB" crash host1
"$LAB" poweron host1 && host_ready && agent_start host1
is $? 0 'power loss while copying: the host comes back'
await_disk failed
is "$(files fast)" '' 'power loss while copying: nothing of the new image is left'
is "$(drover host1 --json storage list | jq -r '.images[] | "\(.path) \(.is_true)"')" "$NEW true" \
	'power loss while copying: the old image is the true one'

# lost_at PLACE POOL: the agent dies there and its host with it. Once both images are the same, and
# the record says so, the new one is the true one.
lost_at()
{
	local old=$NEW
	drover host1 vm start web >/dev/null
	vm_await host1 web
	dies_at "$1" "$2"
	"$LAB" crash host1
	"$LAB" poweron host1 && host_ready && agent_start host1
	await_disk 'done'
	is $? 0 "power loss at $1: the move is finished" "$(now error)"
	NEW=/srv/$2/web-root.raw
	is "$(image)" "$NEW" "power loss at $1: the definition names the new image"
	is "$(drover host1 --json storage list | jq -r '.images[] | "\(.path) \(.is_true)"')" \
		"$NEW true
$old false" "power loss at $1: which is the true one"
	on host1 rm "$old"
	drover host1 storage list >/dev/null
}

lost_at disk-switching fast
lost_at disk-switched slow

# --- a VM that is stopped ---
move fast --format qcow2 --delete-old --verify
is "$? $(moved state) $(moved mismatched_bytes)" '0 done 0' 'a stopped VM: its disk is copied' \
	"$(cat "$WORK/s.err")"
NEW=/srv/fast/web-root.qcow2
is "$(image) $(files slow)" "$NEW " 'a stopped VM: the definition names the new image'

# --- backing files ---
# It starts on a new image above the one that was copied, which QEMU opens by itself.
BASE=/srv/fast/base.qcow2
TOP=/srv/fast/top.qcow2
on host1 sh -ec "mv $NEW $BASE; chmod 644 $BASE
	qemu-img create -q -f qcow2 -b $BASE -F qcow2 $TOP
	sed -i 's|^path = $NEW\$|path = $TOP|' /etc/drover/vms/web.conf
	for i in 1 2 3; do
		head -c 8M /dev/urandom >/var/lib/drover/data\$i.img
		printf '[disk data%s]\npath = /var/lib/drover/data%s.img\n' \$i \$i >>/etc/drover/vms/web.conf
	done"
drover host1 vm start web >/dev/null
vm_await host1 web
num_is "$(guest_ask report | jq .disk_kept)" -gt 0 'the guest finds what it wrote before the power losses'
is "$(image) $(open_images | xargs)" "$TOP $BASE $TOP" 'a backing file: QEMU has both images'

move slow --format qcow2 --keep-backing --verify
is "$? $(moved state) $(moved mismatched_bytes)" '0 done 0' 'a backing file is kept: the disk moves' "$(cat "$WORK/s.err")"
NEW=/srv/slow/web-root.qcow2
is "$(backing $NEW)" $BASE 'a backing file is kept: the new image has the same one'
num_is "$(kib $NEW)" -lt "$(kib $BASE)" 'a backing file is kept: only what lay above it was copied'
is "$(image) $(open_images | xargs)" "$NEW $BASE $NEW" 'a backing file is kept: definition and QEMU have the new image'
is "$(guest_ask check | jq .disk_errors)" 0 'a backing file is kept: the guest has lost nothing'

move fast --format qcow2 --delete-old --verify
is "$? $(moved state) $(moved mismatched_bytes)" '0 done 0' 'flattened: the disk moves' "$(cat "$WORK/s.err")"
NEW=/srv/fast/web-root.qcow2
is "$(backing $NEW)" '' 'flattened: the new image has no backing file'
on host1 rm $BASE $TOP
drover host1 storage list >/dev/null
all_is_well 'flattened' $NEW

# --- all disks at once ---
# Three of 8 MiB that nobody writes to, and that of the guest, with 24 MiB. At 2 MiB a second for all of
# them, the large one has a quarter of it at first, and all of it when the others are there.
sums()
{
	on host1 sh -c "for i in 1 2 3; do sha256sum <$1\$i.$2; done"
}

sums=$(sums /var/lib/drover/data img)
drover host1 --json storage migrate web --to slow --format raw --all --bandwidth 2 --delete-old --detach >"$WORK/s.json"
is "$(jq -r '.disk_moves | map(.disk) | join(" ")' "$WORK/s.json")" 'root data1 data2 data3' 'all disks: they move'
await_all 'map(.state) | unique | join(" ")' copying
sleep 2
is "$(all_now '"\(map(.state) | unique | join(" ")) \((map(.done_bytes) | add) < (map(.total_us) | max) * 2.1 + 6e6)"')" \
	'copying true' 'all disks: they share the bandwidth' "$(all_now 'map({state, done_bytes, total_us})')"
for ((i = 0; i < 100; i++)); do
	read -r seen bytes time < <(all_now '"\(.[1:] | map(.state) | unique | join("-")) \(.[0].done_bytes) \(.[0].total_us)"')
	[ "$seen" != 'done' ] || break
	sleep 0.2
done
await_all 'map(.state) | unique | join(" ")' 'done'
is $? 0 'all disks: all come to their end' "$(all_now 'map({state, error})')"
# In MiB a second; a quarter of the bandwidth would be 0.5.
num_is "$(all_now ".[0] | (.done_bytes - $bytes) / 1.048576 / (.total_us - $time) * 10 | floor")" -ge 10 \
	'all disks: what one needs no more goes to the others'
NEW=/srv/slow/web-root.raw
is "$(image) $(files fast)" "$NEW " 'all disks: the definition names the new image, the old ones are gone'
is "$(open_images | xargs -n 1 basename | xargs)" 'web-data1.raw web-data2.raw web-data3.raw web-root.raw' \
	'all disks: QEMU has the new images'
is "$(sums /srv/slow/web-data raw)" "$sums" 'all disks: those that nobody wrote to came whole'
is "$(guest_ask check | jq .disk_errors)" 0 'all disks: the guest has lost nothing'

# --- the VM's end ---
move fast --bandwidth 1 --detach
await_disk copying
drover host1 vm stop web --timeout 25 >/dev/null
ended=$?
[ $ended = 0 ] || diag "$(on host1 tail -n 3 /run/drover/vms/web/console.log; guest_ask report)"
is $ended 0 'a VM whose disk moves can be stopped'
is "$(now state)" cancelled 'which cancels the move'
is "$(files fast) $(image)" " $NEW" 'and leaves the old image'
is "$(leftovers host1 web)" '' 'nothing is left of the VM'
is "$(kernel_warnings host1)" 0 'the kernel has nothing to complain of'
done_testing
