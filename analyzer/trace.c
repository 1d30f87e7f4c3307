/* SPDX-License-Identifier: MIT */
/* Opens a trace and gathers its facts; see trace.h. */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alive.h"
#include "folded.h"
#include "trace_impl.h"

#define HELD_UP_NS 20000000u /* between an event's time and its commit: a block is sealed */

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

void trace_count_lost_block(struct trace *t, struct ring_block *b, int rc)
{
	struct trace_facts *f = &t->facts;
	uint64_t events;

	if (b->lost)
		return;
	b->lost = true;
	f->blocks_kept--;
	/* what is in the checkpoint is not lost */
	events = b->events - b->folded;
	if (!events)
		return;
	f->events_kept -= events;
	if (rc == -ESTALE) {
		f->events_overwritten = add_saturated(f->events_overwritten, events);
		f->events_stale = add_saturated(f->events_stale, events);
		return;
	}
	f->damage.blocks++;
	f->damage.events_at_least = add_saturated(f->damage.events_at_least, events);
}

/*
 * Finds the slots whose records a block of the ring holds already: the writer was stopped between
 * the block's commit and the slot's. A block that cannot be decoded does not count, the slot has
 * the same records.
 */
static int drop_sealed_slots(struct trace *t)
{
	struct raw_records raw = { 0 };
	int rc = 0;

	for (size_t i = 0; i < t->staging.count && !rc; i++) {
		struct staging_slot *s = &t->staging.slots[i];
		struct ring_block *b;
		uint32_t skipped;

		if (!s->word_count)
			continue;
		b = ringindex_find(&t->ring, s->index, s->seq);
		if (!b)
			continue;
		if (b->folded == b->events) {
			s->sealed = true;
			continue;
		}
		rc = unblock_read(&t->unblock, &t->file, b, &raw, &skipped);
		s->sealed = rc == 0 || rc == -ESTALE;
		b->lost = !s->sealed;
		if (rc != -ENOMEM)
			rc = 0;
	}
	free(raw.words);
	return rc;
}

/* Was the block being written when the process ended? Then a slot still has all its events. */
static bool in_slot(const struct trace *t, uint64_t events)
{
	for (size_t i = 0; i < t->staging.count; i++)
		if (!t->staging.slots[i].sealed && t->staging.slots[i].events == events)
			return true;
	return false;
}

/* Blocks that the header counts and the scan did not find. */
static void count_missing_end(struct trace *t)
{
	const struct lar_header *h = &t->file.header;
	struct trace_facts *f = &t->facts;
	uint64_t blocks = 0, events = 0;

	/* in a live file the newest may have come since the scan */
	if (f->running)
		return;
	if (t->ring.count) {
		const struct ring_block *last = &t->ring.blocks[t->ring.count - 1];

		blocks = last->seq + 1;
		events = add_saturated(last->events_before, last->events);
	}
	if (h->ring_blocks <= blocks)
		return;
	blocks = h->ring_blocks - blocks;
	events = h->ring_events > events ? h->ring_events - events : 0;
	/* the writer counts a block just before its commit */
	if (blocks == 1 && (!events || in_slot(t, events)))
		return;
	f->damage.blocks = add_saturated(f->damage.blocks, blocks);
	f->damage.events_at_least = add_saturated(f->damage.events_at_least, events);
}

