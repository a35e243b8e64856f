/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between the kernels that drover.ko builds for, and what is
 * particular to x86. The other files read as if only the newest kernel existed.
 */
#ifndef DROVER_COMPAT_H
#define DROVER_COMPAT_H

#include <linux/types.h>

struct address_space;
struct bio_vec;
struct folio;
struct kvm;
struct kvm_memory_slot;
struct kvm_userspace_memory_region;
struct mm_struct;
struct page;
struct socket;
struct vm_area_struct;

unsigned int drover_kvm_as_count(struct kvm *kvm);
bool drover_kvm_has_devices(struct kvm *kvm);
bool drover_kvm_has_private_memory(struct kvm *kvm);
bool drover_kvm_clear_young(struct kvm *kvm, struct mm_struct *mm, unsigned long hva);
const void *drover_kvm_slot_birthmark(const struct kvm_memory_slot *slot);
int drover_kvm_set_region(struct kvm *kvm, const struct kvm_userspace_memory_region *region);

void drover_vma_forbid_writes(struct vm_area_struct *vma);
int drover_pmd_probe(struct mm_struct *mm, unsigned long addr);
void drover_flush_tlb(void);

struct page *drover_cache_get(struct address_space *mapping, pgoff_t index);
bool drover_folio_has_excess_ref(struct folio *folio);
void drover_lru_drain_this_cpu(void);

ssize_t drover_sock_splice(struct socket *sock, struct bio_vec *vec, unsigned int count, bool more);

#endif /* DROVER_COMPAT_H */
