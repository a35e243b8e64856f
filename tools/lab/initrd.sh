# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Finds the kernel that the virtual hosts boot and packs their initial RAM disk:
# busybox, the modules that reach the root file system, and guest/.

# Dependencies follow by themselves. What is built into a kernel is left out.
INITRD_MODULES=(virtio_pci 9pnet_virtio 9p overlay virtio_blk virtio_net bridge tun ext4 kvm_amd)

# What guest/ uses of busybox: it lies in memory, the real programs beyond 9p.
INITRD_APPLETS=(sh cat chgrp chmod cp cut grep hostname init insmod ln md5sum mkdir mount mv poweroff sed
	sleep switch_root sync umount uname)

# kernel_list DIRECTORY…: the releases of the kernels in it.
kernel_list()
{
	{ find "$@" -maxdepth 1 -name 'vmlinuz-*' -printf '%f\n' 2>/dev/null || true; } |
		sed 's/^vmlinuz-//'
}

# kernel_find [VERSION]: sets RELEASE, KERNEL_ROOT and KERNEL_IMAGE. Without a version
# it is the newest of the installed ones.
# shellcheck disable=SC2034 # KERNEL_IMAGE is for host.sh
kernel_find()
{
	RELEASE=$(kernel_list /boot | release_newest "${1:-}")
	KERNEL_ROOT=
	if [ -z "$RELEASE" ] && [ -n "${1:-}" ]; then
		RELEASE=$(kernel_list "$CHECKOUT"/build/kernels/*/boot | release_newest "$1")
		KERNEL_ROOT=$CHECKOUT/build/kernels/$RELEASE
	fi
	[ -n "$RELEASE" ] ||
		die "no kernel ${1:-} here; tools/setup installs Debian's, 'tools/lab/kernel 6.12' fetches another"
	KERNEL_IMAGE=$KERNEL_ROOT/boot/vmlinuz-$RELEASE
	KERNEL_IMAGE=$("$LAB_TOOLS/vmlinux" "$KERNEL_IMAGE" 2>/dev/null || echo "$KERNEL_IMAGE")
	[ -d "$KERNEL_ROOT/lib/modules/$RELEASE" ] || die "kernel $RELEASE has no modules in $KERNEL_ROOT/lib/modules"
}

# initrd_module FILE: unpacks it if need be, and notes the order of loading.
initrd_module()
{
	local name=${1##*/}
	name=${name%%.ko*}.ko
	[ ! -e "$dir/modules/$name" ] || return 0
	case $1 in
	*.xz) xz -dc "$1" >"$dir/modules/$name" ;;
	*.zst) zstd -qdc "$1" >"$dir/modules/$name" ;;
	*.gz) gzip -dc "$1" >"$dir/modules/$name" ;;
	*) cp "$1" "$dir/modules/$name" ;;
	esac
	echo "$name" >>"$dir/modules/order"
}

# initrd_pack HOSTS: needs kernel_find before.
initrd_pack()
{
	local dir=$LAB/initrd what file rest
	rm -rf "$dir"
	mkdir -p "$dir"/{lab/bin,modules,dev,proc,sys,lower,tmpfs,new}
	cp "$(command -v busybox)" "$dir/lab/bin/busybox"
	for file in "${INITRD_APPLETS[@]}"; do ln -s busybox "$dir/lab/bin/$file"; done
	cp "$LAB_TOOLS"/guest/* "$dir/lab/"
	mv "$dir/lab/init" "$dir/init"
	cp "$LAB/hostkey" "$LAB/key.pub" "$dir/lab/"
	modprobe -d "$KERNEL_ROOT/" -S "$RELEASE" -a --show-depends "${INITRD_MODULES[@]}" \
		>"$LAB/initrd.modules" || die "kernel $RELEASE lacks a module the lab needs"
	while read -r what file rest; do
		[ "$what" != insmod ] || initrd_module "$file"
	done <"$LAB/initrd.modules"
	cat >"$dir/lab/conf" <<-END
		CHECKOUT=${CHECKOUT@Q}
		MODULES=${KERNEL_ROOT:+${KERNEL_ROOT@Q}/lib/modules}
		HOSTS=$1
	END
	(cd "$dir" && find . | cpio --quiet -o -H newc -R 0:0) >"$LAB/initrd.img"
	rm -rf "$dir" "$LAB/initrd.modules"
}
