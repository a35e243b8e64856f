#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Drover as it is installed: hosts whose process 1 is systemd get the tree of `make install`, and
# droverd runs in the sandbox of its unit. All it has to write it can write there, and VMs outlive it.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"
export MEMORY=128
ROOT=$WORK/root

# installed COMMAND…: drover as it lies on the host's path.
installed()
{
	local host=$1
	shift
	on "$host" drover "$@"
}

# unit HOST PROPERTY
unit()
{
	on "$1" systemctl show -P "$2" droverd
}

# host_prepare HOST OTHER: as README.md says, the tree carried over.
host_prepare()
{
	local host=$1 other=$2
	on "$host" sh -ec "cp -r --no-preserve=ownership '$ROOT'/. /
		depmod -a && systemd-sysusers && systemctl daemon-reload
		modprobe drover
		for pool in local slow; do
			mkfs.ext4 -q -m 0 -i 262144 -J size=16 -E lazy_itable_init=0,lazy_journal_init=0 /dev/\$pool
			mkdir -p /srv/\$pool
			mount -o noatime /dev/\$pool /srv/\$pool
		done
		cat >/etc/drover/drover.conf" <<-END
		[host]
		name = $host
		[peer $other]
		address = $("$LAB" address "$other")
		[pool local]
		path = /srv/local
		mounted = yes
		[pool slow]
		path = /srv/slow
		mounted = yes
	END
}

# answers HOST: until its agent does.
answers()
{
	local i
	for ((i = 0; i < 60; i++)); do
		! installed "$1" vm list >/dev/null 2>&1 || return 0
		sleep 0.5
	done
	return 1
}

# image HOST: what the definition there says.
image()
{
	on "$1" sed -n 's/^path = //p' /etc/drover/vms/web.conf
}

# whole NAME: the guest has lost nothing.
whole()
{
	local answer
	answer=$(guest_ask check)
	is "$(jq -r '"\(.mem_errors) \(.disk_errors)"' <<<"$answer")" '0 0' "$1: the guest has lost nothing" "$answer"
}

[ -x /lib/systemd/systemd ] || skip_all 'systemd is not installed'
rm -rf "$ROOT"
make --no-print-directory -s -C "$TOP" install DESTDIR="$ROOT" >"$WORK/install.log" 2>&1
is $? 0 'make install makes a tree' "$(tail -n 5 "$WORK/install.log")"
trap hosts_down EXIT
trap 'exit 130' INT TERM
"$LAB" down >/dev/null 2>&1
"$LAB" up -n 2 --init systemd >&2 || exit 1
is "$(on host1 cat /proc/1/comm)" systemd 'process 1 is systemd'

# --- installed, and started ---
host_prepare host1 host2 && host_prepare host2 host1
is $? 0 'the tree is carried over'
for host in host1 host2; do
	on $host systemctl enable --now droverd >"$WORK/out" 2>&1
	is "$? $(unit $host ActiveState) $(unit $host SubState)" '0 active running' "$host: droverd starts as a service" \
		"$(cat "$WORK/out"; on $host journalctl -b --no-pager -n 10 -u droverd)"
done
answers host1 && answers host2
is $? 0 'both agents answer'
like "$(installed host1 host list)" 'host2 .*up' 'and know each other'

DISK=/srv/local/web-root.raw vm_define host1 web mem=8 rate=20 disk=1 diskrate=20 diskmib=8
on host1 truncate -s 32M /srv/local/web-root.raw
installed host1 vm start web >"$WORK/out" 2>&1
is $? 0 'a VM starts' "$(cat "$WORK/out"; on host1 journalctl -b --no-pager -n 10 -u droverd)"
vm_await host1 web
is $? 0 'and its guest comes up'
like "$(on host1 sh -c "cat /proc/\$(pgrep -f guest=web | head -n 1)/cgroup")" 'droverd.service/' 'below the cgroup of the unit'

# --- what the agent writes it may write ---
installed host1 storage migrate web root --to slow >"$WORK/out" 2>&1
is $? 0 'its disk changes the pool' "$(cat "$WORK/out")"
like "$(image host1)" '^/srv/slow/' 'the definition names the new image' "$(cat "$WORK/out")"
is "$(installed host1 --json storage list web | jq -r '.disk_moves[] | "\(.state) \(.error)"')" 'done ' 'and nothing is left to complain of'
whole 'another pool'

installed host1 migrate web --to host2 --with-storage local --delete-old >"$WORK/out" 2>&1
is $? 0 'it moves with its disk' "$(cat "$WORK/out")"
is "$(image host2)" /srv/local/web-root.raw 'host2 has its definition'
is "$(on host1 ls /etc/drover/vms)" web.conf.moved 'host1 has it no more'
is "$(on host1 sh -c 'ls /srv/slow | grep -c web')" 0 'nor its image'
whole 'another host'

# --- the agent ends, the VM does not ---
pid=$(installed host2 --json vm show web | jq .vms[0].pid)
on host2 systemctl restart droverd
answers host2
is "$(installed host2 --json vm show web | jq -r '.vms[0] | "\(.state) \(.pid)"')" "running $pid" 'systemctl restart: the VM runs on'
on host2 systemctl kill -s KILL droverd --kill-whom=main
for ((i = 0; i < 40; i++)); do
	[ "$(unit host2 NRestarts)" = 0 ] || break
	sleep 0.5
done
answers host2
is "$(installed host2 --json vm show web | jq -r '.vms[0] | "\(.state) \(.pid)"') $(unit host2 NRestarts)" "running $pid 1" \
	'killed: systemd starts it again, the VM runs on'
on host2 sh -c 'systemctl stop droverd && modprobe -r drover && modprobe drover && systemctl start droverd'
is $? 0 'a new module comes into use while the VM runs'
answers host2
is "$(installed host2 --json vm show web | jq -r '.vms[0] | "\(.state) \(.pid)"')" "running $pid" 'and it runs on'
installed host2 migrate web --to host1 --with-storage slow >"$WORK/out" 2>&1
is $? 0 'and back, with the agent and the module that came after' "$(cat "$WORK/out")"
whole 'back'

installed host1 vm stop web --force >/dev/null
on host1 systemctl stop droverd
is "$? $(unit host1 ActiveState) $(unit host1 Result)" '0 inactive success' 'it ends as it should'
num_is "$(on host1 journalctl -b --no-pager -u droverd | wc -l)" -gt 5 'what it says is in the journal'
is "$(on host1 journalctl -b --no-pager -u droverd | grep -ciE 'not permitted|denied|read-only')" 0 'nothing was refused to it' \
	"$(on host1 journalctl -b --no-pager -u droverd | grep -iE 'not permitted|denied|read-only')"
is "$(kernel_warnings host1 host2)" 0 'no kernel has anything to complain of'
done_testing
