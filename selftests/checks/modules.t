#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# drover.ko builds from nothing, without a warning, for every kernel that is there:
# the system's own and those under build/kernels.
. selftests/tap.sh

# In a place of their own: only a build from nothing shows all warnings.
where=$PWD/build/checks/modules

# build_for MODULES: a folder below lib/modules.
build_for()
{
	local kdir=$1/build release log
	release=$(basename "$1")
	rm -rf "${where:?}/$release"
	log=$(make --no-print-directory modules KDIR="$kdir" MODDIR="build/checks/modules/$release" 2>&1)
	is $? 0 "drover.ko for $release builds" || diag "$log" >&2
	is "$(grep -iE 'warning|error' <<<"$log")" '' '… without a warning'
	is "$(modinfo -F vermagic "$where/$release/drover.ko" 2>&1 | cut -d " " -f 1)" "$release" '… for that kernel'
	is "$(modinfo -F license "$where/$release/drover.ko" 2>&1)" GPL '… under the GPL'
}

built=0
for modules in /lib/modules/* build/kernels/*/lib/modules/*; do
	[ -e "$modules/build/include/config/kernel.release" ] || continue
	build_for "$(realpath "$modules")"
	built=$((built + 1))
done
num_is $built -ge 1 'there is a kernel to build for'
[ $built -gt 1 ] || skip 'a second kernel' 'build/kernels is empty; tools/lab/kernel fetches one'
done_testing
