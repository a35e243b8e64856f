# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the end-to-end tests and the demo share: hosts with Drover on them, VMs
# with the self-checking guest, the probe that watches from outside.
# Sourced; needs nothing but the checkout it lies in.

TOP=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
BUILD=$TOP/build
LAB=$TOP/tools/lab/lab
PROBE=$BUILD/selftests/e2e/probe
WORK=${DROVER_E2E_DIR:-$BUILD/e2e}
# A lab of its own: the one of `make lab` is left alone.
export DROVER_LAB_DIR=${DROVER_LAB_DIR:-$BUILD/lab-e2e}
GUEST_IP=10.77.0.50
WATCHER_IP=10.77.0.1
BEAT_PORT=9000
PROBE_PID=
SAY=${SAY:-}

mkdir -p "$WORK"

say()
{
	[ -z "$SAY" ] || printf '%s\n' "$*"
}

on()
{
	local host=$1
	shift
	"$LAB" exec "$host" -- "$@"
}

# hosts_up N [lab options]: N hosts with module and agent, known to each other.
hosts_up()
{
	local n=$1 i
	shift
	trap hosts_down EXIT
	trap 'exit 130' INT TERM
	"$LAB" down >/dev/null 2>&1
	"$LAB" up -n "$n" "$@" >&2 || return 1
	[ -z "${TLS:-}" ] || certificates "$n" || return 1
	for ((i = 1; i <= n; i++)); do host_install "host$i" "$n" || return 1; done
	for ((i = 1; i <= n; i++)); do agent_start "host$i" || return 1; done
}

hosts_down()
{
	probe_end
	"$LAB" down >/dev/null 2>&1
}

# certificates N: an authority in $WORK/tls, and what it signed for N hosts.
certificates()
{
	local i
	rm -rf "$WORK/tls"
	"$TOP/tools/drover-cert" ca "$WORK/tls" || return 1
	for ((i = 1; i <= $1; i++)); do "$TOP/tools/drover-cert" host "$WORK/tls" "host$i" || return 1; done
}

# certificate_install HOST [NAME [FOLDER]]: the host shows that one; by default its own.
certificate_install()
{
	local name=${2:-$1} from=${3:-$WORK/tls}
	on "$1" sh -ec "umask 077; mkdir -p /etc/drover/tls
		cp '$from/$name.crt' /etc/drover/tls/host.crt
		cp '$from/$name.key' /etc/drover/tls/host.key
		[ -e /etc/drover/tls/ca.crt ] || cp '$from/ca.crt' /etc/drover/tls/ca.crt"
}

