# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a kernel's version and its release have to do with each other.

# release_newest [VERSION]: of the releases on standard input the newest of
# Debian's standard kernels that is VERSION: 6.1 is 6.1.0-44-amd64, not 6.12.9.
release_newest()
{
	awk -v version="${1:-}" '
		!/-amd64$/ || /-(cloud|rt)-amd64$/ { next }
		version == "" { print; next }
		index($0, version) == 1 && substr($0, length(version) + 1) ~ /^([.+-]|$)/ { print }' |
		sort -V | tail -n 1
}
