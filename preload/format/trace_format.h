/* SPDX-License-Identifier: MIT */
/*
 * The trace file's fixed structures; FORMAT.md is their specification.
 *
 * All integers are little-endian. The writer maps the file shared and stores to it while the
 * program runs; a reader may look at any moment, also after the process was killed between two
 * stores. Words that publish other words are named "commit word" and stored last.
 */
#ifndef LARIAT_TRACE_FORMAT_H
#define LARIAT_TRACE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#define LAR_MAGIC	      "LARIAT\r\n" /* 8 bytes, no terminator; a text-mode copy breaks it */
#define LAR_MAGIC_SIZE	      8
#define LAR_VERSION	      3 /* version a writer of this source writes */
#define LAR_VERSION_OLDEST    2 /* oldest version a reader of this source reads */
#define LAR_HEADER_SIZE	      4096
#define LAR_INCOMPAT_NARROW   1u   /* the last slots are of a size of their own */
#define LAR_SLOT_HEADER_SIZE  9216 /* that a writer of this source writes; before: 4096, 8192 */
#define LAR_SLOT_MAGIC	      0x544f4c53u /* "SLOT" */
#define LAR_BLOCK_MAGIC	      0x4b4c424cu /* "LBLK" */
#define LAR_BLOCK_PAD_MAGIC   0x4441504cu /* "LPAD": skip to the start of the ring */
#define LAR_BLOCK_ALIGN	      32
#define LAR_DICT_ALIGN	      8
#define LAR_MAX_DEPTH	      4096 /* most frames a stack in a trace can have */
#define LAR_KIND_FORMS	      32
#define LAR_BLOCK_MAX_ENCODED (8u << 20) /* a block's size before compression is below this */

/* Sections; the ring, the dictionary and the staging area are always there. */
enum lar_section_type {
	LAR_SECTION_NONE = 0,
	LAR_SECTION_STAGING = 1,  /* slots of raw events, one per running thread */
	LAR_SECTION_DICT = 2,	  /* append-only records: modules, targets, names */
	LAR_SECTION_RING = 3,	  /* sealed blocks, oldest overwritten */
	LAR_SECTION_ACCOUNTS = 4, /* sums of what the ring has overwritten */
	LAR_SECTION_LIVE = 5,	  /* live blocks whose allocation the ring has overwritten */
	LAR_SECTION_TIMELINE = 6, /* periodic samples over the whole life */
	LAR_SECTION_LEAKS = 7,	  /* what leak scans found (leakscan.h) */
};
#define LAR_MAX_SECTIONS 12

struct lar_section {
	uint32_t type;	    /* enum lar_section_type */
	uint32_t unit_size; /* staging: bytes per slot but the wide ones; else 0 */
	uint64_t offset;    /* from the start of the file, page-aligned */
	uint64_t size;	    /* reserved bytes; the file may be shorter when it was cut */
	uint64_t used;	    /* commit word: dictionary: bytes valid; staging: slots ever used */
};

/* One reading of both clocks; two of them give the tick rate. */
struct lar_clock_pair {
	uint64_t ticks;
	uint64_t mono_ns; /* CLOCK_MONOTONIC */
};

enum lar_clock_source { LAR_CLOCK_TSC = 1, LAR_CLOCK_MONOTONIC = 2 /* ticks are ns */ };

enum lar_end {
	LAR_END_NONE = 0,     /* running, or died without a word */
	LAR_END_EXIT = 1,     /* exit_code is what the process passed to exit */
	LAR_END_SIGNAL = 2,   /* exit_code is the signal's number (written by the launcher) */
	LAR_END_EXEC = 3,     /* replaced by another image */
	LAR_END_DETACHED = 4, /* recording switched itself off, the process went on */
};

