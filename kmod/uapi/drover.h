/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The contract between drover.ko and its users. It is the only file that the
 * module and the agent share.
 *
 * Sessions
 * --------
 * open("/dev/drover") and DROVER_IOC_SESSION_CREATE attach one VM, given as the
 * file descriptor of its KVM VM and those of its RAM files, and return a new
 * file descriptor: the session. Closing the last reference to it undoes all
 * that the session did to the VM. A VM has at most one session (-EBUSY).
 *
 * Pages are numbered through the RAM files in the order in which they were
 * given: page 0 is the first page of the first file. A page is 4096 bytes.
 *
 *   create -> START -> { HARVEST -> { TAKE -> SEND } ... } ... -> STOP -> close
 *
 * START turns KVM's dirty log on and arms the write-protect walk. HARVEST adds
 * the pages written since the last harvest to the session's bitmap; the first
 * harvest after START adds every page. TAKE moves the bits of a range out of
 * the bitmap and says which of those pages hold data and which are zero; SEND
 * writes the contents of chosen pages to a connected TCP socket without
 * copying them. A page that changes while it is in flight is found dirty by the
 * next harvest and sent again, so a stream is right only once it ends with a
 * harvest made while the VM was paused.
 *
 * mmap() of the session (offset 0, PROT_READ, MAP_SHARED) shows the bitmap: bit
 * n % 64 of 64-bit word n / 64 is page n. poll() tells EPOLLPRI when KVM's memory
 * slots have changed since the last harvest, EPOLLHUP when the VM's process died.
 *
 * Every ioctl answers 0 or more, or -1 with errno; where the struct has a reason
 * field, a refusal puts one sentence there.
 */
#ifndef _UAPI_DROVER_H
#define _UAPI_DROVER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DROVER_DEVICE		"/dev/drover"
#define DROVER_ABI_VERSION	1

#define DROVER_PAGE_SHIFT	12
#define DROVER_PAGE_SIZE	(1UL << DROVER_PAGE_SHIFT)
#define DROVER_NAME_MAX		64	/* with the final NUL */
#define DROVER_REASON_MAX	160	/* with the final NUL */
#define DROVER_RAM_FILES_MAX	16
#define DROVER_TAKE_PAGES_MAX	512	/* pages of one TAKE or SEND: 2 MiB */
#define DROVER_SAMPLE_ONE_IN_MAX 4096

/* Debug: do not look for writes by the VMM. A migration made so is wrong. */
#define DROVER_SESSION_NO_VMM_WRITES	(1U << 0)

/**
 * struct drover_session_create - DROVER_IOC_SESSION_CREATE, on /dev/drover
 * @size:	sizeof(struct drover_session_create) of the caller
 * @flags:	DROVER_SESSION_*
 * @vm_fd:	the KVM VM (anon_inode:kvm-vm), e.g. by pidfd_getfd()
 * @ram_count:	number of RAM files, 1 to DROVER_RAM_FILES_MAX
 * @ram_fds:	address of @ram_count __s32, each a file on tmpfs
 * @id:		out: the session's number, as netlink shows it
 * @ram_pages:	out: pages of all RAM files together
 * @name:	NUL-terminated name, shown by netlink and debugfs
 * @reason:	out: on error, why, in one sentence
 *
 * Returns the session's file descriptor. Errors: EINVAL (no KVM VM, malformed
 * request, size of a file no multiple of the page size), EOPNOTSUPP (RAM that
 * cannot be tracked: see Documentation/uapi.rst for each sentence), EBUSY (the VM
 * has a session), ESRCH (the VM's process is gone), ENOMEM, EPERM (no CAP_SYS_ADMIN).
 */
struct drover_session_create {
	__u32 size;
	__u32 flags;
	__s32 vm_fd;
	__u32 ram_count;
	__aligned_u64 ram_fds;
	__aligned_u64 id;
	__aligned_u64 ram_pages;
	char name[DROVER_NAME_MAX];
	char reason[DROVER_REASON_MAX];
};

/**
 * struct drover_start - DROVER_IOC_START, on a session
 * @flags:	0
 * @slots:	out: memory slots (of all address spaces) under log
 * @reason:	out: on error, why, in one sentence
 *
 * Errors: EALREADY (started), EOPNOTSUPP (e.g. a dirty-ring VM), ESRCH, ENOMEM.
 */
struct drover_start {
	__u32 flags;
	__u32 slots;
	char reason[DROVER_REASON_MAX];
};

