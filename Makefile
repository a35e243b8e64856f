# SPDX-License-Identifier: GPL-2.0-or-later
# Everything a build makes lies under build/. `make help` lists the targets.

KDIR ?= /lib/modules/$(firstword $(shell ls -1 /lib/modules 2>/dev/null | sort -rV))/build
KREL = $(shell sed -n 's/^.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
DESTDIR ?=
PREFIX ?= /usr
CC ?= gcc
V ?= 0
JOBS ?= $(shell nproc)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst build/%,%,$@)')

VERSION := 0.1.0
WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wpointer-arith \
	-Wno-missing-field-initializers -Wno-unused-parameter
CPPFLAGS += -D_GNU_SOURCE -DDROVER_VERSION='"$(VERSION)"' -Iagent -Iproto -Ikmod/uapi -Ibuild/gen
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -MMD -MP
SANITIZE := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined

AGENT_PKGS := libnl-genl-3.0 libprotobuf-c libsystemd jansson libxxhash gnutls libcurl libfreeipmi \
	libcpg libvotequorum libcorosync_common
TOOL_PKGS := libmnl libprotobuf-c jansson
AGENT_LIBS = $(shell pkg-config --libs $(AGENT_PKGS)) -lpthread -lm
TOOL_LIBS = $(shell pkg-config --libs $(TOOL_PKGS))
AGENT_INC = $(shell pkg-config --cflags $(AGENT_PKGS) 2>/dev/null)
TOOL_INC = $(shell pkg-config --cflags $(TOOL_PKGS) 2>/dev/null)
SIM_LIBS = $(shell pkg-config --libs jansson zlib) -lm

