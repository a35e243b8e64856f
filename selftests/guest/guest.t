#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest that checks itself, checked: in a plain emulated VM it finds nothing
# wrong until something is made wrong behind its back, and then exactly that.
# shellcheck disable=SC2317 # ended is called by a trap
. "$(dirname "$0")/../tap.sh"

cd "$(dirname "$(realpath "$0")")/../.." || exit
PROBE=$PWD/build/selftests/e2e/probe
DIR=$(mktemp -d)
PORT=$((20000 + $$ % 10000))
QEMU='' WATCHER='' BULK=''

ended()
{
	local pid
	for pid in $WATCHER $BULK $QEMU; do kill "$pid" 2>/dev/null; done
	wait
	rm -rf "$DIR"
}
trap ended EXIT
trap 'exit 1' INT TERM

# boot [KEY=VALUE…]: until the guest is ready. INITRD names another initial RAM disk.
boot()
{
	local args="console=ttyS0 quiet panic=-1 drover.ip=10.0.2.15/24 drover.beat=10.0.2.2:$PORT" arg i
	for arg in "$@"; do args+=" drover.$arg"; done
	rm -f "$DIR/console"
	timeout 300 qemu-system-x86_64 -accel tcg -cpu max -nodefaults -display none -no-reboot \
		-machine pc,memory-backend=ram -m 192 \
		-object "memory-backend-file,id=ram,size=192M,share=on,mem-path=$DIR/ram" \
		-kernel build/guest/vmlinuz -initrd "build/guest/${INITRD:-initrd}.gz" -append "$args" \
		-serial "file:$DIR/console" -monitor "unix:$DIR/monitor,server,nowait" \
		-drive "file=$DIR/disk,if=none,id=d,format=raw" -device virtio-blk-pci,drive=d \
		-netdev "user,id=n,hostfwd=tcp:127.0.0.1:$PORT-:7000,hostfwd=tcp:127.0.0.1:$((PORT + 1))-:7001" \
		-device virtio-net-pci,netdev=n,romfile= 2>"$DIR/qemu.err" &
	QEMU=$!
	for ((i = 0; i < 100; i++)); do
		! grep -q 'DROVER-GUEST READY' "$DIR/console" 2>/dev/null || return 0
		kill -0 "$QEMU" 2>/dev/null || break
		sleep 0.5
	done
	diag "$(cat "$DIR/qemu.err")" "$(tail -n 5 "$DIR/console")" >&2
	return 1
}

monitor()
{
	echo "$1" | timeout 10 socat -t 3 - "UNIX:$DIR/monitor" >"$DIR/monitor.out" 2>&1
}

# over [SECONDS]: the VM ends by itself, soon.
over()
{
	local i
	for ((i = 0; i < ${1:-60} * 2; i++)); do
		kill -0 "$QEMU" 2>/dev/null || { QEMU=''; return 0; }
		sleep 0.5
	done
	return 1
}

guest_ask()
{
	"$PROBE" --ask "127.0.0.1:$((PORT + 1))" --seconds 60 "$1"
}

# found NAME WANTED: what a full check finds, as "memory disk" errors in all.
found()
{
	is "$(guest_ask check | jq -r '"\(.mem_errors) \(.disk_errors)"')" "$2" "$1"
}

# fio_passes N: until fio has N passes behind it, or has ended.
fio_passes()
{
	local i
	for ((i = 0; i < 60; i++)); do
		! guest_ask fio | jq -e ".passes >= $1 or .fio != \"running\"" >/dev/null || return 0
		sleep 0.5
	done
	return 1
}

figure()
{
	guest_ask report | jq ".$1"
}

# seen FIELD: of the probe's figures as they are now.
seen()
{
	local i
	rm -f "$DIR/probe.json"
	kill -USR2 $WATCHER
	for ((i = 0; i < 50; i++)); do
		[ ! -s "$DIR/probe.json" ] || break
		sleep 0.1
	done
	jq ".$1" "$DIR/probe.json"
}