/* What a recorder could not record, by reason; each counted in lar_header.lost. */
enum lar_lost {
	LAR_LOST_NO_SLOT = 0,	 /* more threads at once than staging slots */
	LAR_LOST_NESTED = 1,	 /* in a signal handler that interrupted two others' recording */
	LAR_LOST_RING_BUSY = 2,	 /* a block found no room in time: its events */
	LAR_LOST_EARLY = 3,	 /* before recording could start */
	LAR_LOST_TARGET = 4,	 /* times that a name found no room: operations without it */
	LAR_LOST_MODULE = 5,	 /* dictionary full: modules without a name */
	LAR_LOST_OFF = 6,	 /* recording had been switched off */
	LAR_LOST_STACK_CUT = 7,	 /* stacks that lack frames in the middle */
	LAR_LOST_FOLD_FRAME = 8, /* inner frames that a checkpoint has no room for */
	LAR_LOST_FOLD_ROW = 9,	 /* operations that a checkpoint counts under "others" */
	LAR_LOST_CPU = 10,	 /* CPU samples */
	LAR_LOST_REASONS = 16,
};

/* Bits of lar_header.record: what was asked for. */
enum lar_record {
	LAR_RECORD_HEAP = 1,
	LAR_RECORD_IO = 2,
	LAR_RECORD_LOCKS = 4,
	LAR_RECORD_THREADS = 8,
	LAR_RECORD_ALL = 15,
	LAR_RECORD_CPU = 16, /* not among all: only where it is asked for */
};

/*
 * The first page of the file. Everything up to and including `sections` is written before the
 * magic, which is the header's commit word.
 */
struct lar_header {
	char magic[LAR_MAGIC_SIZE];
	uint32_t version;
	uint32_t header_size;	 /* LAR_HEADER_SIZE of the writer */
	uint32_t compat_flags;	 /* unknown bits: go on */
	uint32_t incompat_flags; /* unknown bits: refuse */
	uint32_t machine;	 /* ELF e_machine of the recorded process */
	uint32_t page_size;
	uint64_t bound; /* --size: most bytes on disk, 0 = none */
	uint32_t section_count;
	uint32_t slot_header_size;
	struct lar_section sections[LAR_MAX_SECTIONS];

	/* options in force */
	uint32_t record; /* enum lar_record */
	uint32_t depth;
	uint64_t sample_bytes;
	uint64_t interval_ns;

	/* the process */
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t
		parent_start_ns; /* start_unix_ns of the trace this one was forked or exec'd from */
	uint64_t start_unix_ns;
	uint32_t clock_source; /* enum lar_clock_source */
	uint32_t time_shift;   /* block times are ticks >> time_shift << time_shift */
	struct lar_clock_pair clock_start;
	/* Later pairs; clock_last_index (commit word) says which of the two is whole. */
	struct lar_clock_pair clock_last[2];
	uint32_t clock_last_index;

	/* the end */
	uint32_t end; /* enum lar_end, commit word of exit_code and end_ticks */
	int32_t exit_code;
	uint32_t processors; /* that the process may run on, at its start; 0 = not known */
	uint64_t end_ticks;

	/* the ring: hints for a reader, see FORMAT.md */
	uint64_t ring_head;   /* offset in the section where the next block goes */
	uint64_t ring_tail;   /* offset in the section of the oldest block */
	uint64_t ring_limit;  /* bytes of the section in use before it wraps */
	uint64_t ring_blocks; /* blocks ever sealed */
	uint64_t ring_events; /* events ever sealed */

