#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Agents encrypt what they send each other, the module's pages too, and know each other by
# certificates: VMs and disks move all the same, nothing can be read on the wire, and whoever
# is not who he says is refused with a sentence.
# shellcheck disable=SC2016 # hosts expand
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/storage.sh"
MEMORY=128

# listen: what goes over host1's link from now on is kept.
listen()
{
	"$LAB" nsexec timeout 300 tcpdump -q -i tap1 -Z root -s 0 -U -w "$WORK/wire" 'tcp port 7654' \
		</dev/null >/dev/null 2>"$WORK/tcpdump.err" &
	LISTENER=$!
	sleep 2
}

# heard WORD: in how many lines of it that word stands.
heard()
{
	sleep 1
	pkill -INT -P "$LISTENER" 2>/dev/null || kill -INT "$LISTENER" 2>/dev/null
	wait "$LISTENER" 2>/dev/null
	grep -a -c -e "$1" "$WORK/wire"
	rm -f "$WORK/wire"
}

# restart HOST
restart()
{
	agent_kill "$1"
	agent_start "$1"
}

# refused_move FROM TO NAME REGEX: web does not move, for that reason, and nothing happens.
refused_move()
{
	migrate "$1" web "$2"
	is $? 1 "$3: refused"
	like "$(cat "$WORK/m.err")" "$4" "$3: the sentence"
	is "$(vm_state "$1" web) $(leftovers "$2" web)" 'running ' "$3: nothing has happened"
}

command -v tcpdump >/dev/null || bail_out 'there is no tcpdump; run tools/setup'
TLS=1 POOLS='fast:local' hosts_up 2 || exit 1
mkdir -p "$WORK/other"
rm -f "$WORK"/other/*
"$TOP/tools/drover-cert" ca "$WORK/other"
for name in host1 host2; do "$TOP/tools/drover-cert" host "$WORK/other" $name; done
"$TOP/tools/drover-cert" host "$WORK/tls" host3

vm_define host1 web mem=8 rate=100 disk=1 diskmib=8 diskrate=50
drover host1 vm start web >/dev/null
vm_await host1 web
is $? 0 'a busy VM runs'
probe_start

# --- it moves, and nobody can read it ---
listen
migrate host1 web host2 --verify --streams 3
is "$? $(figure mismatched_pages) $(figure verified_pages)" "0 0 $((MEMORY * 256))" \
	'it moves, and every page is the same' "$(cat "$WORK/m.err")"
is "$(heard 'drover.mem=8')" 0 'neither its definition nor its memory can be read on the wire'
num_is "$(figure sent_pages)" -gt 1000 'pages were sent'
is "$(on host1 awk '/TlsTxSw/ { print ($2 > 4) }' /proc/net/tls_stat)" 1 "by the kernel's TLS"
is "$(on host2 awk '/TlsDecryptError/ { print $2 }' /proc/net/tls_stat)" 0 'and all of it could be decrypted'
drover host2 --json migrate web --to host1 --bandwidth 1 >/dev/null 2>&1 &
MOVE=$!
await_move host2 precopy
drover host2 migration cancel "$(migration_id host2)" >/dev/null
is $? 0 'a cancel is obeyed'
wait $MOVE 2>/dev/null
is "$(vm_state host2 web)" running 'and the VM runs where it was'

# --- files ---
certificate_install host2 host3
refused_move host2 host1 'the certificate of another host' 'host1: who calls itself host2 has the certificate of host3'
certificate_install host2 host2 "$WORK/other"
refused_move host2 host1 'a certificate of another authority' \
	'host1: the certificate of the peer is not signed by who is in /etc/drover/tls/ca.crt'
certificate_install host2
certificate_install host1 host1 "$WORK/other"
refused_move host2 host1 "the target's certificate is of another authority" \
	'the certificate of host1 is not signed by who is in /etc/drover/tls/ca.crt'
certificate_install host1 host3
refused_move host2 host1 'the target is another host' 'who calls itself host1 has the certificate of host3'
certificate_install host1
on host2 chmod 644 /etc/drover/tls/host.key
refused_move host2 host1 'a key that others can read' 'host.key is refused: its mode 644 lets others than root at the key'
restart host2
like "$(on host2 tail -n 20 /var/log/droverd.log)" 'no peer can be talked to: .*host.key is refused' 'droverd says so when it starts'
is "$(vm_state host2 web)" running 'and looks after its VMs all the same'
on host2 chmod 600 /etc/drover/tls/host.key
migrate host2 web host1
is $? 0 'files that are right again are used at once' "$(cat "$WORK/m.err")"

# --- one encrypts, the other does not ---
on host2 sed -i '/^\[tls\]$/d' /etc/drover/drover.conf
restart host2
like "$(on host2 tail -n 20 /var/log/droverd.log)" 'connections to peers are not encrypted' 'droverd says what it lacks'
refused_move host1 host2 'only this host encrypts' 'host2 does not set up encryption: has its drover.conf a section \[tls\]\?'
on host1 sed -i '/^\[tls\]$/d' /etc/drover/drover.conf
restart host1
listen
migrate host1 web host2
is $? 0 'neither encrypts: it moves' "$(cat "$WORK/m.err")"
num_is "$(heard 'drover.mem=8')" -gt 0 'and all of it can be read'
on host1 sh -c 'printf "[tls]\n" >>/etc/drover/drover.conf'
restart host1
refused_move host2 host1 'only the target encrypts' \
	"host1: connections to host1 must be encrypted: the peer's drover.conf needs a section \[tls\]"
on host2 sh -c 'printf "[tls]\n" >>/etc/drover/drover.conf'
restart host2

# --- disks travel, agents die ---
answer=$(guest_ask check)
is "$(jq -r '"\(.mem_errors) \(.disk_errors)"' <<<"$answer")" '0 0' 'the guest finds its memory and disk as they were'
is "$(probe_tcp)" alive 'one TCP connection has lived through it all'
probe_end
drover host2 vm stop web --force >/dev/null
image_make host1 /srv/fast/web-root.raw 64 64
DISK=/srv/fast/web-root.raw vm_define host1 web mem=8 rate=50 disk=1 diskmib=16 diskrate=100
drover host1 vm start web >/dev/null
vm_await host1 web
listen
migrate host1 web host2 --with-storage fast --verify
is "$? $(figure mismatched_pages) $(figure 'disks[0].mismatched_bytes')" '0 0 0' \
	'a VM moves with its disk, both the same' "$(cat "$WORK/m.err")"
is "$(heard 'NBDMAGIC')" 0 'and nothing of it can be read on the wire'
num_is "$(figure 'disks[0].verified_bytes')" -ge $((64 << 20)) 'all of the disk was compared'
drover host2 --json migrate web --to host1 --with-storage fast --bandwidth 2 >/dev/null 2>&1 &
await_move host2 precopy
sleep 2
MOVE=$!
restart host1
wait $MOVE 2>/dev/null
is "$(vm_state host2 web)" running "the target's agent is killed: the VM goes on"
await_gone host1 web
is "$(leftovers host1 web)" '' 'and nothing is left there'
migrate host2 web host1 --with-storage fast
is $? 0 'then it moves' "$(cat "$WORK/m.err")"
answer=$(guest_ask check)
is "$(jq -r '"\(.mem_errors) \(.disk_errors)"' <<<"$answer")" '0 0' 'the guest is whole'
is "$(kernel_warnings host1 host2)" 0 'no kernel has anything to complain of'
done_testing
