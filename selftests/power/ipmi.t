#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# IPMI against OpenIPMI's simulator of a BMC.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need ipmi_sim ip

# ipmi_conf [KEY=VALUE…]: what is right, with some of it replaced.
ipmi_conf()
{
	local -A keys=([address]=127.0.0.1 [user]=$USER_NAME [password]=$PASSWORD
		[workarounds]=opensesspriv)
	local word
	for word in "$@"; do keys[${word%%=*}]=${word#*=}; done
	{
		echo '[ipmi]'
		for word in "${!keys[@]}"; do echo "$word = ${keys[$word]}"; done
	} | conf
}

machine 0
ipmi_conf
start ipmi "$LAB_TOOLS/ipmi" "$WORK/bmc" 127.0.0.1 623 "$WORK/chassis"
sim=$started
await ipmi "$POWER" "$CONF" host1 state 2

does 'the state is read' '^off ipmi$' state 5
does 'a test finds the BMC, and changes nothing' \
	'^ipmi passed: the BMC at 127.0.0.1 takes user drover with cipher suite 3; the machine is off$' test 5
is "$(asked)" '' '… nothing'
does 'a machine is turned on' '^on ipmi$' on 5
is "$(<"$WORK/power") $(asked)" '1 set power 1' '… and is on'
does 'it is on already' '^on ipmi already$' on 5
is "$(asked)" 'set power 1' '… and was not asked again'
does 'it is shut down' '^off ipmi$' off 5
is "$(<"$WORK/power") $(asked)" '0 set power 1,set shutdown 1' '… by its own system'
does 'it is off already' '^off ipmi already$' off 5
machine 1
does 'its power is cut' '^off ipmi$' cut 5
is "$(<"$WORK/power") $(asked)" '0 set power 0' '… at once'

ipmi_conf privilege=admin
does 'an administrator may, too' '^off ipmi$' state 5
machine 1
ipmi_conf password=Swordfish-4712
balks 'a wrong password' 'host1 was not turned off: ipmi: the BMC at 127.0.0.1 refuses the password \(user drover' off 5
ipmi_conf user=nobody
balks 'an unknown user' 'the BMC at 127.0.0.1 does not know the user \(user nobody' off 5
ipmi_conf workarounds=authcap
balks 'a BMC that needs a workaround' 'does not let the user control the power' test 5
ipmi_conf address=nowhere.invalid
balks 'a name that nobody knows' 'the BMC at nowhere.invalid (has no address: the name is unknown|does not answer)|no answer within' state 3
is "$(asked)" '' 'none of them reached the machine'

ipmi_conf
touch "$WORK/ignore"
balks 'a power-off that is ignored' \
	'host1 was not turned off: ipmi: asked to turn it off it did not refuse, but [0-9.]+ s later the state is still on' cut 3
like "$(asked)" '^set power 0' '… though it was asked for'
machine 0
touch "$WORK/ignore"
balks 'a power-on that is ignored' 'the state is still off' on 3
machine 1
touch "$WORK/refuse"
balks 'a chassis that refuses' 'the BMC at 127.0.0.1 does not do as asked: ' off 3

machine 1
kill -s STOP "$sim"
balks 'a BMC that does not answer' 'ipmi: the BMC at 127.0.0.1 does not answer' off 2
num_is "$ms" -ge 1000 '… was waited for'
kill -s CONT "$sim"
kill "$sim"
wait "$sim" 2>/dev/null
balks 'a BMC that is not there' 'ipmi: ' state 2
is "$(<"$WORK/power")" 1 'the machine is on all the time'

keeps_secrets
done_testing
