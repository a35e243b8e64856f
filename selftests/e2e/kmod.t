#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The module's own tests, in a virtual host of each kernel that it is built for.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/lib.sh"

# on_kernel RELEASE KDIR
on_kernel()
{
	local release=$1 test out status
	[ -e "$BUILD/modules/$release/drover.ko" ] ||
		make -s -C "$TOP" modules "KDIR=$2" >/dev/null
	"$LAB" up -n 1 --kernel "$release" >&2
	is $? 0 "$release: a virtual host is up"
	on host1 insmod "$BUILD/modules/$release/drover.ko"
	is $? 0 "$release: the module loads"
	on host1 modprobe tls
	on host1 dmesg -C
	for test in "$BUILD"/selftests/kmod/*; do
		[ -x "$test" ] || continue
		case $test in *.d) continue ;; esac
		out=$(on host1 timeout 200 "$test" 2>&1)
		status=$?
		diag "$(grep -E '^(not ok|# Totals|1\.\.)|# SKIP' <<<"$out")"
		is "$status" 0 "$release: ${test##*/}" "$out"
	done
	is "$(kernel_warnings host1)" 0 "$release: the kernel has nothing to complain of" "$(on host1 dmesg | tail -n 30)"
	on host1 rmmod drover
	is $? 0 "$release: the module can be unloaded"
	"$LAB" down >/dev/null 2>&1
}

tested=0
trap hosts_down EXIT
"$LAB" down >/dev/null 2>&1
for kdir in /lib/modules/*/build "$BUILD"/kernels/*/lib/modules/*/build; do
	[ -e "$kdir/Makefile" ] || continue
	on_kernel "$(basename "$(dirname "$kdir")")" "$kdir"
	tested=$((tested + 1))
done
isnt "$tested" 0 'there was a kernel to test with'
done_testing
