/* SPDX-License-Identifier: MIT */
/* Follows one process; see top_process.h. */
#include "top_process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PARTS	  (PART_HEAP | PART_IO | PART_LOCKS | PART_THREADS)
#define MAX_TRIES 4 /* to read a file that is overwritten meanwhile */

struct top_process *top_process_new(const struct cmd_context *c, const char *path)
{
	struct top_process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->context = *c;
	/* no models beside those that the view shows */
	p->context.format = CMD_TEXT;
	p->context.progress = false;
	p->rest_place = &p->rest;
	p->path = strdup(path);
	if (p->path)
		return p;
	free(p);
	return NULL;
}

void top_process_free(struct top_process *p)
{
	if (!p)
		return;
	analysis_free(p->a);
	keymap_fini(&p->cell_map);
	free(p->cell);
	free(p->path);
	free(p);
}

struct top_cell top_process_cell(const struct top_process *p, uint64_t address)
{
	uint32_t n = keymap_find(&p->cell_map, address);

	return n == KEYMAP_NONE ? (struct top_cell){ 0, 0 } : p->cell[n];
}

/* Events behind the horizon will come again, but cells that were given up since are in them. */
static int take_rest(void *arg, const struct event *e)
{
	struct top_process *p = arg;
	uint32_t n;

	if (e->kind != LAR_EV_LOCKSUM)
		return 0;
	n = keymap_number(&p->cell_map, e->field[1]);
	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&p->cell, &p->cell_size, n, sizeof(*p->cell)))
		return -ENOMEM;
	p->cell[n].acquisitions += e->field[2];
	p->cell[n].hold_ticks += e->field[3];
	return 0;
}

static int follow(struct top_process *p)
{
	struct trace_taker rest = { .fn = take_rest, .arg = p, .place = &p->rest_place };

	keymap_fini(&p->cell_map);
	memset(&p->cell_map, 0, sizeof(p->cell_map));
	if (p->cell)
		memset(p->cell, 0, p->cell_size * sizeof(*p->cell));
	return analysis_follow(p->a, &rest);
}

/* Reads all there is: the first time, or where reading on is not possible. */
static int open_anew(struct top_process *p)
{
	struct stat st;
	int err;

	analysis_free(p->a);
	p->a = NULL;
	p->opened++;
	if (!stat(p->path, &st)) {
		p->dev = st.st_dev;
		p->ino = st.st_ino;
	}
	err = analysis_new_following(&p->context, p->path, PARTS, &p->a, &p->trouble);
	if (err || !p->a)
		return err;
	p->dropped = p->a->facts->events_dropped;
	err = follow(p);
	/* it may have ended while it was read: what it did last is there now */
	if (!err && !p->a->facts->running)
		err = analysis_refresh(p->a);
	if (!err && !p->a->facts->running)
		err = follow(p);
	return err;
}

static int read_on(struct top_process *p)
{
	int err = analysis_refresh(p->a);

	return err ? err : follow(p);
}

/* The file that the name stands for now: another one takes the place of the one that was read. */
static bool look_at_name(struct top_process *p)
{
	struct stat st;
	int rc = stat(p->path, &st);

	p->gone = rc && errno == ENOENT;
	return !rc && (st.st_dev != p->dev || st.st_ino != p->ino);
}

/*
 * The same trace in full, for figures that depend on the order of events to the last, and that have
 * nothing of what was seen before the recorder had to drop it.
 */
static int settle(struct top_process *p)
{
	bool dropped = p->a->facts->events_dropped != p->dropped;

	if ((!trace_followed_late(p->a->trace) && !dropped) || p->gone)
		return 0;
	return open_anew(p);
}

static uint64_t rounded(const struct sampling *s, uint64_t v)
{
	sampling_round(s, &v);
	return v;
}

