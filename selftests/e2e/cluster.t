#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three hosts become a cluster by what an administrator types; hosts and agents die, one leaves.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

# cluster HOST FILTER: of its status.
cluster()
{
	drover "$1" --json cluster status 2>&1 | jq -r ".cluster | $2"
}

# becomes NAME HOST SECONDS FILTER VALUE
becomes()
{
	local i seen
	for ((i = 0; i < $3 * 2; i++)); do
		seen=$(cluster "$2" "$4")
		[ "$seen" != "$5" ] || break
		sleep 0.5
	done
	is "$seen" "$5" "$1" "$(drover "$2" cluster status 2>&1)"
}

hosts_up 3 || exit 1
is "$(drover host1 cluster status)" 'this host is in no cluster' 'a host by itself needs no corosync'
fails 'no address' 'needs the address at which the other hosts reach this one' drover host1 cluster init
for i in 1 2 3; do
	on host$i sed -i "s/^name = host$i\$/&\naddress = 10.77.0.1$i/" /etc/drover/drover.conf
	agent_kill host$i
	agent_start host$i
done
fails 'no key' 'copy /etc/corosync/authkey here' drover host2 cluster join
drover host1 cluster init >"$WORK/out" 2>&1
is $? 0 'a cluster is made' "$(cat "$WORK/out")"
like "$(cat "$WORK/out")" 'no_quorum: 1 votes of 3, 2 are needed' 'which has no quorum yet'
fails 'once only' 'in a cluster already' drover host1 cluster init
is "$(on host1 stat -c '%a %s' /etc/corosync/authkey)" '400 256' 'only root can read its key'
on host1 base64 -w0 /etc/corosync/authkey >"$WORK/key"
for host in host2 host3; do
	on $host sh -c "base64 -d >/etc/corosync/authkey; chmod 400 /etc/corosync/authkey" <"$WORK/key"
	drover $host cluster join >"$WORK/out" 2>&1
	is $? 0 "$host joins" "$(cat "$WORK/out")"
done
rm -f "$WORK/key"
for host in host1 host2 host3; do becomes "$host sees all three" $host 40 '"\(.state) \(.members | map(.host) | sort | join(" "))"' 'active host1 host2 host3'; done
leader=$(cluster host1 .leader)
is "$(cluster host2 .leader) $(cluster host3 .leader)" "$leader $leader" 'all know the same leader'
is "$(cluster host1 '.members | map(select(.leads)) | length')" 1 'there is one'

other=host1
[ "$leader" != host1 ] || other=host2
agent_kill "$leader"
becomes 'the leader is killed: another one leads' $other 15 ".leader != \"$leader\" and .leader != \"\"" true
agent_start "$leader"
becomes 'it is back' "$leader" 30 '.members | length' 3
isnt "$(cluster "$leader" .leader)" "$leader" 'and follows'

last=$(cluster $other .leader)
"$LAB" crash "$last"
third=$(printf 'host%s\n' 1 2 3 | grep -v "^$last\$" | head -n 1)
becomes 'a host is lost: two go on' "$third" 30 '"\(.state) \(.members | length) \(.votes)"' 'active 2 2'
isnt "$(cluster "$third" .leader)" "$last" 'with another leader'
remaining=$(printf 'host%s\n' 1 2 3 | grep -v "^$last\$" | tail -n 1)
drover "$remaining" cluster leave
is "$? $(cluster "$remaining" .alone)" '0 true' 'one leaves'
becomes 'the last one does nothing any more' "$third" 30 .state no_quorum
is "$(kernel_warnings "$third" "$remaining")" 0 'the kernels have nothing to complain of'
done_testing
