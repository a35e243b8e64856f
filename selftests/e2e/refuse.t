#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever cannot be done is refused: one clear sentence, a status that is not
# zero, the same sentence in the agent's log, and the VM untouched.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

# refused NAME REGEX COMMAND…: on host1.
refused()
{
	local name=$1 sentence=$2 out status
	shift 2
	out=$(drover host1 "$@" 2>&1 >/dev/null)
	status=$?
	out=$(grep '^drover: ' <<<"$out")
	is "$status" 1 "$name: the status says so" "$out"
	is "$(wc -l <<<"$out")" 1 "$name: one line"
	like "$out" "$sentence" "$name: the sentence"
}

# unmoved NAME: a migration was refused, and nothing has happened.
unmoved()
{
	is "$(vm_state host1 web)" running "$1: the VM runs on host1"
	is "$(leftovers host2 web)" '' "$1: nothing is left on host2"
}

define()
{
	on host1 tee "/etc/drover/vms/$1.conf" >/dev/null
}

hosts_up 2 || exit 1

# --- starting ---
refused 'no definition' 'nope.conf' vm start nope
define bad <<-END
	[vm]
	name = bad
	memroy = 64
END
refused 'unknown key' 'bad.conf:3: unknown key "memroy" in \[vm\]' vm start bad
define bad <<-END
	[vm]
	name = bad
	memory = 64
	[disk root]
	path = /nowhere/disk.img
END
refused 'missing disk' 'disk root of vm bad cannot be opened on host1: /nowhere/disk.img' vm start bad
define bad <<-END
	[vm]
	name = bad
	memory = 64
	machine = pc-q35-99.0
END
refused 'unknown machine type' 'QEMU does not start vm bad: unsupported machine type' vm start bad
define bad <<-END
	[vm]
	name = bad
	memory = 64
	[nic lan]
	bridge = nobridge
END
refused 'unknown bridge' 'there is no bridge nobridge' vm start bad
define bad <<-END
	[vm]
	name = bad
	memory = 999998
END
refused 'too much memory' 'host1 has [0-9]+ MiB of memory available, vm bad needs' vm start bad
is "$(leftovers host1 bad)" '' 'nothing of these is left'
refused 'stopping what does not run' 'vm nope does not run on host1' vm stop nope

DISK=/var/lib/drover/web.img
on host1 truncate -s 64M $DISK
MEMORY=128 DISK=$DISK vm_define host1 web mem=8 rate=10
drover host1 vm start web >/dev/null
is $? 0 'a VM starts'
refused 'a name that runs' 'vm web is already running on host1' vm start web
on host1 cat /etc/drover/vms/web.conf | on host2 tee /etc/drover/vms/web.conf >/dev/null
like "$(drover host2 vm start web 2>&1)" 'vm web is already running on host1' 'nor does it start on another host'

# --- migrating ---
refused 'unknown host' 'host1 knows no host host9' migrate web --to host9
refused 'the same host' 'vm web runs on host1 already' migrate web --to host1
refused 'a VM that does not run' 'vm nope does not run on host1' migrate nope --to host2
refused 'a disk that is not there' 'host2: disk root of vm web cannot be opened on host2' migrate web --to host2
unmoved 'a disk that is not there'
on host2 truncate -s 64M $DISK

on host2 fallocate -l 2400M /dev/shm/hog
refused 'too little memory' 'host2 has [0-9]+ MiB of memory available, vm web needs' migrate web --to host2
unmoved 'too little memory'
on host2 rm /dev/shm/hog

on host2 sh -c 'sed "s/ nx / /" /proc/cpuinfo >/tmp/cpuinfo; mount --bind /tmp/cpuinfo /proc/cpuinfo'
refused 'another processor' 'the processor of host2 lacks nx' migrate web --to host2
unmoved 'another processor'
on host2 umount /proc/cpuinfo

on host2 mkdir -p /run/drover/vms/web
refused 'a name in use there' 'vm web is already running on host2' migrate web --to host2
on host2 rmdir /run/drover/vms/web
unmoved 'a name in use there'