static void count_events(struct trace *t)
{
	static const uint8_t dropping[] = { LAR_LOST_NO_SLOT, LAR_LOST_NESTED, LAR_LOST_RING_BUSY,
					    LAR_LOST_EARLY, LAR_LOST_OFF };
	struct trace_facts *f = &t->facts;

	f->damage.blocks = add_saturated(t->ring.gap_blocks, t->ring.refused);
	f->damage.events_at_least = t->ring.gap_events;
	f->damage.records = t->staging.damaged + t->dictionary.damaged + t->file.header_damage +
			    t->checkpoint.damaged;
	for (size_t i = 0; i < t->ring.count; i++) {
		const struct ring_block *b = &t->ring.blocks[i];

		if (b->lost)
			continue;
		f->blocks_kept++;
		f->events_kept += b->events - b->folded;
		if (b->last_ticks > t->last_ticks)
			t->last_ticks = b->last_ticks;
	}
	for (size_t i = 0; i < t->staging.count; i++) {
		const struct staging_slot *s = &t->staging.slots[i];

		if (s->sealed)
			continue;
		f->events_kept += s->events - s->folded;
		if (s->last_ticks > t->last_ticks)
			t->last_ticks = s->last_ticks;
	}
	count_missing_end(t);
	folded_count(t); /* behind all that is missing: what a checkpoint has of that is known */
	for (size_t i = 0; i < sizeof(dropping); i++)
		f->events_dropped =
			add_saturated(f->events_dropped, t->file.header.lost[dropping[i]]);
	f->events_written = add_saturated(f->events_kept, f->events_overwritten);
	f->events_written = add_saturated(f->events_written, f->events_folded);
	f->events_written = add_saturated(f->events_written, f->damage.events_at_least);
}

static void measure_time(struct trace *t)
{
	const struct lar_header *h = &t->file.header;
	const struct lar_clock_pair *last = tickclock_last_pair(h);
	char host[256] = "";

	if (last && last->ticks > t->last_ticks)
		t->last_ticks = last->ticks;
	if (h->end != LAR_END_NONE && h->end_ticks > t->last_ticks)
		t->last_ticks = h->end_ticks;
	if (t->dictionary.last_ticks > t->last_ticks)
		t->last_ticks = t->dictionary.last_ticks;
	if (t->checkpoint.header.seq && t->checkpoint.header.last_ticks > t->last_ticks)
		t->last_ticks = t->checkpoint.header.last_ticks;
	if (t->facts.running && tickclock_now(h) > t->last_ticks)
		t->last_ticks = tickclock_now(h);
	t->facts.last_ticks = t->last_ticks;
	gethostname(host, sizeof(host) - 1);
	tickclock_init(&t->clock, h, !strcmp(host, t->dictionary.host));
	t->facts.duration_ns = tickclock_ns(&t->clock, t->last_ticks);
	if (t->checkpoint.header.seq)
		t->facts.folded_until_ns = tickclock_ns(&t->clock, t->checkpoint.header.last_ticks);
}

/* What the reader has to say about the trace, as a note behind the recorder's own. */
static int add_reader_notes(struct trace *t)
{
	static const char here[] = "the recorder left one reading of the clock only: times are "
				   "converted with this machine's rate";
	static const char unknown[] = "the recorder left one reading of the clock only: a tick is "
				      "taken as a nanosecond, times are not to be relied on";
	int rc = 0;

	if (t->clock.origin == TICKCLOCK_THIS_HOST)
		rc = dictionary_note(&t->dictionary, here, sizeof(here));
	else if (t->clock.origin == TICKCLOCK_UNKNOWN)
		rc = dictionary_note(&t->dictionary, unknown, sizeof(unknown));
	return rc == -ENOMEM ? rc : 0;
}

static void fill_facts(struct trace *t)
{
	const struct dictionary *d = &t->dictionary;
	struct trace_facts *f = &t->facts;

	f->header = &t->file.header;
	f->clock_estimated =
		t->clock.origin == TICKCLOCK_THIS_HOST || t->clock.origin == TICKCLOCK_UNKNOWN;
	f->path = t->path;
	f->command = d->command;
	f->executable = d->executable;
	f->host = d->host;
	f->cwd = d->cwd;
	f->argv = d->argv;
	f->argc = d->argc;
	f->file_bytes = t->file.size;
	f->disk_bytes = t->file.disk_bytes;
	f->modules = d->modules;
	f->module_count = d->module_count;
	f->targets = d->targets;
	f->target_count = d->target_count;
	f->notes = (const char *const *)d->notes;
	f->note_count = d->note_count;
	f->misuses = d->misuses;
	f->misuse_count = d->misuse_count;
	f->bypassed_by = d->bypassed_by;
	f->other_malloc = d->other_malloc;
}

