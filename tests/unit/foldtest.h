/* SPDX-License-Identifier: MIT */
/*
 * Events through the recorder's folding into a checkpoint, and that through the analyzer's reader:
 * what a test of figures needs between the two.
 */
#ifndef LARIAT_FOLDTEST_H
#define LARIAT_FOLDTEST_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "../../analyzer/checkpoint.h"
#include "../../analyzer/trace.h"
#include "../../preload/fold_impl.h"
#include "../../preload/note.h"
#include "../../preload/recorder.h"
#include "../../preload/tracefile.h"

#define FT_ACCOUNTS (16u << 20)
#define FT_NODES    4096u

/* What the recorder's objects want of the rest of it. */
static struct recorder ft_recorder;
struct recorder *lar = &ft_recorder;
static struct lar_header ft_header;

void note_once(enum note kind, const char *format, ...)
{
	(void)kind;
	(void)format;
}

bool tracefile_extend(uint8_t *base, uint64_t *ready, uint64_t need, uint64_t size, uint64_t step)
{
	(void)base;
	(void)step;
	*ready = size;
	return need <= size;
}

void tracefile_leave(uint8_t *from, uint64_t size)
{
	(void)from;
	(void)size;
}

void tracefile_release(uint8_t *from, uint64_t size)
{
	(void)from;
	(void)size;
}

struct lar_section *tracefile_section(enum lar_section_type type)
{
	(void)type;
	return NULL;
}

uint64_t lar_ticks_slow(void)
{
	return 0;
}

/* An event as both sides take it. */
struct ft_event {
	unsigned kind, flags, call;
	uint32_t node, thread, creator;
	uint64_t ticks;
	uint64_t field[LAR_EVENT_MAX_FIELDS];
};

/* Stacks have other numbers than nodes. */
static inline uint32_t ft_stack(uint32_t node)
{
	return node ? 3 * node + 1 : 0;
}

static inline struct event ft_to_event(const struct ft_event *f)
{
	struct event e = { .kind = (uint8_t)f->kind,
			   .flags = (uint8_t)f->flags,
			   .call = (uint16_t)f->call,
			   .thread = f->thread,
			   .tid = 1000 + f->thread,
			   .stack = ft_stack(f->node),
			   .ticks = f->ticks,
			   .time_ns = f->ticks };

	memcpy(e.field, f->field, sizeof(e.field));
	return e;
}

static inline struct fold_event ft_to_fold(const struct ft_event *f)
{
	return (struct fold_event){ .kind = f->kind,
				    .flags = f->flags,
				    .call = f->call,
				    .node = f->node,
				    .thread = f->thread,
				    .tid = 1000 + f->thread,
				    .creator = f->creator,
				    .ticks = f->ticks,
				    .field = f->field };
}

static inline struct fold *ft_fold_new(uint64_t accounts_size)
{
	struct fold *f = calloc(1, sizeof(*f));

	assert(f);
	memset(&ft_recorder, 0, sizeof(ft_recorder));
	ft_recorder.header = &ft_header;
	ft_recorder.accounts = mmap(NULL, accounts_size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(ft_recorder.accounts != MAP_FAILED);
	ft_recorder.accounts_size = accounts_size;
	fold_tree_init(f);
	assert(!f->failed);
	return f;
}

/* What it has of memory stays. */
static inline void ft_fold_free(struct fold *f)
{
	munmap(ft_recorder.accounts, ft_recorder.accounts_size);
	free(f);
}

static inline void ft_fold_event(struct fold *f, const struct ft_event *event)
{
	struct fold_event e = ft_to_fold(event);

	fold_io_event(f, &f->io_state, &e);
	fold_lock_event(f, &f->lock_state, &e);
	fold_thread_event(f, &f->thread_state, &e);
	if (e.kind == LAR_EV_CPU)
		fold_cpu_event(f, &f->cpu_state, &e);
	f->events++;
	f->last_ticks = e.ticks;
}

/* Reads the checkpoint in the recorder's accounts. The caller's, for checkpoint_fini(). */
static inline void ft_read(struct checkpoint *c)
{
	char path[] = "/tmp/lariat-fold-XXXXXX";
	struct ringfile rf = { .fd = mkstemp(path), .size = ft_recorder.accounts_size };

	assert(rf.fd >= 0);
	unlink(path);
	for (uint64_t at = 0; at < rf.size; at += 65536)
		assert(pwrite(rf.fd, ft_recorder.accounts + at, 65536, (off_t)at) == 65536);
	rf.header.section_count = 1;
	rf.header.sections[0] = (struct lar_section){ .type = LAR_SECTION_ACCOUNTS,
						      .size = ft_recorder.accounts_size };
	assert(!checkpoint_init(c, &rf));
	assert(c->header.seq);
	close(rf.fd);
	c->node_count = FT_NODES;
	c->stack = calloc(FT_NODES, sizeof(*c->stack));
	assert(c->stack);
	for (uint32_t i = 0; i < FT_NODES; i++)
		c->stack[i] = ft_stack(i);
}

/* Writes a checkpoint and reads it. */
static inline void ft_checkpoint(struct fold *f, struct checkpoint *c)
{
	assert(fold_checkpoint(f));
	ft_read(c);
	assert(c->header.events == f->events);
}

/* Makes a checkpoint of tables that somebody else wrote. */
static inline void ft_write(const uint8_t *tables, size_t size)
{
	struct lar_checkpoint *to = (struct lar_checkpoint *)ft_recorder.accounts;
	struct lar_checkpoint h = { .seq = 1, .raw_size = size };

	h.comp_size =
		ZSTD_compress(to + 1, ft_recorder.accounts_size / 2 - sizeof(h), tables, size, 1);
	assert(!ZSTD_isError(h.comp_size));
	h.check = lar_checkpoint_check(&h);
	h.magic = LAR_CHECKPOINT_MAGIC;
	*to = h;
}

#endif
