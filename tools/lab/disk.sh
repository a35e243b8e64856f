# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The disks: of each host one of its own and two for scratch, one of them slow, and
# the SAN, a disk that all hosts share. They are sparse and new with every `lab up`.

HOST_DISK_SIZE=4G
LOCAL_DISK_SIZE=12G
SLOW_DISK_SIZE=12G
SAN_DISK_SIZE=2G

disk_new()
{
	rm -f "$1"
	truncate -s "$2" "$1"
}

# disk_create HOSTS
disk_create()
{
	local n
	disk_new "$LAB/san.img" $SAN_DISK_SIZE
	for ((n = 1; n <= $1; n++)); do
		disk_new "$LAB/host$n-local.img" $LOCAL_DISK_SIZE
		disk_new "$LAB/host$n-slow.img" $SLOW_DISK_SIZE
		disk_new "$LAB/host$n.img" $HOST_DISK_SIZE
		mkfs.ext4 -q -L "host$n" -i 65536 -J size=16 \
			-E lazy_itable_init=0,lazy_journal_init=0 "$LAB/host$n.img"
	done
}

# Every host reaches the SAN through this one server, so what one host wrote the
# other reads, whatever the build machine caches. A file system without O_DIRECT
# may therefore do without it.
san_start()
{
	local cache
	for cache in none writeback; do
		net_detach san.log qemu-nbd --fork --persistent --shared=8 --cache=$cache --discard=unmap \
			-f raw -x san -b "$SAN_ADDRESS" -p "$SAN_PORT" --pid-file=qemu-nbd.pid san.img && break
	done
	[ -s "$LAB/qemu-nbd.pid" ] || die "the shared disk cannot be served: $(tail -n 1 "$LAB/san.log")"
	pid_save "$LAB/san.pid" "$(<"$LAB/qemu-nbd.pid")"
	rm -f "$LAB/qemu-nbd.pid"
}

san_stop()
{
	pid_end "$LAB/san.pid"
}