	uint64_t lost[LAR_LOST_REASONS];
	/* set by a test build of the recorder only: stacks compared with another unwinder, those
	 * that differed, those that stopped earlier and said so */
	uint64_t check_stacks, check_different, check_incomplete;
	/* by kind of event: fields + 128 if it has a stack; lets a reader skip kinds of later
	 * versions in slots */
	uint8_t kind_form[LAR_KIND_FORMS];
	/* bytes that the kernel has counted for its threads from the start to kernel_ticks (0 = it
	 * was not asked), without the recorder's own */
	uint64_t kernel_ticks, kernel_read_bytes, kernel_written_bytes;
	uint64_t loaded_objects; /* by the loader meanwhile, as far as known */
	uint32_t scan_request;	 /* a reader adds 1 to ask the running process for a leak scan */
	uint32_t scan_signal;	 /* ... and sends this signal, if it is not 0 */
	uint32_t scan_taken;	 /* scan_request as the process has last seen it */
	uint32_t reserved2;
	uint64_t cpu_period_ns; /* of CPU time, from sample to sample; 0 = there are none */
	uint64_t scan_entry;	/* where a thread that sleeps can be sent to scan; 0 = nowhere */
	uint32_t wide_slots; /* the first so many slots are larger than the section's unit: ... */
	uint32_t wide_size;  /* ... of so many bytes each */
	/* with LAR_INCOMPAT_NARROW: from this slot on they are smaller, of so many bytes each */
	uint32_t narrow_from, narrow_size;
};
_Static_assert(sizeof(struct lar_header) <= LAR_HEADER_SIZE, "header outgrew its page");

/* Slots lie one behind another, the wide ones first, the narrow ones last. */
struct lar_slot_sizes {
	uint32_t wide_slots, wide_size, unit_size;
	uint32_t narrow_from, narrow_size; /* UINT32_MAX: there are none */
};

static inline struct lar_slot_sizes lar_slot_sizes(const struct lar_header *h, uint32_t unit_size)
{
	bool narrow = h->incompat_flags & LAR_INCOMPAT_NARROW;

	return (struct lar_slot_sizes){ h->wide_slots, h->wide_size, unit_size,
					narrow ? h->narrow_from : UINT32_MAX,
					narrow ? h->narrow_size : unit_size };
}

static inline uint64_t lar_slot_size(const struct lar_slot_sizes *s, uint32_t index)
{
	return index < s->wide_slots	? s->wide_size
	       : index < s->narrow_from ? s->unit_size
					: s->narrow_size;
}

static inline uint64_t lar_slot_offset(const struct lar_slot_sizes *s, uint32_t index)
{
	uint64_t wide = index < s->wide_slots ? index : s->wide_slots;
	uint64_t from = s->narrow_from > s->wide_slots ? s->narrow_from : s->wide_slots;
	uint64_t narrow = index > from ? index - from : 0;

	return wide * s->wide_size + (index - wide - narrow) * s->unit_size +
	       narrow * s->narrow_size;
}

/* How many fit into a section; none where those before the narrow ones do not. */
static inline uint32_t lar_slot_count(const struct lar_slot_sizes *s, uint64_t section_size)
{
	bool narrow = s->narrow_from != UINT32_MAX;
	uint32_t first = narrow ? s->narrow_from : s->wide_slots;
	uint64_t at = lar_slot_offset(s, first);

	return at > section_size ? 0
				 : first + (uint32_t)((section_size - at) /
						      (narrow ? s->narrow_size : s->unit_size));
}

/*
 * One thread's exact figures for one lock and one place in the code that takes it, kept in its slot
 * because an uncontended lock makes no event. Only the owning thread writes; a reader sums the
 * cells of all slots with the LOCKSUM events. addr is the commit word.
 */
struct lar_lock_cell {
	uint64_t addr;
	uint32_t acquisitions; /* that made no event; of signals: how many */
	uint32_t waiters;      /* times that others waited when it was released */
	uint32_t failed_try;   /* of signals: those that nobody waited for */
	uint16_t depth;	       /* held now: how often (recursive locks) */
	uint16_t call;	       /* number in calls.def */
	uint64_t hold_ticks;
	uint64_t hold_max_ticks;
	uint64_t held_since; /* ticks, 0 = not held by this thread now */
	uint64_t caller;     /* return address of the call; 0 = of several others */
	uint32_t taken;	     /* semaphores: enum lar_sem_taken */
	uint32_t owners;     /* times that another thread had taken it last */
};
enum lar_sem_taken {
	LAR_SEM_TAKEN = 1,   /* by this thread, which has not given it back */
	LAR_SEM_AS_LOCK = 2, /* it has done so at some time: a lock, whose holds are counted */
};
_Static_assert(sizeof(struct lar_lock_cell) == 64, "lock cell is one cache line");