# host_install HOST N: module loaded, user and configuration there. POOLS, words of the form
# NAME:DISK, makes /dev/DISK of each host a pool of its own, an ext4 at /srv/NAME. TLS=1: agents
# encrypt what they say to each other.
host_install()
{
	local host=$1 n=$2 i conf pool
	conf="[host]\nname = $host\n"
	for ((i = 1; i <= n; i++)); do
		[ "host$i" = "$host" ] || conf+="[peer host$i]\naddress = 10.77.0.1$i\n"
	done
	if [ -n "${TLS:-}" ]; then
		conf+="[tls]\n"
		certificate_install "$host" || return 1
	fi
	for pool in ${POOLS:-}; do
		conf+="[pool ${pool%%:*}]\npath = /srv/${pool%%:*}\nmounted = yes\n"
		on "$host" sh -ec "mkdir -p /srv/${pool%%:*}
			mkfs.ext4 -q -m 0 -i 262144 -J size=16 -E lazy_itable_init=0,lazy_journal_init=0 /dev/${pool##*:}
			mount -o noatime /dev/${pool##*:} /srv/${pool%%:*}" || return 1
	done
	on "$host" sh -ec "
		id drover-qemu >/dev/null 2>&1 || useradd -r -M -s /usr/sbin/nologin -G kvm drover-qemu
		mkdir -p /etc/drover/vms
		printf '$conf' >/etc/drover/drover.conf
		lsmod | grep -q '^drover ' || insmod $BUILD/modules/\$(uname -r)/drover.ko
		dmesg -C"
}

# agent_start HOST [VARIABLE=VALUE]: the variable is for the agent's fault points.
agent_start()
{
	on "$1" sh -c "cd / && ${2:-} setsid $BUILD/droverd -v >>/var/log/droverd.log 2>&1 </dev/null & :"
	agent_await "$1"
}

agent_await()
{
	local i
	for ((i = 0; i < 50; i++)); do
		! on "$1" "$BUILD/drover" vm list >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	printf '# droverd on %s does not answer:\n' "$1" >&2
	on "$1" tail -n 5 /var/log/droverd.log >&2
	return 1
}

agent_kill()
{
	on "$1" pkill -KILL -x droverd
}

drover()
{
	local host=$1
	shift
	on "$host" "$BUILD/drover" "$@"
}

# sessions_left HOST: how many sessions stay open. The agent's samples open one for half a second.
sessions_left()
{
	local i left
	for ((i = 0; i < 20; i++)); do
		left=$(drover "$1" --json session list | jq '.sessions | length')
		[ "$left" != 0 ] || break
		sleep 0.5
	done
	echo "$left"
}

# vm_define HOST NAME [KEY=VALUE of the guest…]: a definition with the
# self-checking guest on the shared disk. MEMORY, DISK, AIO and EXTRA change it; INITRD=initrd-fio
# gives the guest fio.
vm_define()
{
	local host=$1 name=$2
	shift 2
	local args="console=ttyS0 quiet panic=-1 drover.ip=$GUEST_IP/24 drover.beat=$WATCHER_IP:$BEAT_PORT"
	local arg
	for arg in "$@"; do args+=" drover.$arg"; done
	on "$host" tee "/etc/drover/vms/$name.conf" >/dev/null <<-END
		[vm]
		name = $name
		vcpus = 1
		memory = ${MEMORY:-512}
		kernel = $BUILD/guest/vmlinuz
		initrd = $BUILD/guest/${INITRD:-initrd}.gz
		cmdline = $args
		[disk root]
		path = ${DISK:-/dev/san}
		cache = none
		${AIO:+aio = $AIO}
		[nic lan]
		bridge = br0
		${EXTRA:-}
	END
}

# vm_await HOST NAME: until the guest says that it is ready.
vm_await()
{
	local i
	for ((i = 0; i < 120; i++)); do
		! on "$1" grep -q 'DROVER-GUEST READY' "/run/drover/vms/$2/console.log" 2>/dev/null || return 0
		sleep 1
	done
	printf '# the guest of vm %s did not come up:\n' "$2" >&2
	on "$1" tail -n 5 "/run/drover/vms/$2/console.log" >&2
	return 1
}

# guest_ask COMMAND: one line of JSON from the guest's control port.
guest_ask()
{
	"$LAB" nsexec "$PROBE" --ask "$GUEST_IP:7001" "$1"
}

# probe_start: watch the guest from outside: one TCP connection, its heartbeat.
probe_start()
{
	"$LAB" nsexec "$PROBE" --tcp "$GUEST_IP:7000" --beat "$BEAT_PORT" --seconds 1500 \
		--out "$WORK/probe.json" </dev/null >/dev/null 2>"$WORK/probe.err" &
	PROBE_PID=$!
	sleep 2
	kill -0 "$PROBE_PID" 2>/dev/null || { cat "$WORK/probe.err" >&2; return 1; }
}

probe_reset()
{
	kill -USR1 "$PROBE_PID"
}

# probe_read FIELD: of the figures as they are now.
probe_read()
{
	rm -f "$WORK/probe.json"
	kill -USR2 "$PROBE_PID"
	local i
	for ((i = 0; i < 50; i++)); do
		[ ! -s "$WORK/probe.json" ] || break
		sleep 0.1
	done
	jq -r ".$1" "$WORK/probe.json"
}

probe_end()
{
	[ -z "$PROBE_PID" ] || kill "$PROBE_PID" 2>/dev/null
	PROBE_PID=
}

# probe_tcp: "alive" once the connection that the probe opened at the start has answered. After a long
# pause TCP takes a while to try again; one that was reset stays dead.
probe_tcp()
{
	local i
	for ((i = 0; i < 60; i++)); do
		[ "$(probe_read tcp)" != alive ] || break
		sleep 0.5
	done
	probe_read tcp
}

# kernel_warnings HOST…: how many lines of alarm their kernels logged.
kernel_warnings()
{
	local host total=0 n
	for host in "$@"; do
		n=$(on "$host" sh -c "dmesg | grep -cE 'WARNING:|BUG:|Oops|Call Trace|INFO: task|general protection|lockdep'")
		total=$((total + ${n:-1}))
	done
	echo "$total"
}

# migrate FROM NAME TO [OPTION…]: the figures go to $WORK/m.json; the status is drover's.
migrate()
{
	local from=$1 name=$2 to=$3
	shift 3
	drover "$from" --json migrate "$name" --to "$to" "$@" >"$WORK/m.json" 2>"$WORK/m.err"
}

# figure FIELD: of the migration last made.
figure()
{
	jq -r ".$1" "$WORK/m.json"
}

# vm_state HOST NAME: the word for it, or "unknown".
vm_state()
{
	drover "$1" --json vm show "$2" 2>/dev/null | jq -r '.vms[0].state // "unknown"' 2>/dev/null ||
		echo unknown
}

# state_await HOST NAME STATE [SECONDS]
state_await()
{
	local i
	for ((i = 0; i < ${4:-20} * 2; i++)); do
		[ "$(vm_state "$1" "$2")" != "$3" ] || return 0
		sleep 0.5
	done
	return 1
}

# leftovers HOST NAME: what of a VM is still there; empty is good.
leftovers()
{
	on "$1" sh -c "ls -d /run/drover/vms/$2 /dev/shm/drover/$2.ram /sys/fs/cgroup/drover/vm-$2 2>/dev/null
		pgrep -f '[g]uest=$2,' | sed 's/^/process /'; ls /sys/class/net | grep '^dr' ; :"
}

# await_gone HOST NAME [SECONDS]: until nothing of the VM is there.
await_gone()
{
	local i
	for ((i = 0; i < ${3:-30} * 5; i++)); do
		[ -n "$(leftovers "$1" "$2")" ] || return 0
		sleep 0.2
	done
	return 1
}

# migration_id HOST: of the newest migration there.
migration_id()
{
	drover "$1" --json migration list | jq -r '.migrations[0].id'
}

# await_move HOST STATE [SECONDS]: until the newest migration is in that state.
await_move()
{
	local i
	for ((i = 0; i < ${3:-20} * 5; i++)); do
		[ "$(drover "$1" --json migration list | jq -r '.migrations[0].state')" != "$2" ] || return 0
		sleep 0.2
	done
	return 1
}
