#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The systemd unit, the user of QEMU, and the module at boot are understood by systemd.
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../tap.sh"

UNIT=agent/droverd.service
command -v systemd-analyze systemd-sysusers >/dev/null || skip_all 'systemd is not installed'
WORK=$(mktemp -d) || bail_out 'no temporary directory'
trap 'rm -rf "$WORK"' EXIT

# The program need not be installed here.
sed 's|^ExecStart=/usr/sbin/droverd$|ExecStart=/bin/true|' "$UNIT" >"$WORK/droverd.service"
isnt "$(cat "$WORK/droverd.service")" "$(cat "$UNIT")" 'the unit starts /usr/sbin/droverd'
out=$(systemd-analyze verify "$WORK/droverd.service" 2>&1)
is "$? $out" '0 ' 'systemd-analyze verify has nothing to say'

# setting NAME: its value in the unit.
setting()
{
	sed -n "s/^$1=//p" "$UNIT"
}

is "$(setting Type)" notify 'systemd is told when the agent is ready'
is "$(setting KillMode) $(setting Delegate)" 'process yes' 'VMs outlive the agent'
is "$(setting RuntimeDirectoryPreserve)" yes 'so does what is needed to adopt them'
is "$(setting ReadWritePaths)" -/etc/drover/vms 'definitions can be changed when a disk moves'
# QEMU lives in the agent's sandbox, and makes its own inside.
like " $(setting SystemCallFilter) " ' seccomp ' 'QEMU may make its sandbox'
for hidden in ProtectHome PrivateTmp PrivateDevices PrivateNetwork ProtectControlGroups; do
	is "$(setting $hidden)" '' "QEMU and the agent are not kept from what $hidden hides"
done

mkdir "$WORK/root" "$WORK/root/etc"
runs 'systemd-sysusers makes the user' systemd-sysusers --root="$WORK/root" \
	"$PWD/agent/drover.sysusers"
like "$(cat "$WORK/root/etc/passwd")" $'(^|\n)drover-qemu:' 'its name is drover-qemu'
like "$(cat "$WORK/root/etc/group")" $'(^|\n)kvm:[^\n]*:drover-qemu(\n|$)' 'it is in the group kvm'
is "$(cat agent/drover.modules)" drover 'the module is loaded at boot'
done_testing