# Stands for the QEMU of an older release, and complains in its words.
on host2 tee /tmp/old-qemu >/dev/null <<-'END'
	#!/bin/sh
	case "$*" in
	*pc-q35-7.2*)
		echo 'qemu-system-x86_64: unsupported machine type "pc-q35-7.2"' >&2
		exit 1 ;;
	esac
	exec /usr/bin/qemu-system-x86_64 "$@"
END
on host2 sh -c 'chmod 755 /tmp/old-qemu; sed -i "/^name = host2/a qemu = /tmp/old-qemu" /etc/drover/drover.conf
	pkill -TERM -x droverd; sleep 1'
agent_start host2
refused 'a machine type that the target lacks' 'host2: QEMU does not start vm web: unsupported machine type "pc-q35-7.2"' \
	migrate web --to host2
unmoved 'a machine type that the target lacks'
on host2 sh -c 'sed -i "/^qemu = /d" /etc/drover/drover.conf; pkill -TERM -x droverd; sleep 1'
agent_start host2

drover host1 migrate web --to host2 --bandwidth 1 --detach >/dev/null
refused 'a second migration' 'vm web is being migrated already' migrate web --to host2
refused 'stopping in the middle' 'vm web is being migrated' vm stop web
drover host1 migration cancel "$(migration_id host1)" >/dev/null
await_move host1 cancelled
unmoved 'a second migration'

on host2 pkill -TERM -x droverd
sleep 1
refused 'an agent that is not there' 'host2 \(10.77.0.12:7654\) cannot be reached: Connection refused' migrate web --to host2
is "$(vm_state host1 web)" running 'and the VM runs on'
on host2 sh -c 'cp /etc/drover/drover.conf /tmp/; printf "[host]\nname = host2\n" >/etc/drover/drover.conf'
agent_start host2
refused 'no peer of the target' 'host1 is no peer of host2' migrate web --to host2
unmoved 'no peer of the target'
on host2 sh -c 'pkill -TERM -x droverd; sleep 1; cp /tmp/drover.conf /etc/drover/'
agent_start host2

# A Hello of protocol version 99: header of 16 bytes, then the message.
hello=$(printf '\x0b\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x08\x63\x10\x63\x22\x05host1' |
	base64 -w0)
answer=$(base64 -d <<<"$hello" | "$LAB" nsexec timeout 10 socat -t 5 - TCP:10.77.0.12:7654 | tr -d '\0')
like "$answer" 'protocol versions 99 to 99 are not spoken here' 'another protocol version: the sentence'
head -c 4000 /dev/urandom | "$LAB" nsexec timeout 10 socat -t 2 - TCP:10.77.0.12:7654 >/dev/null 2>&1
like "$(on host2 tail -n 3 /var/log/droverd.log)" 'a connection was refused' 'garbage on the port is refused, and logged'
is "$(drover host2 --json host list | jq '.hosts | length')" 2 'and the agent serves on'

refused_log=$(on host1 grep -c 'is no peer of host2' /var/log/droverd.log)
isnt "$refused_log" 0 'refusals stand in the log of host1 too'

# --- memory that cannot be tracked ---
on host1 sh -c 'mkdir -p /mnt/huge && mount -t tmpfs -o huge=always,size=1G none /mnt/huge
	sed -i "/^name = host1/a ram_dir = /mnt/huge" /etc/drover/drover.conf
	pkill -TERM -x droverd; sleep 1'
agent_start host1
MEMORY=128 DISK=/dev/san vm_define host1 huge mem=8 rate=10
drover host1 vm start huge >/dev/null
sleep 8
refused 'memory of huge pages' 'vm huge cannot be tracked: .*huge' migrate huge --to host2
is "$(vm_state host1 huge)" running 'and it runs on'

migrate host1 web host2
is $? 0 'after all this the VM can still move' "$(cat "$WORK/m.err")"
is "$(kernel_warnings host1 host2)" 0 'the kernels of both hosts have nothing to complain of'
done_testing
