/* SPDX-License-Identifier: MIT */
/*
 * A recording thread: its staging slot, its last stack and the gate that every wrapper tests.
 *
 * The gate is the whole state machine. OPEN is the nominal state; anything else takes the slow
 * path. The struct lies in memory wiped on fork, so a child's gates are all CLOSED. Only the
 * owning thread, or a signal handler on it, touches the struct.
 */
#ifndef LARIAT_THREAD_H
#define LARIAT_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attr.h"
#include "format/event.h"
#include "format/trace_format.h"
#include "nodes.h"

enum gate {
	GATE_CLOSED = 0, /* not entered yet, fresh in a child, or switched off */
	GATE_BUSY = 2, /* inside the recorder: a wrapper that finds this runs in a signal handler */
	GATE_OPEN = GATE_BUSY | 1,
};

/* One frame of the last stack, kept outermost first. */
struct frame {
	uint64_t slot;	  /* where the return address was read */
	uint64_t ra;	  /* the return address */
	uint64_t rbp;	  /* the caller's rbp */
	int32_t rbp_from; /* where that was read, from slot on; 0 = it was in the register */
	uint16_t flags;	  /* FRAME_* */
	uint16_t watched; /* entries of stack.watch up to and with this frame's */
	uint32_t node;	  /* of the stack from here outward */
	uint32_t hash;	  /* likewise */
};

/* A word that must hold what it held for frames further out to be the same. */
struct watch {
	const uint64_t *at;
	uint64_t value;
};

#define WATCH_GUARDS 3

enum {
	FRAME_CFA_RBP = 1,   /* its rule finds the next frame through rbp */
	FRAME_RBP_SAME = 2,  /* its rule leaves rbp alone */
	FRAME_NEED_RBP = 4,  /* rbp matters for it or for frames further out */
	FRAME_NO_VERIFY = 8, /* never taken as unchanged (signal frames) */
	FRAME_EXACT = 16,    /* ra is an interrupted program counter, not a return address */
};

#define STACK_BASE_FRAMES 32

/*
 * Memory of an earlier walk: the words that led it from the innermost frame to the one that it
 * joined. Where it starts from the same place, and they hold the same values again, it needs not be
 * walked again. See memo.h.
 */
#define MEMO_COUNT   512
#define MEMO_WATCHES 12
struct memo {
	uint64_t slot;	    /* of the innermost return address */
	uint32_t era;	    /* stack.era that the entry is of; another: free */
	uint32_t last;	    /* node of the stack */
	uint32_t kept;	    /* frames from the joined one outward */
	uint32_t base_node; /* of the joined frame, like all of base */
	uint64_t base_slot;
	uint64_t base_rbp;
	int32_t base_rbp_from;
	uint16_t watches;
	uint16_t led_away; /* how often it was of another stack */
	uint64_t unused[2];
	/* innermost first: the first four in a line of the cache */
	struct watch watch[MEMO_WATCHES];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct memo) == 256, "four lines");

/* Plain rules that this thread has used: what all threads share is larger than the caches. */
#define RULES_KNOWN 1024
struct known_rule {
	uint64_t ra, rule;
};

/* Where the array's frames are, by the address of their return address: one of STACK_PLACES. */
#ifdef LAR_UNWIND_CHECK
#define STACK_PLACES 32 /* frames take each other's now and then */
#else
#define STACK_PLACES 4096
#endif

/*
 * The last stack of a thread and what is needed to find the next one quickly. The frames in the
 * array are those of the last stack that was walked; one that was remembered does not change them.
 * They are never believed: what a walk joins is read again from there outward.
 */
struct stack {
	struct frame *frame; /* outermost first; capacity: depth + a few */
	struct frame *fresh; /* scratch: frames found on a walk, innermost first */
	struct watch *watch; /* at most two for a frame, outermost first; behind WATCH_GUARDS */
	struct memo *memo;
	struct known_rule *rule;
	uint16_t *place; /* STACK_PLACES indices of `frame`, of which some are out of date */
	uint32_t last;	 /* node of the last stack */
	uint32_t leaf;	 /* its number in the buffer, when `known` */
	bool known;
	uint32_t era;	/* grows when memories become void; never 0 */
	uint32_t epoch; /* grows when numbers of nodes become void; 0 is before the first buffer */
	uint32_t capacity;
	uint32_t count; /* frames in the array */
	uint32_t
		usable; /* outermost of them that the next walk may join; 0 after a foreign stack */
	/* of a stack too deep to keep: the array's outermost frame behind the cut, 0 = it is whole;
	 * the next further in where a cut may be; and how many frames are left out */
	uint32_t cut, cut_next, cut_gap;
	struct nodes nodes;
	uint32_t generation;
	uint64_t low, high; /* bounds of the thread's own stack */
	/* outermost frames found when a stack was too deep to keep, innermost of them first */
	struct frame base[STACK_BASE_FRAMES];
	uint32_t base_count;
	bool base_complete; /* the last of them is the outermost */
};

/* No node has a number in the buffer any more. */
static inline void stack_void_numbers(struct stack *s)
{
	s->epoch++;
	s->known = false;
}

/* Another thread's stack, or other code in the same place: nothing of before is to be relied on. */
static inline void stack_forget(struct stack *s)
{
	s->count = s->usable = s->base_count = s->cut = 0;
	s->known = false;
	s->last = 0;
	s->era++;
}

#define STDIO_CELL_WORDS 7 /* of the event that a stream's cell becomes */

