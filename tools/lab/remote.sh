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

# remote_client N: sets SSH to the command that reaches host N from $LAB.
remote_client()
{
	SSH=(ssh -F none -i key -l root -o ControlPath="host$1.ssh" -o StrictHostKeyChecking=no
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes
		-o ConnectTimeout=10 -o ConnectionAttempts=5 "$(host_address "$1")")
}

remote_open()
{
	local SSH
	remote_client "$1"
	net_detach "host$1-ssh.log" "${SSH[@]}" -M -N -f && return
	say "host$1 does not answer: $(tail -n 1 "$LAB/host$1-ssh.log")"
	return 1
}

# remote_run N COMMAND ARGUMENT…: in the checkout's directory, with the
# arguments exactly as given.
remote_run()
{
	local SSH tty=-T
	remote_client "$1"
	shift
	[ ! -t 0 ] || [ ! -t 1 ] || [ ! -t 2 ] || tty=-t
	(cd "$LAB" && net_enter "${SSH[@]}" $tty -- "cd ${CHECKOUT@Q} && ${*@Q}")
}
