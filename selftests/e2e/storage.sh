# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the demo, the benchmark and tests of moving disks share, besides lib.sh: images,
# the same VM without Drover, what a move costs. Sourced after lib.sh.
# shellcheck disable=SC2016 # hosts expand

# image_make HOST PATH MIB DATA-MIB: a sparse image with so much data that does not compress, a
# quarter of it in each quarter of the image.
image_make()
{
	on "$1" sh -ec "rm -f $2; truncate -s ${3}M $2
		for part in 0 1 2 3; do
			dd if=/dev/urandom of=$2 bs=1M count=$(($4 / 4)) seek=\$((part * $3 / 4)) conv=notrunc oflag=direct status=none
		done; sync $2"
}

# refused NAME REGEX WORD…: two checks: drover on host1 does not do it, and says why in one line.
refused()
{
	local name=$1 sentence=$2 out status
	shift 2
	out=$(drover host1 "$@" 2>&1 >/dev/null)
	status=$?
	is "$status $(wc -l <<<"$out")" '1 1' "$name: refused in one line" "$out"
	like "$out" "$sentence" "$name: the sentence"
}

# hand_start HOST IMAGE CMDLINE [OPTION…]: a VM like Drover's, without Drover. Its monitors are
# /tmp/hand.qmp and port 4445 of the host, its disk is the node "d".
hand_start()
{
	local host=$1 image=$2 args=$3
	shift 3
	on "$host" sh -c "rm -f /tmp/hand.*; ip tuntap del hand0 mode tap 2>/dev/null
		ip tuntap add hand0 mode tap && ip link set hand0 master br0 up
		setsid qemu-system-x86_64 -machine pc-q35-7.2,accel=kvm -cpu host,migratable=on -m ${MEMORY:-512} -nodefaults \
		-display none -vga none -kernel $BUILD/guest/vmlinuz -initrd $BUILD/guest/${INITRD:-initrd}.gz -append '$args' \
		-serial file:/tmp/hand.console -qmp unix:/tmp/hand.qmp,server=on,wait=off -qmp tcp:0:4445,server=on,wait=off \
		-blockdev driver=raw,node-name=d,discard=unmap,detect-zeroes=unmap,cache.direct=on,file.driver=file,file.filename=$image,file.discard=unmap,file.cache.direct=on,file.aio=native \
		-device virtio-blk-pci,drive=d,addr=4 -netdev tap,id=n,ifname=hand0,script=no,downscript=no,vhost=off \
		-device virtio-net-pci,netdev=n,romfile=,addr=5 $* </dev/null >/tmp/hand.log 2>&1 &
		echo \$! >/tmp/hand.pid
		for i in \$(seq 50); do [ ! -S /tmp/hand.qmp ] || exit 0; sleep 0.2; done; cat /tmp/hand.log >&2; exit 1"
}

hand_await()
{
	local i
	for ((i = 0; i < 180; i++)); do
		! on "$1" grep -q 'DROVER-GUEST READY' /tmp/hand.console 2>/dev/null || return 0
		sleep 1
	done
	return 1
}

hand_end()
{
	on "$1" sh -c '[ ! -e /tmp/hand.pid ] || pkill -F /tmp/hand.pid
		for i in $(seq 50); do pgrep -F /tmp/hand.pid >/dev/null 2>&1 || break; sleep 0.2; done
		rm -f /tmp/hand.pid; ip tuntap del hand0 mode tap' 2>/dev/null
	:
}

# hand_export HOST: the VM that waits there serves its disk, as "d" on port 10810.
hand_export()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		'{"execute":"nbd-server-start","arguments":{"addr":{"type":"inet","data":{"host":"0.0.0.0","port":"10810"}}}}' \
		'{"execute":"block-export-add","arguments":{"type":"nbd","id":"e","node-name":"d","writable":true,"name":"d"}}' |
		on "$1" socat -t 2 - UNIX-CONNECT:/tmp/hand.qmp | grep -c '"return"' | grep -qx 3
}

# nbd_serve HOST IMAGE: the same of an image that no VM has.
nbd_serve()
{
	on "$1" qemu-nbd --fork --persistent --shared=4 --cache=none --aio=native --discard=unmap \
		-f raw -x d -p 10810 --pid-file=/tmp/nbd.pid "$2"
}

nbd_end()
{
	on "$1" sh -c '[ ! -e /tmp/nbd.pid ] || pkill -F /tmp/nbd.pid
		for i in $(seq 50); do pgrep -F /tmp/nbd.pid >/dev/null 2>&1 || break; sleep 0.2; done
		rm -f /tmp/nbd.pid'
	:
}

# cpu_ms HOST…: what their processors have done so far, but for what the guests did.
cpu_ms()
{
	local host total=0 ms
	for host in "$@"; do
		ms=$(on "$host" awk '/^cpu / { print ($2 + $3 + $4 + $7 + $8 - $10 - $11) * 10; exit }' /proc/stat)
		total=$((total + ${ms:-0}))
	done
	echo "$total"
}

# link_bytes HOST: what went through its network link so far, both ways.
link_bytes()
{
	"$LAB" nsexec ip -s -j link show "tap${1#host}" | jq '.[0].stats64 | .rx.bytes + .tx.bytes'
}

# write_rate HOST DIRECTORY: KiB a second that go there in large writes, past what QEMU lets through
# in a burst: the median of three.
write_rate()
{
	on "$1" sh -ec "dd if=/dev/zero of=$2/rate bs=1M count=32 oflag=direct status=none
		for i in 1 2 3; do
			start=\$(date +%s%N)
			dd if=/dev/zero of=$2/rate bs=1M count=32 conv=notrunc oflag=direct status=none
			echo \$((32768 * 1000000000 / (\$(date +%s%N) - start)))
		done | sort -n | sed -n 2p; rm -f $2/rate"
}
