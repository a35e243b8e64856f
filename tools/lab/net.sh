# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The lab's network: a namespace of its own with a bridge and one tap a host.
# No address and no device ever appears outside of the namespace.

net_enter()
{
	nsenter --net="/run/netns/$NETNS" -- "$@"
}

# net_up HOSTS
net_up()
{
	local n
	ip netns add "$NETNS"
	ip -n "$NETNS" -batch - <<-END
		link set lo up
		link add lab0 type bridge forward_delay 0
		address add $SAN_ADDRESS/24 dev lab0
		link set lab0 up
	END
	for ((n = 1; n <= $1; n++)); do
		net_enter ip tuntap add "tap$n" mode tap
		ip -n "$NETNS" link set "tap$n" master lab0 up
	done
}

# Whatever still runs in the namespace was started through the lab: end it, or
# it would keep the taps alive.
net_down()
{
	local pids
	[ -e "/run/netns/$NETNS" ] || return 0
	pids=$(ip netns pids "$NETNS")
	if [ -n "$pids" ]; then
		# shellcheck disable=SC2086 # one word a process is the point
		kill -s KILL $pids 2>/dev/null || true
	fi
	ip netns delete "$NETNS"
}
