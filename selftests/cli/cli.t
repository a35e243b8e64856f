#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What drover says to mistakes, to calls for help, and where there is no module.
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../tap.sh"

DROVER=${DROVER:-build/drover}
COMPLETION=${COMPLETION:-tools/drover/completion.bash}
[ -x "$DROVER" ] || bail_out "there is no $DROVER; run 'make tools'"
WORK=$(mktemp -d) || bail_out 'no temporary directory'
trap 'rm -rf "$WORK"' EXIT

# run WORD…: leaves $status, and what was written in $out and $err.
run()
{
	"$DROVER" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null
	status=$?
	out=$(<"$WORK/out")
	err=$(<"$WORK/err")
}

# ends STATUS REGEX WORD…: that status, and one sentence of that kind, on stderr alone.
ends()
{
	local wanted=$1 regex=$2 name
	shift 2
	name="drover $*"
	run "$@"
	if [ "$status" = "$wanted" ] && [ -z "$out" ] && [ "$(wc -l <"$WORK/err")" = 1 ] &&
		[[ $err == 'drover: '* && $err =~ $regex ]]; then
		ok "$name: exit $wanted and a sentence"
	else
		not_ok "$name: exit $wanted and a sentence" "exit $status" "stdout: $out" "stderr: $err"
	fi
}

# helps REGEX WORD…: success, and words on stdout.
helps()
{
	local regex=$1
	shift
	run "$@"
	if [ "$status$err" = 0 ] && [[ $out =~ $regex ]]; then
		ok "drover $*: explains"
	else
		not_ok "drover $*: explains" "exit $status" "$out" "$err"
	fi
}

# --- mistakes ---
ends 2 'a command is missing'
ends 2 'there is no command "frobnicate"' frobnicate
ends 2 'unknown option --frobnicate' --frobnicate vm list
ends 2 'takes start, stop, list or show' vm
ends 2 'takes start, stop, list or show, not "move"' vm move
ends 2 'takes list, show, cancel or resolve' migration
ends 2 'takes list, show, maintenance, power or standby' host
ends 2 'host power takes status, on, off, set or test' host power
ends 2 'something is missing' host power on
ends 2 'a word too many' host power status a b
ends 2 '--force takes no value' host power off a --force=yes
ends 2 'something is missing' host power set host2
ends 2 '"../x" is no name of a host' host power set ../x wol mac=52:54:00:12:34:56
ends 2 'ipmi, redfish or wol, not "ilo"' host power set host2 ilo user=a
ends 2 '"user" is not KEY=VALUE' host power set host2 ipmi user
ends 2 'put the password into a file' host power set host2 ipmi password=Swordfish
hidden=$(grep -c Swordfish "$WORK/err")
is "$hidden" 0 'a password given by mistake is not repeated'
ends 2 'the value of user has control characters' host power set host2 ipmi $'user=a\tb'
ends 2 'either something to set, or --remove' host power set host2 ipmi
ends 2 'either something to set, or --remove' host power set host2 ipmi user=a --remove
ends 1 'cannot be read' host power set host2 ipmi --password-file "$WORK/none"
ends 1 'there is no password in -' host power set host2 ipmi --password-file -
ends 2 'takes list' session
ends 2 'something is missing; usage: drover vm start NAME' vm start
ends 2 '"b" is a word too many' vm start a b
ends 2 'a name is empty' vm show ''
ends 2 'unknown option --frob; usage: drover vm list' vm list --frob
ends 2 'unknown option -x' vm list -x
ends 2 '--force takes no value' vm start a --force=yes
ends 2 '--timeout wants a value' vm stop a --timeout
ends 2 '--timeout takes a number from 1 to 25, not "26"' vm stop a --timeout 26
ends 2 'something is missing' migrate --to host2
ends 2 '--to is missing' migrate web1
ends 2 '--to wants a value' migrate web1 --to
ends 2 '--to wants a value' migrate web1 --to ''
ends 2 '--streams takes a number from 1 to 16, not "0"' migrate web1 --to host2 --streams 0
ends 2 '--streams takes a number from 1 to 16, not "17"' migrate web1 --to host2 --streams=17
ends 2 'not "-1"' migrate web1 --to host2 --bandwidth -1
ends 2 'not "99999999999999999999"' migrate web1 --to host2 --downtime-limit 99999999999999999999
ends 2 'not "2x"' migrate web1 --to host2 --streams 2x
ends 2 '"seven" is no number of a migration' migration show seven
ends 2 '"0" is no number of a migration' migration cancel 0
ends 2 'exclude each other' migration resolve 7 --source --target
ends 2 'takes migrate, list, show or cancel' storage
ends 2 'something is missing' storage migrate --to fast
ends 2 '--to is missing' storage migrate web1 root
ends 2 '--to wants a value' storage migrate web1 --to
ends 2 '"c" is a word too many' storage migrate a b c --to fast
ends 2 '--all and the name of a disk exclude each other' storage migrate web1 root --all --to fast
ends 2 '--bandwidth takes a number from 1 to 1000000, not "0"' storage migrate web1 --to fast --bandwidth 0
ends 2 'a name is empty' storage migrate web1 '' --to fast
ends 2 '"b" is a word too many' storage list a b
ends 2 '"seven" is no number of a disk move' storage show seven
ends 2 '"0" is no number of a disk move' storage cancel 0
ends 2 'takes list, show, evacuate, balance, report or stop' pool
ends 2 'something is missing' pool show --measure
ends 2 'something is missing' pool evacuate --to fast
ends 2 '--to wants a value' pool evacuate old --to
ends 2 '--to wants a value' pool evacuate old --to a,,b
ends 2 '--to takes at most 32 values' pool evacuate old --to "$(seq -s, 33)"
ends 2 '--parallel takes a number from 1 to 16, not "17"' pool evacuate old --parallel 17
ends 2 '--bandwidth takes a number from 1 to 1000000, not "0"' pool evacuate old --bandwidth 0
ends 2 '"old" is a word too many' pool balance old
ends 2 '"b" is a word too many' pool report a b
ends 2 'on or off, not "maybe"' host maintenance host1 maybe
ends 2 'the mode is manual, partial or full, not "wild"' drs mode wild
ends 2 'the threshold is 1 to 5, not "6"' drs threshold 6
ends 2 'either numbers or --all' drs apply
ends 2 'either numbers or --all' drs apply 1 --all
ends 2 '"one" is no number of a recommendation' drs apply one
ends 2 'nothing is to be set' drs set
ends 2 'the mode is off, manual or automatic, not "wild"' dpm mode wild
ends 2 'the threshold is 1 to 5, not "6"' dpm threshold 6
ends 2 'either numbers or --all' dpm apply
ends 2 'nothing is to be set' dpm set
ends 2 'the mode is cluster, off, manual or automatic' dpm host host2 --mode wild
ends 2 'watts are IDLE,FULL' dpm host host2 --watts 90
ends 2 'nothing is to be set' dpm host host2
ends 2 'on or off, not "maybe"' host standby host2 maybe
ends 2 'unknown option --force' host power test host2 --force
ends 2 'a rule is together, apart, on or not-on, not "near"' rule add pair near web1 web2
ends 2 'the mode of a VM is' respool vm web1 --mode wild
ends 2 'unknown option --mode' respool set gold --mode full
ends 2 '"x" is a word too many' events x
ends 2 '"x" is a word too many' session list x
ends 2 '"x" is a word too many' version x
ends 2 'there is no command "frobnicate"' help frobnicate