#define LAR_SLOT_LOCK_CELLS 60

/*
 * A staging slot: this header, then raw records up to `head`. The thread that owns the slot
 * appends; `head` is the commit word of each record. Sealing writes a block that names
 * (slot, seq) and then empties the slot: `seq` grows by one and `head` falls to 0. A reader that
 * finds a whole block with this slot's current seq ignores the slot's records: they are in it.
 */
struct lar_slot {
	uint32_t magic;
	uint32_t index;
	uint64_t state;	    /* commit word: head in the low 32 bits, low 32 bits of seq above */
	uint32_t owner_tid; /* kernel thread id, 0 = free */
	uint32_t thread_no; /* number of the thread in this trace, from 1 */
	uint32_t buffer_size;
	uint32_t flush_cell;  /* index of the lock cell that flush_state speaks of */
	uint64_t flush_state; /* from this state on that cell's figures are an event; 0 = none */
	/* the same of stream cells: a bit for each of those that stdio_flush_state speaks of */
	uint64_t stdio_flush_cells, stdio_flush_state;
	/* a call that is not over, which no record tells of: since when, of which descriptor (a
	 * join: of which thread) and target */
	uint64_t call_since;
	int32_t call_fd;
	uint32_t call_target;
	uint32_t call_now; /* commit word: number in calls.def, 0 = none */
	uint32_t reserved1;
	uint64_t cpu_ns; /* of the owner, when it was asked last; 0 = it was not */
	uint64_t reserved[21];
	struct lar_lock_cell locks[LAR_SLOT_LOCK_CELLS];
};
_Static_assert(sizeof(struct lar_slot) == 4096, "slot header's first part is one page");

/*
 * Behind it, for each lock cell, how long the lock was held: buckets of half a power of two from
 * 2^LAR_HOLD_SHIFT ticks on, shorter ones in the first. A hold behind the last is an event.
 */
#define LAR_HOLD_BUCKETS 32
#define LAR_HOLD_SHIFT	 6
struct lar_lock_holds {
	uint16_t bucket[LAR_HOLD_BUCKETS];
};
struct lar_slot_holds {
	struct lar_lock_holds cell[LAR_SLOT_LOCK_CELLS];
	uint64_t reserved[32];
};

/*
 * Behind those, what the thread asked of a stream from one place of the program since the stream
 * read or wrote last: a putc makes no event. Only the owning thread writes. stream is the commit
 * word; node is one of the slot's present fill.
 */
struct lar_stdio_cell {
	uint64_t stream; /* its address, 0 = free */
	uint64_t place;	 /* the recorder's */
	uint64_t calls, bytes;
	uint64_t since; /* ticks of the first call */
	uint32_t call;	/* number in calls.def */
	uint32_t node, target;
	int32_t fd;
	uint32_t generation; /* the recorder's */
	uint32_t reserved;
};
_Static_assert(sizeof(struct lar_stdio_cell) == 64, "stream cell is one cache line");

#define LAR_SLOT_STDIO_CELLS 16
struct lar_slot_stdio {
	struct lar_stdio_cell cell[LAR_SLOT_STDIO_CELLS];
};
_Static_assert(sizeof(struct lar_slot) + sizeof(struct lar_slot_holds) +
			       sizeof(struct lar_slot_stdio) ==
		       LAR_SLOT_HEADER_SIZE,
	       "parts of a slot's header");

/* A hold of so many ticks and more is an event. */
#define LAR_HOLD_EVENT (1u << (LAR_HOLD_SHIFT + LAR_HOLD_BUCKETS / 2))

/* The bucket of a hold; LAR_HOLD_BUCKETS and more for those that are an event. */
static inline uint32_t lar_hold_bucket(uint64_t ticks)
{
	const uint64_t least = 1u << LAR_HOLD_SHIFT;
	uint32_t e;

	ticks = ticks < least ? least : ticks;
	e = 63 ^ (uint32_t)__builtin_clzll(ticks);
	/* the two top bits are 2 or 3 */
	return (uint32_t)(ticks >> (e - 1)) - 2 + (e - LAR_HOLD_SHIFT) * 2;
}