/* The locks that a thread holds, innermost last; see lockcell.h. */
#define HELD_MOST  32
#define ORDER_SEEN 512
struct held {
	uint32_t count;
	uint8_t cell[HELD_MOST];
	struct held_life {
		_Atomic uint64_t *at;
		uint64_t mine;		     /* what is there when this thread has taken it last */
	} life[LAR_SLOT_LOCK_CELLS];	     /* by cell; see locklife.h */
	uint32_t order[LAR_SLOT_LOCK_CELLS]; /* by cell: what was held when it was taken last */
	uint32_t
		looked[LAR_SLOT_LOCK_CELLS]; /* by cell: acquisitions when it was in the way last */
	uint32_t seen[ORDER_SEEN];	     /* of which an event tells */
	uint32_t cells;			     /* in use */
	uint32_t far;			     /* cells behind the first places of their lock */
	uint32_t cramped;		     /* times that one of these was wanted, none free */
};

#define THREAD_FOLDERS 4

struct thread {
	uint32_t gate;
	uint32_t index;		/* of its slot */
	uint64_t *head, *limit; /* in the slot's buffer */
	uint64_t *early;	/* from here on it is sealed where no lock is about to be held */
	struct lar_slot *slot;
	uint64_t *buffer;
	uint64_t slot_seq;   /* shifted into the high half: what `state` needs */
	uint64_t busy_frame; /* frame address of the wrapper that set BUSY */
	uint64_t ready;	     /* bytes of the slot with disk behind them */
	uint64_t open;	     /* bytes of these that records may be in by now */
	uint64_t last_ticks;
	uint32_t tid;
	uint32_t number;
	uint32_t creator;

	uint64_t call_frame; /* of the wrapper of I/O that the slot's call_now is of */

	int64_t sample_left; /* bytes until the next sample point */
	uint64_t sample_random;

	uint32_t stdio_used; /* cells of streams that are not free */

	/* the working folder with a slash behind it, of that change of it + 1 */
	uint32_t cwd_generation, cwd_size;
	char cwd[256];

	/* the same of open folders that paths were relative to, by their targets */
	struct thread_folder {
		uint32_t target, generation, size;
		char name[244];
	} folder[THREAD_FOLDERS];

	/* the latest wait that has begun, for a lock and the like or in a join */
	struct {
		uint64_t since; /* 0 = it is over */
		uint64_t frame; /* of the wrapper */
		uint64_t addr;	/* or the number of the thread that is joined */
		uint64_t mutex; /* that a wait for a condition gives up */
		uint32_t call, cell;
		/* of the stack, taken before it: where the epoch is the same, it is still so */
		uint32_t node, epoch;
		bool noted;
	} waited;

	struct thread *nested; /* for events of signal handlers that interrupt this one */
	struct held held;
	struct stack stack;
	size_t map_size;
};

#define THREAD_RESERVE 1024 /* words, for what is recorded while locks are held */
#define THREAD_ROOM    (LAR_SLOT_STDIO_CELLS * STDIO_CELL_WORDS)

/* Up to where records go: behind it is room for the events of the cells when the slot is sealed. */
static inline void thread_set_limit(struct thread *t)
{
	uint64_t room = 0;

	t->limit = (uint64_t *)((uint8_t *)t->slot + t->open) - THREAD_ROOM;
	if (t->limit > t->buffer)
		room = (uint64_t)(t->limit - t->buffer);
	t->early = t->limit - (room / 4 < THREAD_RESERVE ? room / 4 : THREAD_RESERVE);
}

/* The owner of slots that several threads share: no thread's id. */
#define THREAD_NESTED (1u << 31)
#define THREAD_SHARED (THREAD_NESTED - 1)

/* The calling thread's; never NULL: a thread without one shares a closed dummy. */
extern LAR_TLS struct thread *lar_self;

/*
 * From OPEN to BUSY for the wrapper at `frame`; false if it is not open. One instruction, so that
 * it holds even where a signal handler does not come back before others run on the thread, as that
 * of a scheduler of user threads.
 */
static always_inline bool gate_take(struct thread *t, uint64_t frame)
{
	bool open;

	__asm__ volatile("btrl $0, %0" : "+m"(t->gate), "=@ccc"(open) : : "memory");
	if (unlikely(!open))
		return false;
	t->busy_frame = frame;
	__asm__ volatile("" ::: "memory");
	return true;
}

/*
 * Entry of a wrapper that found the gate not open. frame is the wrapper's frame address. Returns
 * the struct to record into, its gate BUSY, or NULL when this event cannot be recorded (counted).
 */
struct thread *thread_slow(struct thread *t, uint64_t frame);

/* Set, and stays, where a part of a thread's stack may have become the stack of a user context. */
extern LAR_LOCAL bool thread_stack_shared;

/* The thread's number in this trace; gives it one. 0 when recording is off. */
uint32_t thread_number(void);

/* Number that a new thread shall have, by its creator. */
uint32_t thread_number_new(void);

/* What the trampoline of pthread_create tells: bounds of the new thread's stack and its numbers. */
void thread_begin(uint32_t number, uint32_t creator, uint64_t stack_size);

/* The calling thread is about to end: its slot becomes free for another. */
void thread_end(void);

/* Gives the calling thread a slot, should it have none, and takes the rest of it into use now. */
void thread_prepare(uint64_t frame);

/* CPU time of a thread in this program, by CLOCK_THREAD_CPUTIME_ID or one like it; never 0. */
uint64_t thread_cpu_ns(uint32_t tid, clockid_t clock);

/* Seals what this thread and threads that have ended left in slots; for the end of the process. */
void thread_seal_all(void);

#endif