# --- help ---
helps 'usage: drover .*migrate .*move a running VM' help
helps 'usage: drover ' --help
helps 'usage: drover ' -h
for command in vm migrate migration storage pool host cluster drs dpm rule respool events session version help; do
	helps "drover $command" help "$command"
done
helps 'drover vm stop NAME' vm --help
helps 'drover vm stop NAME' vm stop --help
helps 'drover vm stop NAME' help vm stop
helps '--downtime-limit MS' migrate web1 --help
run help migrate
isnt "$out" "" "help migrate says something"
is "${out//debug/}" "$out" 'help keeps quiet about the option that makes a wrong migration'
helps '^drover [0-9]' version
helps '^drover [0-9]' --version
run version --json
runs 'version --json writes JSON' jq -e .version "$WORK/out"
run --json version
runs '--json may stand in front' jq -e .version "$WORK/out"

# --- output that cannot be written ---
if [ -c /dev/full ]; then
	"$DROVER" help >/dev/full 2>"$WORK/err"
	is "$? $(<"$WORK/err")" '1 drover: standard output cannot be written' \
		'lost output is a failure'
else
	skip 'lost output is a failure' 'there is no /dev/full'
fi

# --- no module ---
if grep -qs '^drover ' /proc/modules; then
	skip 'without the module every question ends with status 3' 'drover.ko is loaded here'