/**
 * struct drover_harvest - DROVER_IOC_HARVEST, on a started session
 * @flags:	0
 * @slots_relogged: out: slots that came back without our log; all their pages
 *		were taken as dirty and they are logged again
 * @log_pages:	out: pages that KVM's log gave (guest writes)
 * @vmm_pages:	out: pages that only the write-protect walk gave (VMM writes)
 * @kept_pages:	out: pages of earlier harvests kept for an excess reference count
 * @total_pages: out: bits set in the bitmap after this harvest
 * @log_ns:	out: time spent on KVM's log
 * @vmm_ns:	out: time spent on the walk
 *
 * Errors: ESRCH (the VM's process is gone), ESTALE (the RAM mapping changed so
 * that pages may have been missed; the session is of no more use), EINVAL.
 */
struct drover_harvest {
	__u32 flags;
	__u32 slots_relogged;
	__aligned_u64 log_pages;
	__aligned_u64 vmm_pages;
	__aligned_u64 kept_pages;
	__aligned_u64 total_pages;
	__aligned_u64 log_ns;
	__aligned_u64 vmm_ns;
};

/**
 * struct drover_sample - DROVER_IOC_SAMPLE, on a started session
 * @flags:	0
 * @one_in:	look at one page in so many, 1 to DROVER_SAMPLE_ONE_IN_MAX
 * @seed:	chooses which pages
 * @sampled_pages: out: pages that the last SAMPLE chose; 0 if this is the first
 * @written_pages: out: those of them that the guest has written since then
 * @looked_pages: out: one of each 64 neighbours chosen
 * @accessed_pages: out: those of these that the guest has read or written since then
 * @ns:		out: time that the call took
 *
 * Estimates how fast a guest writes, and how much, without trapping more than a
 * fraction of its pages: the guest faults once for each chosen page that it writes.
 * Pages are chosen 64 neighbours at a time. The next HARVEST takes every page
 * as written. Errors: EAGAIN (the slots have changed: STOP and START), ESRCH, EINVAL.
 */
struct drover_sample {
	__u32 flags;
	__u32 one_in;
	__aligned_u64 seed;
	__aligned_u64 sampled_pages;
	__aligned_u64 written_pages;
	__aligned_u64 looked_pages;
	__aligned_u64 accessed_pages;
	__aligned_u64 ns;
};

/**
 * struct drover_take - DROVER_IOC_TAKE, on a session
 * @first:	first page, a multiple of 64
 * @count:	pages, 1 to DROVER_TAKE_PAGES_MAX; the range must lie in the RAM
 * @data_pages:	out: number of bits set in @data
 * @zero_pages:	out: number of bits set in @zero
 * @data:	out: of the pages taken, those that hold data (bit n: @first + n)
 * @zero:	out: of the pages taken, those that are zero or holes
 *
 * Takes the range's bits out of the bitmap. Ranges of calls that run at the same
 * time must not overlap. Errors: EINVAL, EIO (a page could not be read; its bits
 * stay).
 */
struct drover_take {
	__aligned_u64 first;
	__u32 count;
	__u32 pad;
	__u32 data_pages;
	__u32 zero_pages;
	__aligned_u64 data[DROVER_TAKE_PAGES_MAX / 64];
	__aligned_u64 zero[DROVER_TAKE_PAGES_MAX / 64];
};

/**
 * struct drover_send - DROVER_IOC_SEND, on a session
 * @socket_fd:	a connected TCP socket
 * @count:	pages, as in struct drover_take
 * @first:	first page
 * @data:	pages to send, in ascending order, as TAKE gave them
 * @bytes:	out: bytes given to the socket
 *
 * Blocks until all pages are in the socket's send queue. Errors: ENOTSOCK,
 * EOPNOTSUPP (not TCP), EPIPE, ECONNRESET, EINTR (the stream is then broken: an
 * unknown part was sent, @bytes says how much).
 */
struct drover_send {
	__s32 socket_fd;
	__u32 count;
	__aligned_u64 first;
	__aligned_u64 data[DROVER_TAKE_PAGES_MAX / 64];
	__aligned_u64 bytes;
};

