/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: a session comes and goes, a harvest, a send. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM drover

#if !defined(DROVER_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DROVER_TRACE_H

#include <linux/tracepoint.h>

#include "uapi/drover.h"

DECLARE_EVENT_CLASS(drover_session,
	TP_PROTO(u64 id, int pid, u64 ram_pages),
	TP_ARGS(id, pid, ram_pages),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(int, pid)
		__field(u64, ram_pages)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->pid = pid;
		__entry->ram_pages = ram_pages;
	),
	TP_printk("session=%llu pid=%d ram_pages=%llu",
		  __entry->id, __entry->pid, __entry->ram_pages)
);

DEFINE_EVENT(drover_session, drover_session_create,
	TP_PROTO(u64 id, int pid, u64 ram_pages),
	TP_ARGS(id, pid, ram_pages)
);

DEFINE_EVENT(drover_session, drover_session_close,
	TP_PROTO(u64 id, int pid, u64 ram_pages),
	TP_ARGS(id, pid, ram_pages)
);

TRACE_EVENT(drover_harvest,
	TP_PROTO(u64 id, const struct drover_harvest *h, int ret),
	TP_ARGS(id, h, ret),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, log_pages)
		__field(u64, vmm_pages)
		__field(u64, kept_pages)
		__field(u64, total_pages)
		__field(u64, log_ns)
		__field(u64, vmm_ns)
		__field(u32, relogged)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->log_pages = h->log_pages;
		__entry->vmm_pages = h->vmm_pages;
		__entry->kept_pages = h->kept_pages;
		__entry->total_pages = h->total_pages;
		__entry->log_ns = h->log_ns;
		__entry->vmm_ns = h->vmm_ns;
		__entry->relogged = h->slots_relogged;
		__entry->ret = ret;
	),
	TP_printk("session=%llu ret=%d log=%llu vmm=%llu kept=%llu total=%llu relogged=%u log_ns=%llu vmm_ns=%llu",
		  __entry->id, __entry->ret, __entry->log_pages, __entry->vmm_pages,
		  __entry->kept_pages, __entry->total_pages, __entry->relogged,
		  __entry->log_ns, __entry->vmm_ns)
);

TRACE_EVENT(drover_send,
	TP_PROTO(u64 id, u64 first, u32 count, u64 bytes, int ret),
	TP_ARGS(id, first, count, bytes, ret),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, first)
		__field(u64, bytes)
		__field(u32, count)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->first = first;
		__entry->bytes = bytes;
		__entry->count = count;
		__entry->ret = ret;
	),
	TP_printk("session=%llu ret=%d first=%llu count=%u bytes=%llu",
		  __entry->id, __entry->ret, __entry->first, __entry->count, __entry->bytes)
);

#endif /* DROVER_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