/*
 * What was recorded before `now`, which was before the file was read, is in what was read, but for
 * an event whose thread was held up between its look at the clock and its commit.
 */
static void set_horizon(struct trace *t, uint64_t now)
{
	/* the processor's clock has 1 to 5 ticks a nanosecond; a shorter time is no mistake */
	uint64_t slack = t->file.header.clock_source == LAR_CLOCK_TSC ? 3 * HELD_UP_NS : HELD_UP_NS;

	t->follow.horizon = !t->facts.running ? UINT64_MAX : now > slack ? now - slack : 0;
}

/* Reads all but the events of an open file; the order keeps a live file's parts consistent. */
static int read_tables(struct trace *t)
{
	uint64_t now = tickclock_now(&t->file.header);
	int rc = staging_init(&t->staging, &t->file);

	/* blocks after slots, so that a slot sealed in between is seen twice and not missed */
	if (!rc)
		rc = ringindex_init(&t->ring, &t->file);
	/* before the ring gives up a block, its events are in a checkpoint */
	if (!rc)
		rc = checkpoint_init(&t->checkpoint, &t->file);
	if (!rc)
		rc = reach_init(&t->reach, &t->file);
	/* the dictionary last: it is written before what refers to it */
	ringfile_refresh(&t->file);
	if (!rc)
		rc = dictionary_init(&t->dictionary, &t->file);
	if (!rc)
		rc = modmap_init(&t->modmap, t->dictionary.modules, t->dictionary.module_count,
				 t->file.header.time_shift);
	if (!rc)
		rc = path_memo_init(&t->memo);
	if (!rc)
		rc = stacks_init(&t->stacks);
	if (!rc)
		rc = folded_stacks(t);
	if (!rc)
		rc = unblock_init(&t->unblock);
	if (!rc)
		folded_mark(t);
	if (!rc)
		rc = drop_sealed_slots(t);
	if (rc)
		return rc;
	t->facts.running = alive_check(&t->file);
	if (t->facts.running)
		t->follow.started = alive_started(t->file.header.pid);
	set_horizon(t, now);
	count_events(t);
	measure_time(t);
	rc = add_reader_notes(t);
	fill_facts(t);
	return rc;
}

int trace_open(const char *path, struct trace **out, struct trace_error *error)
{
	struct trace *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	error->offset = 0;
	error->text[0] = 0;
	if (t) {
		t->file.fd = -1;
		t->path = strdup(path);
	}
	if (t && t->path) {
		rc = ringfile_open(&t->file, path, error);
		if (!rc)
			rc = read_tables(t);
	}
	if (rc) {
		if (!error->text[0])
			snprintf(error->text, sizeof(error->text), "cannot be read: %s",
				 strerror(-rc));
		trace_close(t);
		return rc;
	}
	*out = t;
	return 0;
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	follow_fini(&t->follow);
	unblock_fini(&t->unblock);
	stacks_fini(&t->stacks);
	modmap_fini(&t->modmap);
	path_memo_fini(&t->memo);
	dictionary_fini(&t->dictionary);
	checkpoint_fini(&t->checkpoint);
	reach_fini(&t->reach);
	ringindex_fini(&t->ring);
	staging_fini(&t->staging);
	ringfile_close(&t->file);
	free(t->path);
	free(t);
}

