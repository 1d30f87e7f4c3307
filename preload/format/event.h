/* SPDX-License-Identifier: MIT */
/*
 * Raw event records and the two tables that describe them (events.def, calls.def).
 *
 * Pure data and inline helpers, usable from any thread and any context.
 */
#ifndef LARIAT_EVENT_H
#define LARIAT_EVENT_H

#include <stdint.h>

enum lar_event_kind {
#define EVENT(name, number, ...) LAR_EV_##name = number,
#include "events.def"
#undef EVENT
	/*
	 * New frames, no event: a chain of call-field frames below the node in the upper half of
	 * word 0, outermost first. One word each, the return address. They become the next nodes
	 * of this slot or block, which count from 1.
	 */
	LAR_EV_PATH = 17,
	LAR_EV_MAX = 32 /* behind the last number that this version can decode */
};

#define LAR_EVENT_MAX_FIELDS 7

enum lar_call {
	LAR_CALL_none = 0,
#define CALL(symbol, number, family, operation) LAR_CALL_##symbol = number,
#define PART					CALL
#include "calls.def"
#undef CALL
	LAR_CALL_MAX = 1024
};

enum lar_family {
	LAR_FAMILY_NONE = 0,
	LAR_FAMILY_HEAP,
	LAR_FAMILY_MAP,
	LAR_FAMILY_IO,
	LAR_FAMILY_LOCK,
	LAR_FAMILY_THREAD,
	LAR_FAMILY_PROCESS,
};

/* What a call does, as the reports group it. */
enum lar_operation {
	LAR_OP_NONE = 0,
	LAR_OP_ALLOC,
	LAR_OP_REALLOC,
	LAR_OP_FREE,
	LAR_OP_NEW,
	LAR_OP_DELETE,
	LAR_OP_MAP,
	LAR_OP_READ,
	LAR_OP_WRITE,
	LAR_OP_OPEN,
	LAR_OP_CLOSE,
	LAR_OP_CONNECT,
	LAR_OP_SYNC,
	LAR_OP_SEEK,
	LAR_OP_META,
	LAR_OP_WAIT,
	LAR_OP_LOCK,
	LAR_OP_UNLOCK,
	LAR_OP_DESTROY,
	LAR_OP_CONDWAIT,
	LAR_OP_CREATE,
	LAR_OP_JOIN,
	LAR_OP_DETACH,
	LAR_OP_NAME,
	LAR_OP_FORK,
	LAR_OP_EXEC,
	LAR_OP_EXIT,
	LAR_OP_UNLOAD,
	LAR_OP_SANDBOX,
	LAR_OP_STDIO_READ,
	LAR_OP_STDIO_WRITE,
	LAR_OP_RDLOCK,	/* shared with others */
	LAR_OP_SIGNAL,	/* lets others go on */
	LAR_OP_BARRIER, /* waits for a number of others */
	LAR_OP_ONCE,
	LAR_OP_INIT,
};

/* A call that takes a lock. */
static inline int lar_op_locks(unsigned operation)
{
	return operation == LAR_OP_LOCK || operation == LAR_OP_RDLOCK;
}

/*
 * The operations of I/O that figures tell apart: OP(name in reports, enum lar_operation). All
 * others count as metadata. A checkpoint numbers them from 0 in this order. The stdio_ ones are
 * what a program asked of its streams; what that made of the system is in the others.
 */
#define LAR_IO_OPS(OP)                                                                             \
	OP(read, READ)                                                                             \
	OP(write, WRITE)                                                                           \
	OP(open, OPEN)                                                                             \
	OP(close, CLOSE)                                                                           \
	OP(sync, SYNC)                                                                             \
	OP(connect, CONNECT)                                                                       \
	OP(seek, SEEK)                                                                             \
	OP(metadata, META)                                                                         \
	OP(wait, WAIT)                                                                             \
	OP(stdio_read, STDIO_READ)                                                                 \
	OP(stdio_write, STDIO_WRITE)

/* True for an event of those two: it stands for as many calls as its fifth field says. */
static inline int lar_io_is_stdio(unsigned operation)
{
	return operation == LAR_OP_STDIO_READ || operation == LAR_OP_STDIO_WRITE;
}

/* Whether /proc/PID/io has the bytes of a read or write: not of messages, nor of splices. */
static inline int lar_io_kernel_counts(unsigned call)
{
	switch (call) {
	case LAR_CALL_send:
	case LAR_CALL___send:
	case LAR_CALL_sendto:
	case LAR_CALL_sendmsg:
	case LAR_CALL_sendmmsg:
	case LAR_CALL_recv:
	case LAR_CALL_recvfrom:
	case LAR_CALL_recvmsg:
	case LAR_CALL_recvmmsg:
	case LAR_CALL___recv_chk:
	case LAR_CALL___recvfrom_chk:
	case LAR_CALL_splice:
	case LAR_CALL_splice_in:
	case LAR_CALL_tee:
	case LAR_CALL_tee_in:
	case LAR_CALL_vmsplice:
		return 0;
	default:
		return 1;
	}
}

/* Of what a call lets others go on. */
enum lar_signal { LAR_SIGNAL_CONDITION, LAR_SIGNAL_SEMAPHORE, LAR_SIGNAL_FUTEX, LAR_SIGNALS };

