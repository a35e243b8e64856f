/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a migration needs of a VM's memory: which pages were written, and their
 * contents on a socket. drover.ko is the one that counts; tests have a fake.
 */
#ifndef DROVER_TRACK_TRACKER_H
#define DROVER_TRACK_TRACKER_H

#include <drover.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct drover_tracker;

/**
 * struct drover_tracker_ops - one way of tracking
 * @start: begin to log; the first harvest after it returns every page
 * @harvest: add what was written since the last harvest to the bitmap
 * @take: see DROVER_IOC_TAKE
 * @send: see DROVER_IOC_SEND
 * @close: end the tracking, undo everything, free the tracker
 *
 * Each but @close returns 0 or a negative errno with a sentence.
 */
struct drover_tracker_ops {
	int (*start)(struct drover_tracker *t, struct drover_err *err);
	int (*harvest)(struct drover_tracker *t, struct drover_harvest *ret, struct drover_err *err);
	int (*take)(struct drover_tracker *t, struct drover_take *take, struct drover_err *err);
	int (*send)(struct drover_tracker *t, struct drover_send *send, struct drover_err *err);
	void (*close)(struct drover_tracker *t);
};

/**
 * struct drover_tracker - a VM being tracked
 * @pages: pages of its RAM
 * @bitmap: pages to send, 64 a word, read-only
 */
struct drover_tracker {
	const struct drover_tracker_ops *ops;
	uint64_t pages;
	const uint64_t *bitmap;
};

/**
 * drover_kmod_open() - track a VM with drover.ko
 * @name: the VM's name, for the module's own listing
 * @kvm_fd: its KVM VM
 * @ram_fd: its RAM file
 * @no_vmm_writes: debug: leave the VMM's writes out
 *
 * Errors carry the module's own sentence; -ENODEV when the module is not loaded.
 */
int drover_kmod_open(const char *name, int kvm_fd, int ram_fd, bool no_vmm_writes,
		     struct drover_tracker **ret_tracker, struct drover_err *err);

/**
 * struct drover_touched - what a guest did to its RAM in an interval, estimated
 * @written: bytes of pages that it wrote
 * @accessed: bytes of pages that it read or wrote; a lower bound
 * @interval_us: how long was looked
 */
struct drover_touched {
	uint64_t written, accessed, interval_us;
};

/**
 * drover_kmod_sample() - look for a while at what a guest does to a part of its pages
 * @interval_ms: how long; the call blocks for it
 *
 * Errors: -EBUSY while a migration tracks the VM, -EAGAIN when its memory slots changed.
 */
int drover_kmod_sample(const char *name, int kvm_fd, int ram_fd, uint32_t interval_ms,
		       struct drover_touched *ret_touched, struct drover_err *err);

#endif
