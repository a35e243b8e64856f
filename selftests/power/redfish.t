#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Redfish against the lab's service: sessions, trust, reset types as they are announced.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need python3 openssl ip

URL=https://127.0.0.1:8443

# redfish_conf [KEY=VALUE…]: what is right, with some of it replaced, or left out where empty.
redfish_conf()
{
	local -A keys=([url]=$URL [user]=$USER_NAME [password]=$PASSWORD [ca]=$WORK/bmc/ca.pem)
	local word
	for word in "$@"; do keys[${word%%=*}]=${word#*=}; done
	{
		echo '[redfish]'
		for word in "${!keys[@]}"; do
			[ -z "${keys[$word]}" ] || echo "$word = ${keys[$word]}"
		done
	} | conf
}

# service [OPTION…]: a new one.
service()
{
	[ -z "${redfish:-}" ] || kill "$redfish"
	wait
	start redfish "$LAB_TOOLS/redfish" "$WORK/bmc" 127.0.0.1 8443 "$WORK/chassis" "$@"
	redfish=$started
	await redfish grep -qx ready "$WORK/redfish.out"
}

# requests METHOD: how many of them the service has seen.
requests()
{
	grep -c "\"$1 " "$WORK/redfish.out"
}

# fingerprint CERTIFICATE: of its key, as the documentation tells to make one.
fingerprint()
{
	printf 'sha256//'
	openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform der |
		openssl dgst -sha256 -binary | base64
}

machine 0
redfish_conf
service
does 'the state is read' '^off redfish$' state 5
is "$(requests POST) $(requests DELETE)" '1 1' 'a session was opened, and ended'
like "$(grep DELETE "$WORK/redfish.out")" ' 204 ' '… by the service, too'
does 'a test finds the system and its reset types' \
	"^redfish passed: $URL takes user drover; system /redfish/v1/Systems/1 is off; reset types: On, ForceOff, GracefulShutdown$" test 5
is "$(asked)" '' '… and changes nothing'
does 'a machine is turned on' '^on redfish$' on 5
is "$(<"$WORK/power") $(asked)" '1 set power 1' '… and is on'
does 'it is on already' '^on redfish already$' on 5
is "$(asked)" 'set power 1' '… and was not asked again'
does 'it is shut down' '^off redfish$' off 5
is "$(<"$WORK/power") $(asked)" '0 set power 1,set shutdown 1' '… by its own system'
machine 1
does 'its power is cut' '^off redfish$' cut 5
is "$(<"$WORK/power") $(asked)" '0 set power 0' '… at once'
is "$(requests POST)" "$(($(requests DELETE) + 3))" 'each session was ended; the other posts are three resets'

# --- whom it trusts ---
machine 1
posts=$(requests POST)
mkdir "$WORK/other"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=other' \
	-keyout "$WORK/other/ca.key" -out "$WORK/other/ca.pem" 2>/dev/null
redfish_conf ca="$WORK/other/ca.pem"
balks 'a certificate of another CA' "$URL shows a certificate that is not trusted, nothing was sent to it: " off 5
redfish_conf ca=
balks 'a certificate that the system does not trust' 'shows a certificate that is not trusted' off 5
redfish_conf ca="$WORK/none.pem"
balks 'a file of certificates that is not there' "the file of certificates $WORK/none.pem cannot be used" off 5
redfish_conf url=https://localhost:8443
balks 'a certificate for another name' 'https://localhost:8443 shows a certificate that is not trusted' off 5
redfish_conf ca= fingerprint="$(fingerprint "$WORK/other/ca.pem")"
balks 'another key than the one with the fingerprint' \
	"$URL has another key than the one whose fingerprint is configured; nothing was sent to it" off 5
is "$(requests POST) $(asked)" "$posts " 'none of them got as far as a login'
redfish_conf ca= fingerprint="$(fingerprint "$WORK/bmc/bmc.pem")"
does 'the key with the fingerprint' '^on redfish$' state 5
redfish_conf fingerprint="$(fingerprint "$WORK/bmc/bmc.pem")"
does 'that, and the right CA' '^on redfish$' state 5
redfish_conf fingerprint="$(fingerprint "$WORK/bmc/bmc.pem")" ca="$WORK/other/ca.pem"
balks 'that, and a wrong CA' 'not trusted' state 5
redfish_conf url=http://127.0.0.1:8443
balks 'no TLS at all' 'host1.conf:[0-9]+: an url is written https://' state 5

# --- what may be wrong ---
redfish_conf password=Swordfish-4712
balks 'a wrong password' "host1 was not turned off: redfish: $URL refuses user drover or the password" off 5
redfish_conf system=7
balks 'a system that is not there' "$URL has no system 7" off 5
redfish_conf
touch "$WORK/ignore"
balks 'a power-off that is ignored' \
	'host1 was not turned off: redfish: asked to turn it off it did not refuse, but [0-9.]+ s later the state is still on' cut 3
machine 1
touch "$WORK/refuse"
balks 'a chassis that refuses' 'answers POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset with status 500: The chassis does not do it' off 5
machine 1
service --types On,GracefulShutdown
balks 'a reset type that is missing' \
	"$URL announces no reset type to cut its power, only: On, GracefulShutdown" cut 5
balks '… is found by a test' 'announces no reset type to cut its power' test 5
is "$(asked)" '' '… and nothing else was asked for instead'
does 'one that is there' '^off redfish$' off 5
service --types ''
balks 'no reset types' "$URL announces no reset types" on 5
machine 0
service --types On,ForceOff --action-info
does 'reset types in a resource of their own' '^on redfish$' on 5
balks '… of which one is missing' 'announces no reset type to shut it down, only: On, ForceOff' off 5
service --systems 2
balks 'two systems' "$URL has 2 systems; system = in its file must name one" state 5
redfish_conf system=2
does 'one of two systems' '^on redfish$' state 5
redfish_conf system=/redfish/v1/Systems/1
does 'one of them by its path' '^on redfish$' state 5

machine 1
redfish_conf
kill -s STOP "$redfish"
balks 'a service that does not answer' "redfish: $URL does not answer" off 2
num_is "$ms" -ge 1000 '… was waited for'
kill -s CONT "$redfish"
kill "$redfish"
wait
unset redfish
balks 'a service that is not there' "redfish: $URL cannot be talked to: " off 2
start www openssl s_server -www -accept 8443 -cert "$WORK/bmc/bmc.pem" -key "$WORK/bmc/bmc.key"
await www "$BASH" -c 'exec 3<>/dev/tcp/127.0.0.1/8443'
balks 'something else than Redfish' "$URL answers GET /redfish/v1/ with something else than JSON" off 5
is "$(<"$WORK/power")" 1 'the machine is on all the time'

keeps_secrets
done_testing
