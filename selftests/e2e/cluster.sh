# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of whole clusters share. Sourced behind lib.sh.

# cluster_make N: hosts that are up become one cluster, by what an administrator types.
cluster_make()
{
	local i host
	for ((i = 1; i <= $1; i++)); do
		on "host$i" sed -i "s/^name = host$i\$/&\naddress = 10.77.0.1$i/" /etc/drover/drover.conf
		agent_kill "host$i"
		agent_start "host$i" || return 1
	done
	drover host1 cluster init >"$WORK/cluster.out" 2>&1 || { cat "$WORK/cluster.out" >&2; return 1; }
	on host1 base64 -w0 /etc/corosync/authkey >"$WORK/key"
	for ((i = 2; i <= $1; i++)); do
		host=host$i
		on "$host" sh -c "base64 -d >/etc/corosync/authkey; chmod 400 /etc/corosync/authkey" <"$WORK/key"
		drover "$host" cluster join >"$WORK/cluster.out" 2>&1 || { cat "$WORK/cluster.out" >&2; return 1; }
	done
	rm -f "$WORK/key"
	for ((i = 0; i < 60; i++)); do
		[ "$(drover host1 --json cluster status | jq '.cluster.members | length')" != "$1" ] || return 0
		sleep 0.5
	done
	drover host1 cluster status >&2
	return 1
}

# cluster_leader HOST: as that host sees it.
cluster_leader()
{
	drover "$1" --json cluster status 2>/dev/null | jq -r '.cluster.leader'
}

# drs HOST FILTER: of what load balancing tells there.
drs()
{
	drover "$1" --json drs status 2>/dev/null | jq -r ".drs | $2"
}

# drs_await HOST SECONDS FILTER: until the filter gives true.
drs_await()
{
	local i
	for ((i = 0; i < $2; i++)); do
		[ "$(drs "$1" "$3")" != true ] || return 0
		sleep 1
	done
	return 1
}

# small_define HOST NAME NUMBER [KEY=VALUE of the guest…]: a VM without disks at 10.77.0.100+NUMBER.
small_define()
{
	local host=$1 name=$2 number=$3 args arg
	shift 3
	args="console=ttyS0 quiet panic=-1 drover.ip=10.77.0.$((100 + number))/24"
	for arg in "$@"; do args+=" drover.$arg"; done
	on "$host" tee "/etc/drover/vms/$name.conf" >/dev/null <<-END
		[vm]
		name = $name
		vcpus = 1
		memory = ${MEMORY:-192}
		kernel = $BUILD/guest/vmlinuz
		initrd = $BUILD/guest/${INITRD:-initrd}.gz
		cmdline = $args
		[nic lan]
		bridge = br0
	END
}

# small_ask NUMBER COMMAND: one line of JSON of that VM.
small_ask()
{
	"$LAB" nsexec "$PROBE" --ask "10.77.0.$((100 + $1)):7001" "$2"
}

# boots_by_itself HOST: from now on the host has module, cluster and agent when it is turned on.
boots_by_itself()
{
	on "$1" sh -ec "
		tar -C / -cf /var/lib/drover/boot.tar etc/drover etc/corosync
		cat >/var/lib/drover/boot
		chmod 755 /var/lib/drover/boot
		sync" <<-END
		#!/bin/sh
		tar -C / -xf /var/lib/drover/boot.tar
		id drover-qemu >/dev/null 2>&1 || useradd -r -M -s /usr/sbin/nologin -G kvm drover-qemu
		insmod $BUILD/modules/\$(uname -r)/drover.ko
		corosync
		cd / && exec setsid $BUILD/droverd -v >>/var/log/droverd.log 2>&1
	END
}

# dpm HOST FILTER: of what power management tells there.
dpm()
{
	drover "$1" --json dpm status 2>/dev/null | jq -r ".dpm | $2"
}

# dpm_await HOST SECONDS FILTER
dpm_await()
{
	local i
	# Whoever asks often is a load of its own on an emulated host.
	for ((i = 0; i < $2; i += 4)); do
		[ "$(dpm "$1" "$3")" != true ] || return 0
		sleep 4
	done
	return 1
}

# lab_state HOST: on, off or dead.
lab_state()
{
	"$LAB" status 2>/dev/null | awk -v host="$1" '$1 == host { print $3 }'
}