static void total_heap(const struct heap_model *m, struct top_totals *t)
{
	const struct sampling *s = &m->sampling;

	t->allocations = rounded(s, m->total.allocations);
	t->allocated_bytes = rounded(s, m->total.allocated_bytes);
	t->frees = rounded(s, m->total.frees);
	t->freed_bytes = rounded(s, m->total.freed_bytes);
	t->live_blocks = rounded(s, m->total.live_blocks);
	t->live_bytes = rounded(s, m->total.live_bytes);
	t->peak_bytes = rounded(s, m->total.peak_bytes);
	if (!m->tick.rss_is_peak)
		t->rss_bytes = m->tick.rss_bytes;
}

static void total_io(const struct analysis *a, struct top_totals *t)
{
	for (unsigned op = 0; op < IO_OP_COUNT; op++) {
		const struct io_figures *f = &a->io->total[op];

		/* what a program asks of streams is not what they do */
		if (io_op_is_stdio((enum io_op)op))
			continue;
		t->io_calls += f->calls;
		t->io_bytes += f->bytes;
		t->io_time_ns += trace_span_ns(a->trace, f->latency.sum);
	}
	t->read_bytes = a->io->total[IO_READ].bytes;
	t->written_bytes = a->io->total[IO_WRITE].bytes;
}

static struct top_totals totals(const struct top_process *p)
{
	const struct analysis *a = p->a;
	struct top_totals t = { .at_ns = trace_ns(a->trace, trace_followed_ticks(a->trace)),
				.events = a->facts->events_written };

	total_heap(a->heap, &t);
	total_io(a, &t);
	t.acquisitions = a->locks->total.acquisitions;
	for (uint32_t i = 0; i < p->cell_map.count; i++)
		t.acquisitions += p->cell[i].acquisitions;
	t.contended = a->locks->total.contended;
	t.wait_ns = trace_span_ns(a->trace, a->locks->total.wait.sum);
	t.threads_created = a->threads->created;
	t.threads = a->threads->running;
	t.threads_peak = a->threads->peak;
	return t;
}

static void take_totals(struct top_process *p)
{
	p->last = p->now;
	p->now = totals(p);
	if (!p->refreshes++)
		p->first = p->now;
	/* the clock's rate is known better with time */
	if (p->now.at_ns < p->last.at_ns)
		p->now.at_ns = p->last.at_ns;
}

int top_process_refresh(struct top_process *p)
{
	bool replaced = look_at_name(p) && p->a;
	int err;

	if (p->ended && !replaced) {
		p->last = p->now;
		return 0;
	}
	if (replaced)
		memset(&p->now, 0, sizeof(p->now));
	p->ended = false;
	err = p->a && !replaced && !p->broken ? read_on(p) : open_anew(p);
	for (int try = 1; err == -ESTALE && try < MAX_TRIES && !p->gone; try++)
		err = open_anew(p);
	if (!err && !p->a->facts->running) {
		err = settle(p);
		p->ended = !err;
	}
	p->broken = err;
	if (err && (err == -ESTALE || !*p->trouble.text))
		snprintf(p->trouble.text, sizeof(p->trouble.text), "%s",
			 err == -ESTALE ? "overwritten faster than it can be read"
					: strerror(-err));
	if (err)
		p->last = p->now;
	else
		take_totals(p);
	return err;
}

const char *top_process_state(const struct top_process *p, char *buf, size_t size)
{
	const struct lar_header *h = p->a ? p->a->facts->header : NULL;

	if (!h)
		snprintf(buf, size, "cannot be read");
	else if (h->end == LAR_END_EXIT)
		snprintf(buf, size, "exited with %" PRId32, h->exit_code);
	else if (h->end == LAR_END_SIGNAL)
		snprintf(buf, size, "killed by signal %" PRId32, h->exit_code);
	else if (h->end == LAR_END_EXEC)
		snprintf(buf, size, "became another program");
	else if (h->end == LAR_END_DETACHED)
		snprintf(buf, size, "no longer recorded");
	else
		snprintf(buf, size, p->a->facts->running ? "running" : "ended, how is not known");
	return buf;
}
