# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the power drivers share: a network of their own, BMCs in it, a machine that
# is a file, and the drivers' program.
# shellcheck source-path=SCRIPTDIR/..
# shellcheck disable=SC2034,SC2120 # for those who source this
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

POWER=$PWD/build/selftests/power/power
LAB_TOOLS=$PWD/tools/lab
PATH=$PATH:/usr/sbin:/sbin

# In a network namespace ports are free, and broadcasts reach nobody.
if [ -z "${POWER_NETNS:-}" ]; then
	unshare -n true 2>/dev/null || skip_all 'a network namespace cannot be made; run it as root'
	POWER_NETNS=1 exec unshare -n bash "$0"
fi
ip link set lo up
[ -x "$POWER" ] || bail_out "there is no $POWER; run 'make checks'"

WORK=$(mktemp -d) || bail_out 'no temporary directory'
CONF=$WORK/conf
mkdir "$CONF" "$WORK/bmc"
USER_NAME=drover
PASSWORD=Swordfish-4711
echo "$USER_NAME $PASSWORD" >"$WORK/bmc/login"
pids=()

# Each line of what drivers said, to be searched for secrets at the end.
: >"$WORK/said"

ended()
{
	local pid
	for pid in "${pids[@]}"; do
		kill -s CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	rm -rf "$WORK"
}
trap ended EXIT

# need PROGRAM…
need()
{
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip_all "there is no $program; run tools/setup"
	done
}

# The machine: the file "power"; "log" has what was asked of it. Files of these names spoil it:
#   ignore   requests change nothing      refuse   requests fail
cat >"$WORK/chassis" <<END
#!/bin/sh
cd "$WORK" || exit
case \$1 in
get)
	echo "power:\$(cat power)"
	exit
	;;
esac
echo "\$*" >>log
[ ! -e refuse ] || exit 1
[ ! -e ignore ] || exit 0
case "\$2 \$3" in
"power 1") echo 1 >power ;;
*) echo 0 >power ;;
esac
END
chmod +x "$WORK/chassis"

# machine 0|1: it is off, or on, in good order, and was asked for nothing.
machine()
{
	echo "$1" >"$WORK/power"
	: >"$WORK/log"
	rm -f "$WORK/ignore" "$WORK/refuse"
}

# asked: what was asked of the machine, on one line.
asked()
{
	tr -d '"' <"$WORK/log" | paste -sd, -
}

# start NAME COMMAND…: in the background, its output in $WORK/NAME.out; leaves $started.
start()
{
	local name=$1
	shift
	# Before it starts: nobody must take old output for its own.
	: >"$WORK/$name.out"
	"$@" >>"$WORK/$name.out" 2>&1 </dev/null &
	started=$!
	pids+=("$started")
}

# await NAME COMMAND…: until it succeeds, up to ten seconds.
await()
{
	local name=$1 left=100
	shift
	until "$@" >/dev/null 2>&1; do
		((left-- > 0)) || bail_out "$name does not come up: $(cat "$WORK/$name.out") $("$@" 2>&1)"
		sleep 0.1
	done
}

# conf [MODE]: the file of host1, from standard input.
conf()
{
	rm -f "$CONF/host1.conf"
	(umask 077 && cat >"$CONF/host1.conf")
	chmod "${1:-600}" "$CONF/host1.conf"
}

# act VERB SECONDS: leaves $status, $out, $err (the last line of the log), and $ms.
act()
{
	local begin
	begin=$(date +%s%N)
	timeout 60 "$POWER" -v "$CONF" host1 "$1" "$2" >"$WORK/out" 2>"$WORK/err"
	status=$?
	ms=$((($(date +%s%N) - begin) / 1000000))
	out=$(<"$WORK/out")
	err=$(tail -n 1 "$WORK/err")
	cat "$WORK/out" "$WORK/err" >>"$WORK/said"
}

# does NAME REGEX VERB SECONDS: it succeeds, and says that.
does()
{
	act "$3" "$4"
	if [ "$status" -eq 0 ] && [[ $out =~ $2 ]]; then
		ok "$1"
	else
		not_ok "$1" "exit status $status, said: $out" "does not match: $2" "$(<"$WORK/err")"
	fi
}

# balks NAME REGEX VERB SECONDS: it fails with one sentence, in time (within its deadline, plus
# what starting a process takes on a busy machine).
balks()
{
	act "$3" "$4"
	if [ "$status" -eq 1 ] && [[ $err == 'power: '* && $err =~ $2 ]] && ((ms < $4 * 1000 + 1000)); then
		ok "$1"
	else
		not_ok "$1" "exit status $status after $ms ms, said: $err" "does not match: $2" "$(<"$WORK/err")"
	fi
}

# keeps_secrets: to be called last.
keeps_secrets()
{
	num_is "$(grep -c 'droverd: ' "$WORK/said")" -gt 3 'the debug log was searched'
	is "$(grep -F "$PASSWORD" "$WORK/said")" '' 'the password is in no log and no sentence'
}