static inline enum lar_signal lar_call_signal(unsigned call)
{
	return call == LAR_CALL_sem_post  ? LAR_SIGNAL_SEMAPHORE
	       : call == LAR_CALL_syscall ? LAR_SIGNAL_FUTEX
					  : LAR_SIGNAL_CONDITION;
}

/* Event flags, by kind. */
enum {
	/* LOCK */
	LAR_LOCK_CONTENDED = 1, /* somebody else held it on entry */
	LAR_LOCK_FIRST = 2,    /* a thread's first at this place: the site of what no event tells */
	LAR_LOCK_TRY = 4,      /* a trylock that failed */
	LAR_LOCK_UNOWNED = 8,  /* an unlock by a thread that does not hold it */
	LAR_LOCK_NO_CELL = 16, /* an acquisition that no LOCKSUM counts */
	LAR_LOCK_HELD = 32,    /* a long hold that is over */
	/* LOCKSUM */
	LAR_LOCKSUM_ONE = 1, /* one hold alone, of the ticks held: no LOCKHOLDS tells of it */
	/* LOCKORDER, in its last field */
	LAR_ORDER_SHARED = 1,	   /* it is to be shared with others */
	LAR_ORDER_HELD_SHARED = 2, /* the held one is */
	/* with the first: while one waits to have it alone, those who want to share it wait, too */
	LAR_ORDER_WRITERS_FIRST = 4,
	/* IO */
	LAR_TICK_MOST = 1,    /* resident: not now, but the most so far */
	LAR_IO_NO_TARGET = 1, /* the dictionary had no room for the descriptor's name */
	/* THREAD_CREATE */
	LAR_THREAD_DETACHED = 1, /* created detached: nobody can join it */
	/* CPU */
	LAR_CPU_KERNEL = 1,   /* in a system call */
	LAR_CPU_RECORDER = 2, /* in the recorder: without a stack */
	LAR_CPU_CLOCK = 4,    /* no sample: tells the thread's CPU time only */
	LAR_CPU_BLOCKED = 8,  /* the periods without one passed elsewhere: signals were blocked */
	/* PROCESS */
	LAR_PROCESS_CHILD = 1, /* this process image is the child of that fork */
};

/* A LOCK event of a thread that had nothing to do: it waited for what is no lock. */
static inline int lar_lock_idles(unsigned flags, unsigned call, unsigned operation)
{
	if (flags & (LAR_LOCK_FIRST | LAR_LOCK_NO_CELL | LAR_LOCK_HELD | LAR_LOCK_UNOWNED))
		return 0;
	return operation == LAR_OP_CONDWAIT || operation == LAR_OP_BARRIER ||
	       operation == LAR_OP_ONCE || call == LAR_CALL_syscall;
}

static inline uint64_t lar_word0(unsigned kind, unsigned flags, unsigned call, uint32_t node)
{
	return (uint64_t)kind | (uint64_t)flags << 8 | (uint64_t)call << 16 | (uint64_t)node << 32;
}
static inline unsigned lar_word0_kind(uint64_t w)
{
	return w & 0xff;
}
static inline unsigned lar_word0_flags(uint64_t w)
{
	return w >> 8 & 0xff;
}
static inline unsigned lar_word0_call(uint64_t w)
{
	return w >> 16 & 0xffff;
}
static inline uint32_t lar_word0_node(uint64_t w)
{
	return (uint32_t)(w >> 32);
}

static inline uint64_t lar_fd_target(int fd, uint32_t target)
{
	return (uint64_t)target << 32 | (uint32_t)fd;
}

/* How a field changes from event to event, and so how it is encoded. */
enum lar_field {
	LAR_F__ = 0,
	LAR_F_T,
	LAR_F_V,
	LAR_F_Z,
	LAR_F_A,
	LAR_F_D,
	LAR_F_N,
	LAR_F_O,
	LAR_F_U
};

struct lar_event_shape {
	uint8_t fields; /* 0 = unknown kind */
	uint8_t has_stack;
	uint8_t field[LAR_EVENT_MAX_FIELDS]; /* enum lar_field */
};

/* Indexed by kind, LAR_EV_MAX entries; fields is 0 for kinds that do not exist. */
extern const struct lar_event_shape lar_event_shapes[];

/* A kind's shape in one byte, as blocks and the file's header have it; 0 = no such kind. */
static inline uint8_t lar_event_form(unsigned kind)
{
	return (uint8_t)(lar_event_shapes[kind].fields |
			 (lar_event_shapes[kind].has_stack ? 0x80 : 0));
}

/* Words of the record that starts with w0, or 0 when its kind is unknown. */
static inline uint32_t lar_record_words(uint64_t w0)
{
	unsigned kind = lar_word0_kind(w0);

	if (kind == LAR_EV_PATH)
		return 1u + lar_word0_call(w0);
	if (kind >= LAR_EV_MAX || !lar_event_shapes[kind].fields)
		return 0;
	return 1u + lar_event_shapes[kind].fields;
}

/* Of the recorder's own buffer: at least 1, so that a look through one that is torn, by a process
 * that has the same memory, comes to an end. */
static inline uint32_t lar_record_step(uint64_t w0)
{
	uint32_t words = lar_record_words(w0);

	return words ? words : 1;
}

#endif
