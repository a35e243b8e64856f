// SPDX-License-Identifier: GPL-2.0-only
/* See compat.h. */
#include <linux/bvec.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/smp.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <asm/pgtable.h>
#include <asm/tlbflush.h>

#include "compat.h"

#ifndef CONFIG_X86_64
#error "drover.ko knows only x86-64"
#endif

/* Number of address spaces (0: normal, 1: system management mode) of a VM. */
unsigned int drover_kvm_as_count(struct kvm *kvm)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return kvm_arch_nr_memslot_as_ids(kvm);
#else
	return KVM_ADDRESS_SPACE_NUM;
#endif
}

/* Does a VFIO device write the VM's memory without asking anybody? */
bool drover_kvm_has_devices(struct kvm *kvm)
{
	return atomic_read(&kvm->arch.assigned_device_count) > 0 ||
	       atomic_read(&kvm->arch.noncoherent_dma_count) > 0;
}

/* Kernels up to 6.7 know no such VM, other than by KVM_MEMORY_ENCRYPT_OP. */
bool drover_kvm_has_private_memory(struct kvm *kvm)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return kvm->arch.vm_type != KVM_X86_DEFAULT_VM;
#else
	return false;
#endif
}

/*
 * Has the guest accessed the page since the last call? KVM answers its own notifier alone, so the
 * VMM's mapping and its accessed bit are left as they are, and no TLB is flushed.
 */
bool drover_kvm_clear_young(struct kvm *kvm, struct mm_struct *mm, unsigned long hva)
{
	struct mmu_notifier *notifier = &kvm->mmu_notifier;

	return notifier->ops->clear_young &&
	       notifier->ops->clear_young(notifier, mm, hva, hva + PAGE_SIZE);
}

/* A value that a slot keeps through changes of its flags, but not through re-creation. */
const void *drover_kvm_slot_birthmark(const struct kvm_memory_slot *slot)
{
	return slot->arch.lpage_info[0];
}

/* KVM_SET_USER_MEMORY_REGION of a slot without private memory; kvm->slots_lock is held. */
int drover_kvm_set_region(struct kvm *kvm, const struct kvm_userspace_memory_region *region)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	struct kvm_userspace_memory_region2 region2 = {
		.slot = region->slot,
		.flags = region->flags,
		.guest_phys_addr = region->guest_phys_addr,
		.memory_size = region->memory_size,
		.userspace_addr = region->userspace_addr,
	};

	return __kvm_set_memory_region(kvm, &region2);
#else
	return __kvm_set_memory_region(kvm, region);
#endif
}

void drover_vma_forbid_writes(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, VM_MAYWRITE);
#else
	vma->vm_flags &= ~VM_MAYWRITE;
#endif
}

/**
 * drover_pmd_probe() - what lies below the page middle directory entry of @addr
 * @mm:	the address space; its mmap lock is held for reading
 * @addr:	user address
 *
 * Return: 1 for a page table, 0 for nothing, -EOPNOTSUPP for a
 * huge page or a huge page on its way to another place.
 */
int drover_pmd_probe(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t pmd;

	if (pgd_none(READ_ONCE(*pgd)))
		return 0;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(READ_ONCE(*p4d)))
		return 0;
	pud = pud_offset(p4d, addr);
	if (pud_none(READ_ONCE(*pud)))
		return 0;
	if (pud_bad(READ_ONCE(*pud)))
		return -EOPNOTSUPP;
	pmd = READ_ONCE(*pmd_offset(pud, addr));
	if (pmd_none(pmd))
		return 0;
	if (!pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		return -EOPNOTSUPP;
	return 1;
}

static void flush_this_cpu(void *unused)
{
	__flush_tlb_all();
}

/*
 * No narrower flush is exported to modules. When this returns, no processor holds a writable
 * translation from before, and no get_user_pages_fast() that saw one is still under way.
 */
void drover_flush_tlb(void)
{
	on_each_cpu(flush_this_cpu, NULL, 1);
}

/* The page at @index with a reference, or NULL where there is none in memory. */
struct page *drover_cache_get(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = filemap_get_folio(mapping, index);

	/* NULL before 6.4, an error pointer since */
	return IS_ERR_OR_NULL(folio) ? NULL : folio_file_page(folio, index);
}

/*
 * Does anybody but the page cache and page tables refer to @folio? Called without a reference.
 * The count of mappings is read again, for one that comes or goes between the two reads would
 * hide a reference.
 */
bool drover_folio_has_excess_ref(struct folio *folio)
{
	int maps, refs;

	if (folio_test_large(folio))
		return true;
	do {
		maps = atomic_read(&folio->_mapcount) + 1;
		smp_rmb(); /* refs between the two reads of maps */
		refs = folio_ref_count(folio);
		smp_rmb(); /* as above */
	} while (maps != atomic_read(&folio->_mapcount) + 1);
	return refs > maps + 1 + folio_test_private(folio);
}

/*
 * lru_add_drain() is not exported, but the release of a batch of pages begins with it, and an
 * empty batch will do.
 */
void drover_lru_drain_this_cpu(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	struct folio_batch none;

	folio_batch_init(&none);
	__folio_batch_release(&none);
#else
	struct pagevec none;

	pagevec_init(&none);
	__pagevec_release(&none);
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
static ssize_t splice(struct socket *sock, struct bio_vec *vec, unsigned int count, size_t len,
		      int flags)
{
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, vec, count, len);
	return sock_sendmsg(sock, &msg);
}
#else
static ssize_t splice(struct socket *sock, struct bio_vec *vec, unsigned int count, size_t len,
		      int flags)
{
	ssize_t sent = 0;
	unsigned int n;

	for (n = 0; n < count; n++) {
		int last = n == count - 1 ? flags : flags | MSG_MORE | MSG_SENDPAGE_NOTLAST;
		int ret = kernel_sendpage(sock, vec[n].bv_page, vec[n].bv_offset, vec[n].bv_len,
					  last);

		if (ret < 0)
			return sent ?: ret;
		sent += ret;
		if (ret < vec[n].bv_len)
			break;
	}
	return sent;
}
#endif

/**
 * drover_sock_splice() - give pages to a socket without copying them
 * @sock:	a connected TCP socket
 * @vec:	the pages
 * @count:	their number
 * @more:	further calls follow at once
 *
 * Blocks. Return: the number of bytes taken, which may be less than all, or a negative errno.
 */
ssize_t drover_sock_splice(struct socket *sock, struct bio_vec *vec, unsigned int count, bool more)
{
	size_t len = 0;
	unsigned int n;

	for (n = 0; n < count; n++)
		len += vec[n].bv_len;
	return splice(sock, vec, count, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}
