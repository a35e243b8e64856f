# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on a virtual host: ssh to its dropbear, over one connection a host
# that `lab up` opens, so that a command costs no key exchange.

remote_keys()
{
	rm -f "$LAB/key" "$LAB/key.pub" "$LAB/hostkey"
	ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB/key"
	dropbearkey -t ed25519 -f "$LAB/hostkey" >/dev/null 2>&1
}

# remote_ssh N ARGUMENT…: in $LAB, since the path of a socket must be short.
remote_ssh()
{
	local n=$1
	shift
	(
		cd "$LAB" || exit
		net_enter ssh -F none -i key -l root -o ControlPath="host$n.ssh" \
			-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
			-o LogLevel=ERROR -o BatchMode=yes -o ConnectTimeout=10 \
			-o ConnectionAttempts=5 "$(host_address "$n")" "$@"
	)
}

# The connection gets no descriptor of ours: a caller who reads our output to
# its end must not wait for it.
remote_open()
{
	remote_ssh "$1" -M -N -f </dev/null >"$LAB/host$1-ssh.log" 2>&1 && return
	say "host$1 does not answer: $(tail -n 1 "$LAB/host$1-ssh.log")"
	return 1
}

# remote_run N COMMAND ARGUMENT…: in the checkout's directory, with the
# arguments exactly as given.
remote_run()
{
	local n=$1 tty=-T
	shift
	[ ! -t 0 ] || [ ! -t 1 ] || [ ! -t 2 ] || tty=-t
	remote_ssh "$n" $tty -- "cd ${CHECKOUT@Q} && ${*@Q}"
}