/* A hold in the middle of a bucket. */
static inline uint64_t lar_hold_middle(uint32_t bucket)
{
	uint32_t e = LAR_HOLD_SHIFT + bucket / 2;

	return ((uint64_t)(2 + bucket % 2) << (e - 1)) + ((uint64_t)1 << (e - 2));
}

/*
 * A sealed block's header, followed by comp_size bytes: zstd frames with content checksums.
 * The block takes total_size bytes of the ring. `magic` is the commit word.
 */
struct lar_block {
	uint32_t magic;
	uint32_t total_size;	/* multiple of LAR_BLOCK_ALIGN, header included */
	uint64_t seq;		/* 0, 1, 2, ... in ring order */
	uint64_t events_before; /* events in all blocks of lower seq */
	uint32_t events;
	uint32_t raw_size;     /* bytes of the raw records it decodes to */
	uint32_t encoded_size; /* bytes after zstd decompression */
	uint32_t comp_size;
	uint64_t first_ticks;
	uint64_t last_ticks;
	uint32_t slot;
	uint32_t slot_seq; /* low 32 bits */
	uint32_t time_shift;
	uint32_t check; /* lar_block_check() of the header with magic and check as 0 */
	uint64_t reserved;
};
_Static_assert(sizeof(struct lar_block) == 80, "block header");