/* What the file has, whoever took it: where an earlier look counted more, that stands. */
static void recount_events(struct trace *t)
{
	struct trace_facts *f = &t->facts;
	uint64_t overwritten = f->events_overwritten, folded = f->events_folded;
	struct trace_damage damage = f->damage;
	uint64_t written = 0;

	f->events_kept = f->blocks_kept = f->events_dropped = 0;
	f->events_stale = 0;
	count_events(t);
	f->events_overwritten = overwritten;
	f->events_folded = folded;
	f->damage = damage;
	if (t->ring.count)
		written = add_saturated(t->ring.blocks[t->ring.count - 1].events_before,
					t->ring.blocks[t->ring.count - 1].events);
	for (size_t i = 0; i < t->staging.count; i++)
		if (!t->staging.slots[i].sealed)
			written = add_saturated(written, t->staging.slots[i].events);
	f->events_written = written;
}

static bool still_runs(const struct trace *t)
{
	const struct lar_header *h = &t->file.header;

	return t->follow.started && (h->end == LAR_END_NONE || h->end == LAR_END_DETACHED) &&
	       alive_started(h->pid) == t->follow.started;
}

/* The order is that of read_tables(), whether the process lives is asked before. */
static int reread_tables(struct trace *t)
{
	uint64_t now = tickclock_now(&t->file.header);
	int rc;

	ringfile_refresh(&t->file);
	t->facts.running = still_runs(t);
	set_horizon(t, now);
	rc = staging_init(&t->staging, &t->file);
	if (!rc)
		rc = ringindex_init(&t->ring, &t->file);
	ringfile_refresh(&t->file);
	if (!rc)
		rc = dictionary_more(&t->dictionary, &t->file);
	if (!rc)
		rc = modmap_init(&t->modmap, t->dictionary.modules, t->dictionary.module_count,
				 t->file.header.time_shift);
	if (!rc)
		rc = path_memo_init(&t->memo);
	if (!rc)
		rc = follow_mark(&t->follow, &t->ring, &t->staging);
	return rc ? rc : drop_sealed_slots(t);
}

int trace_refresh(struct trace *t)
{
	int rc;

	staging_fini(&t->staging);
	ringindex_fini(&t->ring);
	modmap_fini(&t->modmap);
	path_memo_fini(&t->memo);
	rc = follow_begin(&t->follow, &t->checkpoint);
	if (!rc)
		rc = reread_tables(t);
	if (rc)
		return rc;
	recount_events(t);
	measure_time(t);
	fill_facts(t);
	return 0;
}

uint64_t trace_followed_ticks(const struct trace *t)
{
	return t->follow.horizon == UINT64_MAX ? t->last_ticks : t->follow.reached;
}

uint64_t trace_followed_late(const struct trace *t)
{
	return t->follow.late;
}

const struct trace_facts *trace_facts(const struct trace *t)
{
	return &t->facts;
}

const struct checkpoint *trace_checkpoint(const struct trace *t)
{
	return t->checkpoint.header.seq ? &t->checkpoint : NULL;
}

const struct reach *trace_reach(const struct trace *t)
{
	return &t->reach;
}

uint64_t trace_ns(const struct trace *t, uint64_t ticks)
{
	return tickclock_ns(&t->clock, ticks);
}

uint64_t trace_span_ns(const struct trace *t, uint64_t ticks)
{
	return tickclock_span_ns(&t->clock, ticks);
}

uint32_t trace_stack(struct trace *t, uint32_t stack, const struct trace_frame **frames)
{
	return stacks_frames(&t->stacks, stack, frames);
}

uint32_t trace_stack_count(const struct trace *t)
{
	return t->stacks.count;
}

struct trace_frame trace_stack_leaf(const struct trace *t, uint32_t stack)
{
	const struct stacks_node *n = &t->stacks.nodes[stack < t->stacks.count ? stack : 0];

	return (struct trace_frame){ n->address, n->module };
}

uint32_t trace_module_in_stacks(const struct trace *t, uint32_t module)
{
	return module < t->dictionary.module_count ? t->modmap.same[module].module : module;
}

const struct trace_thread *trace_threads(const struct trace *t, uint32_t *count)
{
	*count = t->dictionary.thread_count;
	return t->dictionary.threads;
}
