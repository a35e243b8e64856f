#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Wake-on-LAN: the packet byte for byte, by address and by interface; what it cannot do.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need python3 ip nsenter

MAC=52:54:00:77:00:11

# Six bytes ff, and the address 16 times.
magic=ffffffffffff
for _ in {1..16}; do magic+=${MAC//:/}; done

wol_conf()
{
	printf '%s\n' '[wol]' "$@" | conf
}

# heard NAME: the packets that came, one line each without what comes again.
heard()
{
	# The last may still be on its way.
	sleep 0.3
	grep -v ready "$WORK/$1.out" | sort -u
}

machine 0
start near "$LAB_TOOLS/wake" 127.0.0.1 9 "$MAC=$WORK/chassis set power 1"
await near grep -qx ready "$WORK/near.out"
wol_conf "mac = $MAC" 'address = 127.0.0.1'
does 'a magic packet is sent, and nobody says that it is on' '^unknown wol$' on 2
is "$(heard near)" "$magic" 'it is received byte for byte'
is "$(grep -c "^$magic$" "$WORK/near.out")" 3 '… three times, since some get lost'
is "$(<"$WORK/power")" 1 '… and wakes the machine'
machine 0
wol_conf 'mac = 52:54:00:77:00:12' 'address = 127.0.0.1'
does 'a packet for another card' '^unknown wol$' on 2
is "$(heard near | wc -l) $(<"$WORK/power")" '2 0' '… does not'
wol_conf "mac = $MAC" 'address = 127.0.0.1' 'port = 7'
does 'another port' '^unknown wol$' on 2
is "$(heard near | wc -l)" 2 '… is not this one'

# A neighbour on a cable, seen from a network of its own.
start neighbour unshare -n sleep 60
neighbour=$started
# shellcheck disable=SC2016 # it is the other shell's
await neighbour sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' sh "$neighbour"
ip link add cable type veth peer name cable netns "$neighbour"
wol_conf "mac = $MAC" 'interface = cable'
balks 'an interface that is down' 'host1 was not turned on: wol: interface cable is down' on 2
balks '… is found by a test' 'interface cable is down' test 2
ip link set cable up
nsenter --net="/proc/$neighbour/ns/net" sh -c 'ip link set cable up && ip address add 10.9.9.2/24 dev cable'
start far nsenter --net="/proc/$neighbour/ns/net" "$LAB_TOOLS/wake" 0.0.0.0 9 "$MAC=$WORK/chassis set power 1"
await far grep -qx ready "$WORK/far.out"
does 'by an interface without an address' '^unknown wol$' on 2
is "$(heard far)" "$magic" 'it is received there byte for byte'
is "$(<"$WORK/power") $(heard near | wc -l)" '1 2' '… and nowhere else'
ip address add 10.9.9.1/24 dev cable
wol_conf "mac = $MAC" 'address = 10.9.9.255'
does 'by a broadcast address' '^unknown wol$' on 2
is "$(heard far)" "$magic" 'it is received, too'
does 'a test says how little it knows' \
	"^wol passed: magic packets for $MAC can leave to 10.9.9.255; whether they wake the machine only waking it can show$" test 2

machine 1
balks 'it cannot turn a machine off' 'host1 was not turned off: wol: Wake-on-LAN cannot turn a machine off' off 2
balks 'it cannot see' 'whether host1 is on cannot be seen: wol: Wake-on-LAN cannot tell' state 2
is "$(<"$WORK/power")" 1 '… and leaves the machine alone'
wol_conf "mac = $MAC" 'interface = nowhere'
balks 'an interface that is not there' 'wol: interface nowhere cannot be used: No such device' on 2
wol_conf "mac = $MAC" 'address = example'
balks 'an address that is none' 'wol: "example" is no IPv4 address' on 2

done_testing
