# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The lab's network: a namespace of its own with a bridge and one tap a host.
# No address and no device ever appears outside of the namespace.

net_enter()
{
	nsenter --net="/run/netns/$NETNS" -- "$@"
}

# net_detach LOG COMMAND…: starts a command that outlives us, in the namespace and
# in $LAB (the path of a socket must be short). It gets no descriptor of ours: a
# caller who reads our output to its end must not wait for it.
net_detach()
(
	log=$1
	shift
	cd "$LAB" || exit
	exec </dev/null >"$log" 2>&1
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
	done
	net_enter "$@"
)

# net_up HOSTS
net_up()
{
	local n
	ip netns add "$NETNS"
	net_enter ip -batch - <<-END
		link set lo up
		link add lab0 type bridge forward_delay 0
		address add $SAN_ADDRESS/24 dev lab0
		link set lab0 up
	END
	for ((n = 1; n <= $1; n++)); do
		net_enter ip tuntap add "tap$n" mode tap
		net_enter ip link set "tap$n" master lab0 up
	done
}

# Whatever still runs in the namespace was started through the lab: end it, or
# it would keep the taps alive.
net_down()
{
	local pids left=50
	[ -e "/run/netns/$NETNS" ] || return 0
	while pids=$(ip netns pids "$NETNS") && [ -n "$pids" ] && ((left-- > 0)); do
		# shellcheck disable=SC2086 # one word a process
		kill -s KILL $pids 2>/dev/null || true
		sleep 0.1
	done
	ip netns delete "$NETNS"
}