# tamper FILE KIND stale OLD | tamper FILE KIND flip: with a page of that kind in
# FILE. Stale: it gets the contents that it had in OLD, where they differ.
tamper()
{
	perl -e '
		my ($file, $kind, $how, $old) = @ARGV;
		open(my $f, "+<:raw", $file) or die $!;
		open(my $o, "<:raw", $old || $file) or die $!;
		for (my $at = 0; sysseek($f, $at, 0) && sysread($f, my $now, 4096) == 4096; $at += 4096) {
			next unless substr($now, 0, 8) eq "DRVR-$kind";
			sysseek($o, $at, 0); sysread($o, my $was, 4096);
			if ($how eq "flip") {
				substr($was, 4000, 1) ^= "\x10";
			} else {
				# Another generation of the same page, or another block in the buffer.
				next if $was eq $now || substr($was, 0, 8) ne substr($now, 0, 8);
			}
			sysseek($f, $at, 0); syswrite($f, $was);
			exit 0;
		}
		exit 1' "$@"
}

for file in build/guest/vmlinuz build/guest/initrd.gz build/guest/initrd-fio.gz "$PROBE"; do
	[ -s "$file" ] || bail_out "there is no $file; run 'make guest checks'"
done
truncate -s 16M "$DIR/disk"
boot mem=16 fill=8 disk=1 diskmib=8 rate=500
is $? 0 'the guest comes up'
is "$(figure setup_errors)" 0 'it has all that it wants'
"$PROBE" --tcp "127.0.0.1:$PORT" --beat "$PORT" --out "$DIR/probe.json" --seconds 300 &
WATCHER=$!
writes=$(figure mem_writes)
sleep 3
num_is "$(figure mem_writes)" -gt "$((writes + 500))" 'it writes memory'
is "$(guest_ask check | jq -c '[.mem_errors, .disk_errors, .mem_pages_checked, .disk_blocks_checked]')" \
	'[0,0,6144,2048]' 'it checks every page and every block and finds nothing wrong'
is "$(seen tcp) $(seen tcp_errors)" '"alive" 0' 'the probe has its connection'
num_is "$(seen beats)" -gt 100 'and hears the heartbeat'
is "$(seen beats_lost) $(seen beats_old)" '0 0' 'each beat once'

kill -USR1 $WATCHER
monitor stop
sleep 1.5
monitor cont
sleep 1
num_is "$(seen 'beat_max_gap_ms | floor')" -ge 1400 'a guest that stands still leaves a gap in the heartbeat'
num_is "$(seen 'tcp_max_gap_ms | floor')" -ge 1400 'and in the echo'
is "$(seen tcp)" '"alive"' 'and lives on'
kill -USR1 $WATCHER
sleep 0.5
num_is "$(seen 'beat_max_gap_ms | floor')" -lt 1400 'the gap can be forgotten'

head -c 1000000 /dev/urandom >"$DIR/bulk"
timeout 60 socat -t 20 - "TCP:127.0.0.1:$PORT" <"$DIR/bulk" >"$DIR/echo"
runs 'a megabyte comes back as it went' cmp "$DIR/bulk" "$DIR/echo"

cp "$DIR/ram" "$DIR/old"
sleep 2
guest_ask 'rate 0' >/dev/null
found 'still nothing is wrong' '0 0'
tamper "$DIR/ram" MEM stale "$DIR/old"
found 'a page as it was two seconds ago is found' '1 0'
tamper "$DIR/ram" FLL flip
found 'a bit that flipped in memory is found' '2 0'
found 'each is counted once' '2 0'
like "$(grep 'ERROR mem_errors: dirty page' "$DIR/console")" 'generation [0-9]+ wanted, seen: kind DRVR-MEM .* sum right' \
	'the console tells of the old page'

cp "$DIR/disk" "$DIR/old"
sleep 4
tamper "$DIR/disk" DSK stale "$DIR/old"
guest_ask check >/dev/null
num_is "$(figure disk_errors)" -ge 1 'a block as it was four seconds ago is found'
num_is "$(seen guest_errors)" -ge 3 'the heartbeat carries the errors'
guest_ask poweroff >/dev/null
over
is $? 0 'it goes when told to'
is "$(seen tcp)" '"dead"' 'the probe sees that the connection is gone'