else
	missing='the kernel module drover is not loaded'
	ends 3 "$missing" vm list
	ends 3 "$missing" vm list --json
	ends 3 "$missing" vm start web1 --force
	ends 3 "$missing" vm stop web1 --timeout 5
	ends 3 "$missing" vm show web1
	ends 3 "$missing" migrate web1 --to host2 --verify --streams 16 --bandwidth=100
	ends 3 "$missing" --json migrate web1 --to=host2 --detach --debug-no-vmm-writes
	ends 3 "$missing" migration list
	ends 3 "$missing" migration show 18446744073709551615
	ends 3 "$missing" migration cancel 7
	ends 3 "$missing" migration resolve 7 --source
	ends 3 "$missing" storage migrate web1 root --to fast --format qcow2 --keep-backing --verify
	ends 3 "$missing" storage migrate web1 --to fast --all --bandwidth 5 --delete-old --detach
	ends 3 "$missing" storage list
	ends 3 "$missing" storage list web1 --json
	ends 3 "$missing" storage show 7
	ends 3 "$missing" storage cancel 7
	ends 3 "$missing" pool list --measure
	ends 3 "$missing" pool show fast
	ends 3 "$missing" pool evacuate old --to fast --to a,b --parallel 2 --dry-run
	ends 3 "$missing" pool evacuate old
	ends 3 "$missing" pool balance --apply
	ends 3 "$missing" pool report
	ends 3 "$missing" pool stop old
	ends 3 "$missing" host list
	ends 3 "$missing" host show host2
	ends 3 "$missing" events
	ends 3 "$missing" session list
	ends 3 "$missing" vm start -- -odd
fi

# --- manual pages ---
MAN=${MAN:-Documentation/man}
for page in "$MAN"/*.[58]; do
	if command -v groff >/dev/null; then
		is "$(groff -ww -t -man -Tutf8 -z "$page" 2>&1)" '' "${page##*/} has no mistake"
	else
		skip "${page##*/} has no mistake" 'groff is not installed'
	fi
done
# Every option that help knows stands in the manual page and in the completion.
for command in vm migrate migration storage pool; do
	for option in $("$DROVER" help "$command" | grep -oE -- '--[a-z-]+' | sort -u); do
		runs "$option of $command is documented" grep -qF -- "${option//-/\\-}" "$MAN/drover.8"
		runs "$option of $command completes" grep -qF -- "$option" "$COMPLETION"
	done
done

# --- completion ---
# complete_words WORD…: what Tab offers for the last word, with made-up VMs and hosts.
complete_words()
{
	# shellcheck disable=SC2016 # for the inner shell
	bash --norc -c '
		drover() { case $* in
			"vm list --json") echo "{\"vms\":[{\"name\":\"web1\"},{\"name\":\"web2\"},{\"name\":\"web\$(id)\"}]}" ;;
			"host list --json") printf "{\n  \"hosts\": [\n    {\n      \"name\": \"host%d\",\n      \"self\": true\n    }\n  ]\n}\n" 1 2 ;;
			"pool list --json") echo "{\"pools\":[{\"name\":\"fast\",\"vms\":[\"web1\"]}]}" ;;
			"storage list --json") echo "{\"images\":[],\"disk_moves\":[{\"id\":8}]}" ;;
			"migration list --json") echo "{\"migrations\":[{\"id\":7}]}" ;;
			esac; }
		. "$1"; shift
		COMP_WORDS=(drover "$@"); COMP_CWORD=$#; COMPREPLY=()
		_drover
		echo "${COMPREPLY[*]}"' _ "$COMPLETION" "$@"
}

is "$(complete_words mig)" 'migrate migration' 'Tab: commands'
is "$(complete_words vm '')" 'start stop list show' 'Tab: the words of a command'
is "$(complete_words vm start w)" 'web1 web2' 'Tab: VMs'
is "$(complete_words migrate web1 --to '')" 'host1 host2' 'Tab: hosts'
is "$(complete_words migrate web1 --to host2 --d)" '--delete-old --downtime-limit --detach' 'Tab: options'
is "$(complete_words pool evacuate '')" 'fast' 'Tab: pools'
is "$(complete_words pool evacuate old --to '')" 'fast' 'Tab: pools as targets'
is "$(complete_words pool evacuate old --parallel '')" '' 'Tab: no guess at how many'
is "$(complete_words migration cancel '')" '7' 'Tab: migrations'
is "$(complete_words storage migrate web1 --to '')" 'fast' 'Tab: pools for disks'
is "$(complete_words storage migrate '')" 'web1 web2' 'Tab: VMs whose disks move'
is "$(complete_words storage migrate web1 --format '')" 'raw qcow2' 'Tab: formats'
is "$(complete_words storage show '')" '8' 'Tab: disk moves'
is "$(complete_words migration resolve 7 --s)" '--source' 'Tab: options of one word only'
is "$(complete_words host power o)" 'on off' 'Tab: words of two words'
is "$(complete_words host power off host1 --f)" '--force' 'Tab: their options'
is "$(complete_words host power on '')" 'host1 host2' 'Tab: hosts for them'
is "$(complete_words host power set host2 '')" 'ipmi redfish wol' 'Tab: drivers'
is "$(complete_words --json host show host2)" 'host2' 'Tab: after --json'
is "$(complete_words help ses)" 'session' 'Tab: what help explains'
is "$(complete_words vm stop web1 --timeout '')" '' 'Tab: no guess at a number'
done_testing