#define DROVER_IOC_MAGIC		0xDB
#define DROVER_IOC_SESSION_CREATE	_IOWR(DROVER_IOC_MAGIC, 0x00, struct drover_session_create)
#define DROVER_IOC_START		_IOWR(DROVER_IOC_MAGIC, 0x10, struct drover_start)
#define DROVER_IOC_HARVEST		_IOWR(DROVER_IOC_MAGIC, 0x11, struct drover_harvest)
#define DROVER_IOC_TAKE			_IOWR(DROVER_IOC_MAGIC, 0x12, struct drover_take)
#define DROVER_IOC_SEND			_IOWR(DROVER_IOC_MAGIC, 0x13, struct drover_send)
#define DROVER_IOC_STOP			_IO(DROVER_IOC_MAGIC, 0x14)
#define DROVER_IOC_SAMPLE		_IOWR(DROVER_IOC_MAGIC, 0x15, struct drover_sample)

/*
 * Generic netlink
 * ---------------
 * Documentation/netlink/drover.yaml is the source of what follows and of the
 * module's policies. Every command needs CAP_NET_ADMIN in the initial user
 * namespace.
 *
 * Mailbox: an operator sends CTL_REQUEST with a PAYLOAD; the module gives it a
 * REQUEST_ID and hands both to the registered agent as CTL_REQUEST; the agent
 * answers with one or more CTL_REPLY (REQUEST_ID, PAYLOAD, the flag MORE on all but the
 * last), which the module sends on to the operator. Without an agent the
 * request is refused with -ECONNREFUSED and a sentence; an agent that does not
 * answer in DROVER_CTL_TIMEOUT_MS, or goes away, gets the operator a CTL_REPLY with
 * ERROR set instead of a PAYLOAD. The agent publishes CTL_EVENT (PAYLOAD) to the
 * multicast group "events".
 */
#define DROVER_GENL_NAME		"drover"
#define DROVER_GENL_VERSION		1
#define DROVER_GENL_GROUP_EVENTS	"events"
#define DROVER_CTL_PAYLOAD_MAX		32768
#define DROVER_CTL_TIMEOUT_MS		30000

enum drover_cmd {
	DROVER_CMD_UNSPEC,
	DROVER_CMD_SESSION_GET,		/* do: SESSION_ID; dump: all */
	DROVER_CMD_AGENT_REGISTER,	/* the sender becomes the agent */
	DROVER_CMD_CTL_REQUEST,
	DROVER_CMD_CTL_REPLY,
	DROVER_CMD_CTL_EVENT,
	DROVER_CMD_SESSION_EVENT,	/* group events: SESSION nest and SESSION_STATE */
	__DROVER_CMD_MAX,
	DROVER_CMD_MAX = __DROVER_CMD_MAX - 1
};

enum drover_attr {
	DROVER_A_UNSPEC,
	DROVER_A_REQUEST_ID,		/* u64 */
	DROVER_A_PAYLOAD,		/* binary, at most DROVER_CTL_PAYLOAD_MAX */
	DROVER_A_MORE,			/* flag */
	DROVER_A_ERROR,			/* string: why there is no answer */
	DROVER_A_SESSION,		/* nest of enum drover_session_attr */
	DROVER_A_PAD,
	__DROVER_A_MAX,
	DROVER_A_MAX = __DROVER_A_MAX - 1
};

enum drover_session_state {
	DROVER_SESSION_STATE_UNSPEC,
	DROVER_SESSION_STATE_CREATED,
	DROVER_SESSION_STATE_STARTED,
	DROVER_SESSION_STATE_STOPPED,
	DROVER_SESSION_STATE_DEAD,	/* the VM's process is gone */
	DROVER_SESSION_STATE_CLOSED	/* only in SESSION_EVENT */
};

enum drover_session_attr {
	DROVER_A_SESSION_UNSPEC,
	DROVER_A_SESSION_ID,		/* u64 */
	DROVER_A_SESSION_NAME,		/* string */
	DROVER_A_SESSION_STATE,		/* u32, enum drover_session_state */
	DROVER_A_SESSION_PID,		/* u32, of the VM's process */
	DROVER_A_SESSION_RAM_PAGES,	/* u64 */
	DROVER_A_SESSION_HARVESTS,	/* u64 */
	DROVER_A_SESSION_LOG_PAGES,	/* u64, sum over the harvests */
	DROVER_A_SESSION_VMM_PAGES,	/* u64 */
	DROVER_A_SESSION_KEPT_PAGES,	/* u64 */
	DROVER_A_SESSION_SENT_PAGES,	/* u64 */
	DROVER_A_SESSION_ZERO_PAGES,	/* u64 */
	DROVER_A_SESSION_SENT_BYTES,	/* u64 */
	DROVER_A_SESSION_PAD,
	__DROVER_A_SESSION_MAX,
	DROVER_A_SESSION_MAX = __DROVER_A_SESSION_MAX - 1
};

#endif /* _UAPI_DROVER_H */
