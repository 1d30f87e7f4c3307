/* SPDX-License-Identifier: MIT */
/* Several traces in one view; see family.h. */
#include "family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"

static void figures_of(const struct analysis *a, struct family_figures *f)
{
	if (a->heap) {
		f->allocations = a->heap->total.allocations;
		f->allocated_bytes = a->heap->total.allocated_bytes;
		f->frees = a->heap->total.frees;
		f->freed_bytes = a->heap->total.freed_bytes;
		f->live_blocks = a->heap->total.live_blocks;
		f->live_bytes = a->heap->total.live_bytes;
	}
	if (a->io) {
		for (unsigned op = 0; op < IO_OP_COUNT; op++)
			f->io_calls += a->io->total[op].calls;
		f->read_bytes = a->io->total[IO_READ].bytes;
		f->written_bytes = a->io->total[IO_WRITE].bytes;
	}
	if (a->locks) {
		f->acquisitions = a->locks->total.acquisitions;
		f->contended = a->locks->total.contended;
		f->lock_wait_ns = trace_span_ns(a->trace, a->locks->total.wait.sum);
	}
	if (a->threads)
		f->threads_created = a->threads->created;
}

static void figures_add(struct family_figures *sum, const struct family_figures *f)
{
	sum->allocations += f->allocations;
	sum->allocated_bytes += f->allocated_bytes;
	sum->frees += f->frees;
	sum->freed_bytes += f->freed_bytes;
	sum->live_blocks += f->live_blocks;
	sum->live_bytes += f->live_bytes;
	sum->io_calls += f->io_calls;
	sum->read_bytes += f->read_bytes;
	sum->written_bytes += f->written_bytes;
	sum->acquisitions += f->acquisitions;
	sum->contended += f->contended;
	sum->lock_wait_ns += f->lock_wait_ns;
	sum->threads_created += f->threads_created;
}

int family_add(struct family *f, const struct analysis *a)
{
	const struct lar_header *h = a->facts->header;
	struct family_member *grown = reallocarray(f->member, f->count + 1, sizeof(*grown)), *m;

	if (!grown)
		return -ENOMEM;
	f->member = grown;
	m = &grown[f->count];
	*m = (struct family_member){ .pid = h->pid,
				     .parent_pid = h->parent_pid,
				     .start_ns = h->start_unix_ns,
				     .parent_start_ns = h->parent_start_ns,
				     .duration_ns = a->facts->duration_ns,
				     .ended = (enum lar_end)h->end,
				     .exit_code = h->exit_code,
				     .end = analysis_end_name(a),
				     .command = strdup(a->facts->command ? a->facts->command : ""),
				     .file = strdup(a->facts->path),
				     .parent = FAMILY_NONE };
	if (!m->command || !m->file) {
		free(m->command);
		free(m->file);
		return -ENOMEM;
	}
	figures_of(a, &m->own);
	figures_add(&f->all, &m->own);
	f->parts |= a->recorded;
	f->count++;
	return 0;
}

void family_fini(struct family *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->member[i].command);
		free(f->member[i].file);
	}
	free(f->member);
	memset(f, 0, sizeof(*f));
}

static int by_start(const void *x, const void *y)
{
	const struct family_member *a = x, *b = y;

	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static struct path_process process_of(const struct family_member *m)
{
	return (struct path_process){ m->pid, m->parent_pid, m->start_ns, m->parent_start_ns,
				      m->ended == LAR_END_EXEC };
}

/* Whom member i was, or else the last one that may have started it. */
static size_t parent_of(const struct family *f, size_t i)
{
	struct path_process self = process_of(&f->member[i]);
	size_t parent = FAMILY_NONE;

	for (size_t k = i; k-- > 0;) {
		struct path_process before = process_of(&f->member[k]);
		int how = path_descends(&self, &before);

		if (how == 2)
			return k;
		if (how && parent == FAMILY_NONE)
			parent = k;
	}
	return parent;
}

/* Puts member i and those below it behind what is there; the order of start is kept. */
static void put_below(const struct family *f, size_t i, size_t parent, unsigned depth,
		      struct family_member *to, size_t *at)
{
	size_t self = (*at)++;

	to[self] = f->member[i];
	to[self].parent = parent;
	to[self].depth = depth;
	for (size_t k = i + 1; k < f->count; k++)
		if (f->member[k].parent == i)
			put_below(f, k, self, depth + 1, to, at);
}

int family_link(struct family *f)
{
	struct family_member *ordered = calloc(f->count + 1, sizeof(*ordered));
	size_t at = 0;

	if (!ordered)
		return -ENOMEM;
	if (f->count)
		qsort(f->member, f->count, sizeof(*f->member), by_start);
	for (size_t i = 0; i < f->count; i++)
		f->member[i].parent = parent_of(f, i);
	for (size_t i = 0; i < f->count; i++)
		if (f->member[i].parent == FAMILY_NONE)
			put_below(f, i, FAMILY_NONE, 0, ordered, &at);
	free(f->member);
	f->member = ordered;
	return 0;
}
