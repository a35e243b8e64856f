#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three ways to one machine: which is taken when some of them fail. And who may read of them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need ipmi_sim python3 openssl ip

# ways [IPMI-PASSWORD]: the file with all three, wrong order and all.
ways()
{
	conf "${2:-600}" <<-END
		[wol]
		mac = 52:54:00:77:00:11
		address = 127.0.0.1
		[redfish]
		url = https://127.0.0.1:8443
		user = $USER_NAME
		password = $PASSWORD
		ca = $WORK/bmc/ca.pem
		[ipmi]
		address = 127.0.0.1
		user = $USER_NAME
		password = ${1:-$PASSWORD}
		workarounds = opensesspriv
	END
}

machine 0
ways
start ipmi "$LAB_TOOLS/ipmi" "$WORK/bmc" 127.0.0.1 623 "$WORK/chassis"
ipmi=$started
start redfish "$LAB_TOOLS/redfish" "$WORK/bmc" 127.0.0.1 8443 "$WORK/chassis"
redfish=$started
start wake "$LAB_TOOLS/wake" 127.0.0.1 9 "52:54:00:77:00:11=echo 1 >$WORK/power"
await redfish grep -qx ready "$WORK/redfish.out"
await wake grep -qx ready "$WORK/wake.out"
await ipmi "$POWER" "$CONF" host1 state 2

act test 9
is "$status $(grep -c passed "$WORK/out") $(cut -d ' ' -f 1 "$WORK/out" | paste -sd ' ')" \
	'0 3 ipmi redfish wol' 'all are tested, in order of preference'
does 'IPMI comes first' '^on ipmi$' on 5
machine 0
ways Swordfish-4712
does 'Redfish is next' '^on redfish after ipmi: the BMC at 127.0.0.1 refuses the password' on 5
does '… also for looking' '^on redfish$' state 5
balks 'a test tells of each' '^power: host1: ipmi: the BMC at 127.0.0.1 refuses the password [^;]*$' test 5
is "$(grep -c passed "$WORK/out")" 2 '… and of those that are right'

machine 0
ways
touch "$WORK/ignore"
does 'who ignores a request is passed over, and still asked how it is' \
	'^on wol after ipmi: .*the state is still off; redfish: .*the state is still off' on 6
is "$(asked | tr , '\n' | sort | uniq -c | tr -s ' ')" ' 2 set power 1' '… each was asked once'
kill -s STOP "$ipmi" "$redfish"
machine 0
does 'when all BMCs are silent, a packet is left' \
	'^unknown wol after ipmi: the BMC at 127.0.0.1 does not answer.*; redfish: .* does not answer' on 4
is "$(<"$WORK/power")" 1 '… and wakes the machine'
balks 'for off there is none' \
	'host1 was not turned off: ipmi: .* does not answer.*; redfish: .* does not answer; wol: Wake-on-LAN cannot turn a machine off$' off 4
kill -s CONT "$ipmi" "$redfish"

# --- the file ---
for mode in 640 604 660 620 602; do
	ways '' "$mode"
	balks "a file with mode $mode" "host1.conf is refused: its mode $mode lets others than root at the passwords in it" state 2
done
chmod 600 "$CONF/host1.conf"
if chown nobody "$CONF/host1.conf" 2>/dev/null; then
	balks "a file of somebody else" 'host1.conf is refused: it does not belong to root' state 2
	chown root "$CONF/host1.conf"
else
	skip 'a file of somebody else' 'chown is not allowed'
fi
mv "$CONF/host1.conf" "$WORK/elsewhere"
ln -s "$WORK/elsewhere" "$CONF/host1.conf"
balks 'a link' 'cannot open .*host1.conf: ' state 2
rm "$CONF/host1.conf"
balks 'no file' 'cannot open .*host1.conf: No such file' state 2

keeps_secrets
done_testing
