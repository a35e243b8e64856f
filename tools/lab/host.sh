# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One virtual host: its QEMU, whether it runs, how it ended.

# host_command N: sets COMMAND to the QEMU that is host N, to be run in $LAB. A
# kernel that finds a bug in itself panics, so that nobody tests on with it. The slow
# disk drops nothing that is discarded: QEMU's limit would take it for writing.
host_command()
{
	local n=$1 share=security_model=none,multidevs=remap
	# shellcheck disable=SC2054 # these commas are QEMU's
	COMMAND=(qemu-system-x86_64 -name "host$n" -nodefaults -no-user-config -display none -no-reboot
		-machine q35 -accel tcg,thread=multi -cpu max -smp "$SMP" -m "$MEMORY"
		-kernel "$KERNEL_IMAGE" -initrd initrd.img
		-append "console=ttyS0 panic=-1 oops=panic loglevel=5 rcupdate.rcu_cpu_stall_timeout=120 net.ifnames=0 lab.init=$INIT lab.host=$n"
		-serial "file:host$n.console" -qmp "unix:host$n.qmp,server=on,wait=off"
		-netdev "tap,id=net,ifname=tap$n,script=no,downscript=no"
		-device "virtio-net-pci,netdev=net,mac=52:54:00:77:00:1$n,romfile="
		-virtfs "local,path=/,mount_tag=hostroot,readonly=on,$share"
		-virtfs "local,path=${CHECKOUT//,/,,},mount_tag=checkout,readonly=on,$share"
		-virtfs "local,path=${CHECKOUT//,/,,}/build,mount_tag=build,$share"
		-blockdev "raw,node-name=own,discard=unmap,file.driver=file,file.filename=host$n.img"
		-device "virtio-blk-pci,drive=own,serial=own"
		-blockdev "raw,node-name=local,discard=unmap,file.driver=file,file.filename=host$n-local.img"
		-device "virtio-blk-pci,drive=local,serial=local"
		-object "throttle-group,id=slow,x-bps-total=$((SLOW * 1048576))"
		-blockdev "throttle,node-name=slow,throttle-group=slow,file.driver=raw,file.file.driver=file,file.file.filename=host$n-slow.img"
		-device "virtio-blk-pci,drive=slow,serial=slow"
		-blockdev "nbd,node-name=san,export=san,server.type=inet,server.host=$SAN_ADDRESS,server.port=$SAN_PORT,cache.direct=on"
		-device "virtio-blk-pci,drive=san,serial=san,share-rw=on")
}

# host_start N: powers the host on and returns at once. A process of its own
# session keeps QEMU, so that Ctrl-C at a terminal does not reach it.
host_start()
{
	local n=$1 COMMAND
	host_command "$n"
	rm -f "$LAB/host$n.exit" "$LAB/host$n.qmp"
	[ ! -e "$LAB/host$n.console" ] || mv "$LAB/host$n.console" "$LAB/host$n.console.old"
	net_detach "host$n.log" setsid -f "$LAB_TOOLS/keep" "host$n" "${COMMAND[@]}"
}

# host_state N: prints one word.
#   on    runs            off   was shut down
#   dead  ended otherwise: killed, crashed, panicked
host_state()
{
	if pid_alive "$LAB/host$1.pid"; then
		echo on
	elif tail -n 3 "$LAB/host$1.console" 2>/dev/null | grep -q 'reboot: Power down'; then
		echo off
	else
		echo dead
	fi
}

# host_console N LINES
host_console()
{
	tail -n "$2" "$LAB/host$1.console" 2>/dev/null | tr -d '\r'
	[ ! -s "$LAB/host$1.log" ] || sed 's/^/qemu: /' "$LAB/host$1.log" | tail -n 5
}

# host_report N: says that host N is gone, with the end of its console.
host_report()
{
	say "host$1 is $(host_state "$1"); the end of $LAB/host$1.console:"
	host_console "$1" 15 | sed 's/^/    /' >&2
}

# host_await N SECONDS: until the host says on its console that it is ready.
host_await()
{
	local left=$(($2 * 10))
	until grep -qs "^lab: host$1 ready" "$LAB/host$1.console"; do
		if [ -e "$LAB/host$1.exit" ] || ((left-- <= 0)); then
			host_report "$1"
			return 1
		fi
		sleep 0.1
	done
	remote_open "$1"
}

# host_kill N: like pulling the plug.
host_kill()
{
	pid_end "$LAB/host$1.pid" KILL
	pid_await "$LAB/host$1.keeper" 50 || true
}

# host_off N: shuts down in good order, or says that it could not.
host_off()
{
	remote_run "$1" poweroff </dev/null >/dev/null 2>&1 || true
	pid_await "$LAB/host$1.pid" 300 || say "host$1 does not shut down; it is turned off"
	pid_end "$LAB/host$1.pid"
	pid_await "$LAB/host$1.keeper" 50 || true
}