PROTO := control peer cluster
PROTO_C := $(PROTO:%=build/gen/%.pb-c.c)
PROTO_H := $(PROTO:%=build/gen/%.pb-c.h)
AGENT_SRC := $(sort $(wildcard agent/*/*.c))
TOOL_SRC := $(sort $(wildcard tools/drover/*.c))
SIM_SRC := $(sort $(wildcard tools/drover-sim/*.c))
UNIT_SRC := $(sort $(wildcard selftests/agent/test_*.c))
KTEST_SRC := $(sort $(wildcard selftests/kmod/*.c))
E2E_SRC := $(sort $(wildcard selftests/e2e/*.c))
POWER_SRC := $(sort $(wildcard selftests/power/*.c))
CLUSTER_SRC := $(sort $(wildcard selftests/cluster/*.c))

AGENT_OBJ := $(AGENT_SRC:%.c=build/obj/%.o) $(PROTO_C:build/gen/%.c=build/obj/gen/%.o)
ASAN_OBJ := $(AGENT_SRC:%.c=build/asan/%.o) $(PROTO_C:build/gen/%.c=build/asan/gen/%.o)
TOOL_OBJ := $(TOOL_SRC:%.c=build/obj/%.o) build/obj/gen/control.pb-c.o build/obj/gen/cluster.pb-c.o
# What is pure in the agent, and what that needs.
SIM_OBJ := $(SIM_SRC:%.c=build/obj/%.o) \
	$(patsubst %.c,build/obj/%.o,$(filter agent/base/% agent/core/% agent/policy/% agent/migrate/pace.c,$(AGENT_SRC)))
UNIT_BIN := $(UNIT_SRC:selftests/agent/%.c=build/unit/%)
KTEST_BIN := $(KTEST_SRC:selftests/kmod/%.c=build/selftests/kmod/%)
CLI_BIN := $(patsubst selftests/cli/%.c,build/cli/%,$(wildcard selftests/cli/test_*.c))
SIM_BIN := $(patsubst selftests/sim/%.c,build/sim/%,$(wildcard selftests/sim/test_*.c))
E2E_BIN := $(E2E_SRC:selftests/e2e/%.c=build/selftests/e2e/%)
POWER_BIN := $(POWER_SRC:selftests/power/%.c=build/selftests/power/%)
CLUSTER_BIN := $(CLUSTER_SRC:selftests/cluster/%.c=build/selftests/cluster/%)

.PHONY: all modules agent tools guest checks unit demo demo-storage demo-drs demo-dpm test lab bench bench-storage bench-dpm bench-drs \
	bench-telemetry install clean help setup
.DELETE_ON_ERROR:
.SECONDARY:

all: modules agent tools

help:
	@echo 'make demo      set up, build, boot two virtual hosts, migrate a busy VM live, report'
	@echo 'make test      set up, build, run every test'
	@echo 'make demo-storage   the same for disks: another pool, then another host with their VM'
	@echo 'make demo-dpm  two of three hosts sleep, and wake when they are needed'
	@echo 'make demo-drs  three hosts balance the load of six VMs by themselves'
	@echo 'make all       modules, agent and tools'
	@echo 'make modules   drover.ko for KDIR (default: the newest installed kernel)'
	@echo 'make agent     droverd'
	@echo 'make tools     drover, the command line'
	@echo 'make unit      unit tests under AddressSanitizer and UBSan'
	@echo 'make lab       bring up two virtual hosts and leave them running'
	@echo 'make bench     compare with the migration built into QEMU'
	@echo 'make bench-storage  compare moving disks with mirrors of QEMU driven by hand (hours)'
	@echo 'make bench-dpm  compare power management with its peers, in a simulator'
	@echo 'make bench-telemetry  what it costs to watch fifty VMs'
	@echo 'make bench-drs  compare balancing with its peers, in a simulator'
	@echo 'make install   install below DESTDIR (module, programs, unit, manual pages)'
	@echo 'make clean     remove build/'

setup:
	$(Q)tools/setup

# The recipes below run after setup, which may just have installed headers that
# the variables above are computed from: hence the second make.
demo: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest $(E2E_BIN)
	$(Q)selftests/e2e/demo

demo-storage: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest $(E2E_BIN)
	$(Q)selftests/e2e/demo_storage

demo-drs: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest build/drover-sim $(E2E_BIN)
	$(Q)selftests/e2e/demo_drs

demo-dpm: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest $(E2E_BIN)
	$(Q)selftests/e2e/demo_dpm

test: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest checks
	$(Q)selftests/run

bench: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest $(E2E_BIN)
	$(Q)selftests/e2e/bench

# Recorded loads are looked for in TRACES, PlanetLab days as NAME.csv.gz.
TRACES ?= $(wildcard ../shared/data/planetlab)
export TRACES

bench-dpm: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory build/drover-sim
	$(Q)mkdir -p build/bench
	$(Q)test -n "$(TRACES)" || { echo 'bench-dpm needs recorded loads: TRACES= names their folder' >&2; exit 1; }
	$(Q)build/drover-sim --dpm --json build/bench/dpm.json $(sort $(wildcard $(TRACES)/*.csv.gz))

bench-telemetry: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory build/bench/telemetry
	$(Q)build/bench/telemetry | tee build/bench/telemetry.json

bench-drs: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory build/drover-sim
	$(Q)mkdir -p build/bench
	$(Q)test -n "$(TRACES)" || echo 'no recorded loads (TRACES= names their folder): made-up ones alone'
	$(Q)build/drover-sim --drs --scale --json build/bench/drs.json $(if $(TRACES),$(sort $(wildcard $(TRACES)/*.csv.gz)))

bench-storage: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest $(E2E_BIN)
	$(Q)selftests/e2e/bench_storage

lab: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory all guest
	$(Q)tools/lab/lab up -n 2

# --- the module -------------------------------------------------------------
# Built from links in build/, so that each kernel has its own objects and the
# sources stay clean.
MODDIR = build/modules/$(KREL)

modules:
	$(Q)test -n "$(KREL)" || { echo "there are no kernel headers at $(KDIR): apt-get install linux-headers-RELEASE, or name others by KDIR=" >&2; exit 1; }
	$(Q)mkdir -p $(MODDIR)/kmod
	$(Q)ln -sfn $(CURDIR)/Kbuild $(MODDIR)/Kbuild
	$(Q)find $(MODDIR)/kmod -xtype l -delete
	$(Q)ln -sfn $(CURDIR)/kmod/*.[ch] $(CURDIR)/kmod/uapi $(MODDIR)/kmod/
	$(Q)$(MAKE) --no-print-directory -s -C $(KDIR) M=$(CURDIR)/$(MODDIR) modules
	@printf '  %-7s %s\n' MODULE '$(MODDIR:build/%=%)/drover.ko'

# --- programs ---------------------------------------------------------------
agent: build/droverd
tools: build/drover
guest: build/guest/initrd.gz build/guest/initrd-fio.gz
checks: $(UNIT_BIN) $(CLI_BIN) $(SIM_BIN) $(KTEST_BIN) $(E2E_BIN) $(POWER_BIN) $(CLUSTER_BIN)

build/gen/%.pb-c.c build/gen/%.pb-c.h: proto/%.proto
	$(call say,PROTOC)
	$(Q)mkdir -p build/gen && protoc-c --proto_path=proto --c_out=build/gen $<

build/obj/gen/%.o: build/gen/%.c $(PROTO_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -std=gnu11 $(CFLAGS) -MMD -MP -c -o $@ $<

build/asan/gen/%.o: build/gen/%.c $(PROTO_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -std=gnu11 $(CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

build/obj/agent/%.o: agent/%.c | $(PROTO_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(AGENT_INC) $(ALL_CFLAGS) -c -o $@ $<

build/asan/agent/%.o: agent/%.c | $(PROTO_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(AGENT_INC) $(ALL_CFLAGS) $(SANITIZE) -c -o $@ $<

build/obj/tools/drover/%.o: tools/drover/%.c | $(PROTO_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -Itools/drover $(TOOL_INC) $(ALL_CFLAGS) -c -o $@ $<

build/obj/tools/drover-sim/%.o: tools/drover-sim/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -Itools/drover-sim $(ALL_CFLAGS) -c -o $@ $<

build/libdroverd.a: $(filter-out build/obj/agent/main/%,$(AGENT_OBJ))
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

build/asan/libdroverd.a: $(filter-out build/asan/agent/main/%,$(ASAN_OBJ))
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

build/droverd: $(filter build/obj/agent/main/%,$(AGENT_OBJ)) build/libdroverd.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

build/drover: $(TOOL_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(TOOL_LIBS)

build/drover-sim: $(SIM_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SIM_LIBS)

build/unit/%: selftests/agent/%.c build/asan/libdroverd.a
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(AGENT_INC) $(ALL_CFLAGS) $(SANITIZE) -Wno-missing-prototypes \
		-o $@ $< build/asan/libdroverd.a $(AGENT_LIBS) -lcmocka

build/bench/%: selftests/agent/bench_%.c build/libdroverd.a
	$(call say,LD)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(AGENT_INC) $(ALL_CFLAGS) -Wno-missing-prototypes \
		-o $@ $< build/libdroverd.a $(AGENT_LIBS)

build/cli/%: selftests/cli/%.c $(wildcard selftests/cli/*.h) $(TOOL_SRC) $(wildcard tools/drover/*.h) build/gen/control.pb-c.c build/gen/cluster.pb-c.c
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -Itools/drover $(TOOL_INC) -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) \
		-Wno-missing-prototypes -o $@ $< $(filter-out tools/drover/main.c,$(TOOL_SRC)) build/gen/control.pb-c.c \
		build/gen/cluster.pb-c.c $(TOOL_LIBS) -lcmocka

build/sim/%: selftests/sim/%.c $(filter-out tools/drover-sim/main.c,$(SIM_SRC)) $(wildcard tools/drover-sim/*.h) build/asan/libdroverd.a
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -Itools/drover-sim $(TOOL_INC) -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) \
		-Wno-missing-prototypes -o $@ $< $(filter-out tools/drover-sim/main.c,$(SIM_SRC)) build/asan/libdroverd.a \
		$(SIM_LIBS) $(AGENT_LIBS) -lcmocka

build/selftests/power/%: selftests/power/%.c build/asan/libdroverd.a
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(AGENT_INC) $(ALL_CFLAGS) $(SANITIZE) -Wno-missing-prototypes \
		-o $@ $< build/asan/libdroverd.a $(AGENT_LIBS)

build/selftests/cluster/%: selftests/cluster/%.c build/asan/libdroverd.a
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(AGENT_INC) $(ALL_CFLAGS) $(SANITIZE) -Wno-missing-prototypes \
		-o $@ $< build/asan/libdroverd.a $(AGENT_LIBS)

build/selftests/%: selftests/%.c
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(ALL_CFLAGS) -Wno-missing-prototypes -o $@ $< -lpthread

unit: setup
	$(Q)$(MAKE) -j$(JOBS) --no-print-directory tools checks
	$(Q)selftests/run unit

include $(wildcard selftests/guest/build.mk)

# --- installation -----------------------------------------------------------
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)/usr/lib/systemd/system $(DESTDIR)/etc/drover/vms \
		$(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)/usr/lib/modules/$(KREL)/updates \
		$(DESTDIR)/usr/lib/sysusers.d $(DESTDIR)/usr/lib/modules-load.d
	install -d -m 700 $(DESTDIR)/etc/drover/power
	install -d -m 700 $(DESTDIR)/etc/drover/tls
	install -m 755 build/droverd build/drover tools/drover-cert $(DESTDIR)$(PREFIX)/sbin/
	install -m 644 $(MODDIR)/drover.ko $(DESTDIR)/usr/lib/modules/$(KREL)/updates/
	install -m 644 agent/droverd.service $(DESTDIR)/usr/lib/systemd/system/
	install -m 644 agent/drover.sysusers $(DESTDIR)/usr/lib/sysusers.d/drover.conf
	install -m 644 agent/drover.modules $(DESTDIR)/usr/lib/modules-load.d/drover.conf
	install -m 644 Documentation/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 Documentation/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 tools/drover/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/drover

clean:
	$(Q)rm -rf build

-include $(shell find build/obj build/asan build/unit build/selftests -name '*.d' 2>/dev/null)
