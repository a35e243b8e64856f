# SPDX-License-Identifier: GPL-2.0-or-later
# The guest that checks itself: a kernel of the distribution, and an initial ram
# disk that holds one static program and the modules it loads; a second one has fio, too.

# Debian 12's own kernel where there is one, else the newest there is.
GUEST_KERNEL ?= $(firstword $(shell ls -1 /boot/vmlinuz-6.1* 2>/dev/null | sort -rV) \
	$(shell ls -1 /boot/vmlinuz-* 2>/dev/null | sort -rV))
GUEST_KREL = $(patsubst vmlinuz-%,%,$(notdir $(GUEST_KERNEL)))
GUEST_MODULES := virtio_pci virtio_blk virtio_net button evdev
GUEST_SRC := $(sort $(wildcard selftests/guest/*.c))
GUEST_OBJ := $(GUEST_SRC:selftests/guest/%.c=build/guest/obj/%.o)

guest: build/guest/vmlinuz

build/guest/obj/%.o: selftests/guest/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

build/guest/init: $(GUEST_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^ -lpthread && strip $@

# The kernel's own date may well be older than a copy of the one before it.
build/guest/kernel-$(GUEST_KREL):
	$(Q)mkdir -p $(@D) && rm -f build/guest/kernel-* && touch $@

build/guest/vmlinuz: build/guest/kernel-$(GUEST_KREL)
	$(call say,COPY)
	$(Q)test -n "$(GUEST_KERNEL)" || { echo "no kernel for the guest in /boot; give GUEST_KERNEL=" >&2; exit 1; }
	$(Q)install -m 644 $(GUEST_KERNEL) $@

build/guest/initrd.gz: build/guest/init build/guest/vmlinuz selftests/guest/build.mk
	$(call say,CPIO)
	$(Q)rm -rf build/guest/root && mkdir -p build/guest/root/modules build/guest/root/dev build/guest/root/proc
	$(Q)cp build/guest/init build/guest/root/init
	$(Q)set -e; for module in $(GUEST_MODULES); do \
		/sbin/modprobe -S $(GUEST_KREL) --show-depends $$module; \
	done | awk '$$1 == "insmod" && !seen[$$2]++ { print $$2 }' >build/guest/modules
	$(Q)xargs -r cp -t build/guest/root/modules <build/guest/modules
	$(Q)sed 's,.*/,,' build/guest/modules >build/guest/root/modules/order
	$(Q)cd build/guest/root && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet | \
		gzip -9n >../initrd.gz

# The same with fio: the kernel unpacks one archive after the other.
build/guest/fio.gz: selftests/guest/fio-root
	$(call say,CPIO)
	$(Q)mkdir -p $(@D) && selftests/guest/fio-root build/guest/fio
	$(Q)cd build/guest/fio && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet | \
		gzip -9n >../fio.gz

build/guest/initrd-fio.gz: build/guest/initrd.gz build/guest/fio.gz
	$(call say,CAT)
	$(Q)cat $^ >$@

-include $(GUEST_OBJ:.o=.d)
