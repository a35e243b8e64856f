# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Agents over real corosync, each in a network namespace of its own. HOSTS are their numbers.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../tap.sh"

TOP=$(realpath "$(dirname "$0")/../..")
NODE=$TOP/build/selftests/cluster/node
WORK=$(mktemp -d "$TOP/build/cluster-test.XXXXXX")
NS=drover-cl-$$
PIDS=()

for word in corosync ip; do
	command -v $word >/dev/null || { echo "${0##*/}: $word is missing; run tools/setup" >&2; exit 1; }
done

# shellcheck disable=SC2317 # a trap calls it
end()
{
	local i
	for i in "${PIDS[@]}"; do kill -KILL "$i" 2>/dev/null; done
	for i in 0 "${HOSTS[@]}"; do
		[ ! -e "/run/netns/$NS-$i" ] || ip netns pids "$NS-$i" | xargs -r kill -KILL 2>/dev/null
		ip netns delete "$NS-$i" 2>/dev/null
	done
	[ -n "${KEEP:-}" ] || rm -rf "$WORK"
}
trap end EXIT
trap 'exit 130' INT TERM

# host_net N: its end of a cable to the switch, which is host 0.
host_net()
{
	ip netns add "$NS-$1"
	ip -n "$NS-$1" link set lo up
	ip -n "$NS-0" link add "port$1" type veth peer name eth0 netns "$NS-$1"
	ip -n "$NS-0" link set "port$1" master br0 up
	ip -n "$NS-$1" addr add "10.78.0.1$1/24" dev eth0
	ip -n "$NS-$1" link set eth0 up
}

conf()
{
	local i
	cat <<-END
		totem {
		    version: 2
		    cluster_name: test
		    transport: knet
		    crypto_cipher: aes256
		    crypto_hash: sha256
		    token: 1000
		}
		quorum {
		    provider: corosync_votequorum
		}
		logging {
		    to_syslog: no
		    to_stderr: yes
		}
		nodelist {
	END
	for i in "${HOSTS[@]}"; do
		printf '    node {\n        ring0_addr: 10.78.0.1%s\n        nodeid: %s\n        name: host%s\n    }\n' "$i" "$i" "$i"
	done
	echo '}'
}

# corosync_start N: with its own /etc/corosync, state and shared memory. Its pid is that of the shell
# that becomes it.
corosync_start()
{
	# shellcheck disable=SC2016 # the shell inside expands
	ip netns exec "$NS-$1" unshare -m sh -ec '
		mount --bind "$0/etc" /etc/corosync
		for dir in /var/lib/corosync /dev/shm /run; do mount -t tmpfs none $dir; done
		echo $$ >"$0/corosync.pid"
		exec corosync -f' "$WORK/$1" >"$WORK/$1/corosync.log" 2>&1 &
	PIDS+=($!)
	disown
}

# node_start N: its agent, where its corosync is; what it says goes to out, its state stays on disk.
node_start()
{
	local dir=$WORK/$1
	rm -f "$dir/in"
	mkfifo "$dir/in"
	: >"$dir/out"
	nsenter -t "$(<"$WORK/$1/corosync.pid")" -m -n -- \
		"$NODE" "host$1" "$1" "$dir/state" <>"$dir/in" >"$dir/out" 2>"$dir/err" &
	echo $! >"$dir/node.pid"
	PIDS+=($!)
	disown
}

node_kill()
{
	kill -KILL "$(<"$WORK/$1/node.pid")"
}

# tell N WORD…
tell()
{
	echo "${*:2}" >"$WORK/$1/in"
}

# await N SECONDS REGEX: until the last state that it tells of, or a line that it says, is like that.
await()
{
	local i
	for ((i = 0; i < $2 * 10; i++)); do
		! grep -qE "$3" <(grep -v '^state' "$WORK/$1/out"; grep '^state' "$WORK/$1/out" | tail -n 1) || return 0
		sleep 0.1
	done
	return 1
}

# hears NAME N SECONDS REGEX
hears()
{
	await "$2" "$3" "$4"
	is $? 0 "$1" "wanted: $4" "$(tail -n 5 "$WORK/$2/out" "$WORK/$2/err")"
}

# asked N KEY: its value there.
asked()
{
	tell "$1" get "$2"
	await "$1" 5 "^value $2 " && grep "^value $2 " "$WORK/$1/out" | tail -n 1 | cut -d ' ' -f 3
}

digest()
{
	tell "$1" state
	sleep 0.5
	grep '^state' "$WORK/$1/out" | tail -n 1 | cut -d ' ' -f 5-
}

# weighs NODE VOTES EXPECTED: as host1 has it.
weighs()
{
	local i count
	count=$(grep -c '^weighed' "$WORK/1/out")
	tell 1 weigh "$1" "$2,$3"
	for ((i = 0; i < 50 && $(grep -c '^weighed' "$WORK/1/out") == count; i++)); do sleep 0.1; done
	is "$(grep '^weighed' "$WORK/1/out" | tail -n 1)" "weighed $1 0 " "host$1 has $2 votes of $3"
}

leaves()
{
	kill -KILL "$(<"$WORK/$1/node.pid")"
	local i pid
	pid=$(<"$WORK/$1/corosync.pid")
	kill -TERM "$pid"
	for ((i = 0; i < 100; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
	rm -f "$WORK/$1/corosync.pid"
}

# host_up N: its corosync, then its agent.
host_up()
{
	local i
	corosync_start "$1"
	for ((i = 0; i < 50; i++)); do [ ! -s "$WORK/$1/corosync.pid" ] || break; sleep 0.1; done
	node_start "$1"
}

# hosts_up: a network, and all hosts in it.
hosts_up()
{
	local i
	ip netns add "$NS-0"
	ip -n "$NS-0" link add br0 type bridge
	ip -n "$NS-0" link set br0 up
	head -c 256 /dev/urandom >"$WORK/key"
	for i in "${HOSTS[@]}"; do
		mkdir -p "$WORK/$i/etc"
		conf >"$WORK/$i/etc/corosync.conf"
		cp "$WORK/key" "$WORK/$i/etc/authkey"
		host_net "$i"
	done
	for i in "${HOSTS[@]}"; do host_up "$i"; done
}
