#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The BMCs of the lab: one virtual host turns another off and on, each way, through faults.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are named to runs
. "$(dirname "$0")/../tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

BMC=$TOP/tools/lab/bmc
POWER=$BUILD/selftests/power/power
command -v ipmi_sim >/dev/null || skip_all 'there is no ipmi_sim; run tools/setup'
[ -x "$POWER" ] || bail_out "there is no $POWER; run 'make checks'"

trap hosts_down EXIT
trap 'exit 130' INT TERM
"$LAB" down >/dev/null 2>&1
"$LAB" up -n 2 >&2 || bail_out 'the lab does not come up'
runs 'BMCs come up' "$BMC" up
is "$("$BMC" status)" $'host1 10.77.0.201 none\nhost2 10.77.0.202 none' '… one for each host'

# ways SECTION…: what host1 knows of host2.
ways()
{
	"$BMC" conf host2 "$@" | on host1 sh -c 'umask 077 && mkdir -p /etc/drover/power &&
		rm -f /etc/drover/power/host2.conf && cat >/etc/drover/power/host2.conf'
}

# power VERB SECONDS: host1 does that to host2.
power()
{
	on host1 "$POWER" /etc/drover/power host2 "$1" "$2" </dev/null 2>&1
}

# state: of host2, as the lab sees it.
state()
{
	"$LAB" status 2>/dev/null | awk '$1 == "host2" { print $3 }'
}

# booted: host2 takes commands; up to two minutes.
booted()
{
	local left=240
	until on host2 true </dev/null >/dev/null 2>&1; do
		((left-- > 0)) || return 1
		sleep 0.5
	done
}

ways
like "$(power test 60)" $'^ipmi passed: [^\n]*\nredfish passed: [^\n]*\nwol passed: ' 'host1 reaches them all'
for way in ipmi redfish; do
	ways $way
	is "$(power off 90) $(state)" "off $way off" "$way: host2 shuts down"
	is "$(power on 60) $(state)" "on $way on" "$way: host2 is turned on"
	runs '… and boots' booted
done
ways ipmi
is "$(power cut 60) $(state)" 'off ipmi dead' 'its plug is pulled'
ways wol
is "$(power on 30)" 'unknown wol' 'a magic packet is sent to it'
runs '… and it boots' booted

ways
"$BMC" fault host2 ignore-off
like "$(power off 20)" 'ipmi: .*is still on.*; redfish: .*is still on.*; wol: Wake-on-LAN cannot' 'it ignores a shutdown'
is "$(state)" on '… and is on'
"$BMC" fault host2 silent
like "$(power off 20)" 'ipmi: .*does not answer.*; redfish: .*does not answer.*; wol: ' 'its BMC is silent'
"$BMC" fault host2 no-boot
is "$(power cut 60) $(state)" 'off ipmi dead' 'it is turned off again'
is "$(power on 60) $(state)" 'on ipmi dead' 'it has power, and does not boot'
"$BMC" fault host2 none
is "$(power cut 60) $(power on 60)" 'off ipmi on ipmi' 'off and on helps'
runs '… and it boots' booted
runs 'BMCs go away' "$BMC" down
is "$(pgrep -af "$DROVER_LAB_DIR/bmc")" '' '… and nothing is left of them'

done_testing