/* FNV-1a over the header's bytes behind `magic`, `check` taken as 0. */
static inline uint32_t lar_block_check(const struct lar_block *b)
{
	struct lar_block copy = *b;
	const unsigned char *p = (const unsigned char *)&copy;
	uint32_t h = 2166136261u;

	copy.magic = 0;
	copy.check = 0;
	for (uint32_t i = 0; i < sizeof(copy); i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* Dictionary records: this header, then the payload, padded to LAR_DICT_ALIGN. */
enum lar_dict_type {
	LAR_DICT_PROCESS = 1, /* struct lar_dict_process + strings */
	LAR_DICT_MODULE = 2,  /* struct lar_dict_module + strings */
	LAR_DICT_UNLOAD = 3,  /* struct lar_dict_unload */
	LAR_DICT_TARGET = 4,  /* struct lar_dict_target + name */
	LAR_DICT_THREAD = 5,  /* struct lar_dict_thread + name */
	LAR_DICT_NOTE = 6,    /* text: something the recorder said or switched off */
	LAR_DICT_HOLDS = 7,   /* struct lar_dict_holds: what is in a file */
	LAR_DICT_MISUSE = 8,  /* struct lar_dict_misuse + return addresses */
	LAR_DICT_BYPASS = 9, /* name of an object whose calls of malloc and free are not seen; id 1:
			      * perhaps, if no allocation is */
};

struct lar_dict_record {
	uint32_t size; /* header, payload and padding: where the next record starts */
	uint16_t type; /* enum lar_dict_type; unknown types are skipped */
	uint16_t reserved;
	uint32_t payload_size; /* bytes behind this header that carry meaning */
	uint32_t id;	       /* meaning by type */
};

/* Payload of LAR_DICT_PROCESS. Strings follow in this order, each NUL-terminated:
 * command (comm), executable path, host name, working folder, then argc arguments. */
struct lar_dict_process {
	uint32_t argc;
	uint32_t uid;
};

/* Payload of LAR_DICT_MODULE; id counts from 1. Then build-id bytes, then the path with a NUL. */
struct lar_dict_module {
	uint64_t start; /* first address */
	uint64_t end;	/* behind the last */
	uint64_t bias;	/* add to the file's virtual addresses to get addresses */
	uint64_t first_seen_ticks;
	uint32_t build_id_size;
	uint32_t flags; /* LAR_MODULE_* */
};
enum { LAR_MODULE_MAIN = 1, LAR_MODULE_SELF = 2 /* the recorder itself */, LAR_MODULE_VDSO = 4 };

/* Payload of LAR_DICT_UNLOAD; id is the module's. */
struct lar_dict_unload {
	uint64_t ticks;
};

enum lar_target_kind {
	LAR_TARGET_UNKNOWN = 0,
	LAR_TARGET_FILE = 1,
	LAR_TARGET_DIR = 2,
	LAR_TARGET_PIPE = 3,
	LAR_TARGET_SOCKET = 4, /* name: "tcp 127.0.0.1:80", "unix /run/x", ... */
	LAR_TARGET_TTY = 5,
	LAR_TARGET_CHARDEV = 6,
	LAR_TARGET_ANON = 7, /* eventfd, epoll, timerfd, memfd, ...: the name says which */
};

/* Payload of LAR_DICT_TARGET; id counts from 1. Then the name with a NUL, without its first
 * `shared` bytes, which are those of the name of target `base` (an earlier record, whose own name
 * is whole). */
struct lar_dict_target {
	uint16_t kind;	 /* enum lar_target_kind */
	uint16_t shared; /* bytes */
	uint32_t base;	 /* 0 when the name is whole */
};

/* Payload of LAR_DICT_HOLDS; id is the target's, whose record comes earlier. */
enum lar_holds { LAR_HOLDS_SQLITE = 1 /* it begins as an SQLite database does */ };
struct lar_dict_holds {
	uint32_t what; /* enum lar_holds */
	uint32_t reserved;
};

/* Payload of LAR_DICT_THREAD; id is the thread's number. Then the name with a NUL. A later
 * record for the same thread replaces the name. */
struct lar_dict_thread {
	uint32_t tid;
	uint32_t reserved;
	uint64_t ticks;
};

/* What is wrong with a free. */
enum lar_misuse {
	LAR_MISUSE_NONE = 0,
	LAR_MISUSE_DOUBLE = 1,	   /* of a block that was given back before */
	LAR_MISUSE_FOREIGN = 2,	   /* of what cannot be a block */
	LAR_MISUSE_MISMATCHED = 3, /* by what does not belong to how the block was made */
	LAR_MISUSE_REALLOC = 4,	   /* a realloc of a block that was given back before */
	LAR_MISUSE_UNKNOWN = 5, /* of a block that no recorded call made: nothing wrong by itself */
	LAR_MISUSE_MISSIZED = 6, /* by a delete that names another size than new had */
	LAR_MISUSE_KINDS
};

/* What was done last with an address. */
enum lar_block_state {
	LAR_BLOCK_UNKNOWN = 0,
	LAR_BLOCK_MALLOC = 1, /* in use, made by malloc and kin */
	LAR_BLOCK_NEW = 2,    /* ... by operator new */
	LAR_BLOCK_NEW_ARRAY = 3,
	LAR_BLOCK_FREED = 4,
	LAR_BLOCK_REALLOCATED = 5, /* given back by a realloc */
};

/*
 * Payload of LAR_DICT_MISUSE; id counts the places (kind, state and stack) from 1. Then `frames`
 * return addresses, outermost first; none in a record that only brings the count up to date.
 */
struct lar_dict_misuse {
	uint64_t ticks; /* before the real call */
	uint64_t address;
	uint64_t count;	 /* how often at this place, this time included */
	uint32_t thread; /* number */
	uint16_t kind;	 /* enum lar_misuse */
	uint16_t call;	 /* of calls.def */
	uint32_t state;	 /* enum lar_block_state: what was done last with the address */
	/* Of a block that was given back: low half of the return address there. Of one of another
	 * size: low half of its own. */
	uint32_t freed_at;
	uint32_t frames;
	uint32_t named_size; /* of one of another size: low half of that; else 0 */
};

/* Return addresses that are no addresses. */
enum {
	LAR_RA_CUT = 1,	       /* frames left out here (stack deeper than --depth) */
	LAR_RA_INCOMPLETE = 2, /* outermost: the stack could not be followed further */
};

#endif