socat -t 5 "TCP-LISTEN:$((PORT + 2)),bind=127.0.0.1,fork,reuseaddr" EXEC:cat 2>/dev/null &
BULK=$!
boot mem=4 diskread=1 diskmib=8 diskrate=200 "net=10.0.2.2:$((PORT + 2))"
is $? 0 'a guest starts on the disk of another'
num_is "$(figure disk_kept)" -ge 2040 'and knows the blocks by what they say of themselves'
errors=$(figure disk_errors)
sleep 5
is "$(guest_ask check | jq -c '[.new_errors, .mem_errors]')" '[0,0]' 'nothing else is wrong'
num_is "$(figure net_bytes)" -gt 1000000 'the bulk stream flows'
is "$(figure net_errors) $(figure net_connects)" '0 1' 'and comes back as it went'
num_is "$(guest_ask check | jq .mem_pages_checked)" -ge 8192 'the buffers read into are checked, too'
tamper "$DIR/ram" DSK flip
sleep 5
num_is "$(figure mem_errors)" -ge 1 'a flipped bit in a buffer is found'
is "$(figure disk_errors)" "$errors" 'and not taken for one of the disk'
is "$(seen guest_restarts)" 1 'the probe knows it for another boot'
# A monitor whose QEMU is slow to greet may lose what a caller said who is gone by then.
for ((i = 0; i < 3; i++)); do
	monitor system_powerdown
	! over 20 || break
done
is "$QEMU" '' 'the power button ends it' "$(cat "$DIR/monitor.out"; tail -n 4 "$DIR/console"; guest_ask report)"
[ -z "$QEMU" ] || kill "$QEMU"

INITRD=initrd-fio
boot mem=4 disk=1 diskmib=4 diskrate=100
is $? 0 'a guest with fio comes up'
is "$(guest_ask fio | jq -r .fio)" idle 'fio waits to be told'
like "$(guest_ask 'fio start 3 4 500')" 'in use' "it keeps off the guest's own blocks"
like "$(guest_ask 'fio start 5')" 'wants' 'an incomplete order is refused'
is "$(guest_ask 'fio start 5 4 1000' | jq -r .fio)" running 'fio runs'
fio_passes 1
is "$(guest_ask 'fio stop' | jq -c '[.fio, .fio_errors, .verified_mib == .passes * 4, .written_mib == .passes * 4]')" \
	'["ok",0,true,true]' 'each pass verified all that it wrote'

guest_ask 'latency reset' >/dev/null
sleep 3
is "$(guest_ask 'latency reset' | jq '.writes > 50 and .write_p50_us > 0 and .write_p50_us <= .write_p99_us
	and .write_p99_us <= .write_max_us and .write_p99_us < 200000')" true 'it tells how long its writes take'
monitor 'block_set_io_throttle d 0 0 0 4 0 0'
sleep 4
monitor 'block_set_io_throttle d 0 0 0 0 0 0'
sleep 1
is "$(guest_ask latency | jq '.write_p99_us > 200000')" true 'and sees when the disk is slow'

kib=$(figure load_kib)
is "$(guest_ask 'load 2048' | jq .load)" 2048 'it writes a lot when told to'
sleep 4
num_is "$(figure load_kib)" -ge "$((kib + 4096))" 'so much in a second'
is "$(guest_ask check | jq -c '[.disk_errors, .disk_blocks_checked]')" '[0,1024]' 'of blocks that it checks'
guest_ask 'load 0' >/dev/null

cp "$DIR/disk" "$DIR/old"
guest_ask 'fio start 5 4 1000' >/dev/null
for ((i = 0; i < 60; i++)); do
	guest_ask fio | jq -e '.fio == "running"' >/dev/null || break
	dd if="$DIR/old" of="$DIR/disk" bs=64K skip=96 seek=96 count=1 conv=notrunc status=none
	sleep 0.5
done
is "$(guest_ask 'fio stop' | jq -c '[.fio, .fio_errors]')" '["error",1]' 'blocks of an earlier pass are found by fio'
like "$(grep 'DROVER-GUEST FIO verify' "$DIR/console" | head -n 1)" 'bad header' 'which says so on the console'
is "$(figure errors) $(figure disk_errors)" '1 0' 'and nothing else is wrong'
guest_ask poweroff >/dev/null
over
is $? 0 'it goes, too'
kill -TERM $WATCHER
wait $WATCHER
is $? 0 'the probe ends in good order'
WATCHER=
done_testing
