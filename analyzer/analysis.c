/* SPDX-License-Identifier: MIT */
/* One trace through the models; see analysis.h. */
#include "analysis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap_line.h"
#include "heap_load.h"
#include "intake.h"
#include "io_load.h"
#include "io_thresholds.h"
#include "lock_load.h"
#include "thread_load.h"

#define MAX_TRIES 4 /* to read a file that is being written */

/*
 * The site of a stack under --by: its telling frame's function, file or module. Labels are told
 * apart by a 64-bit hash, FNV-1a.
 */
static uint32_t group_of_stack(void *arg, uint32_t stack)
{
	struct analysis *a = arg;
	const struct frame *frame;
	uint32_t n = frames_of_stack(a->frames, stack, &frame);
	const struct frame *lead = &frame[frames_lead(frame, n)];
	const char *label = a->context->by == CMD_BY_FUNCTION ? lead->function
			    : a->context->by == CMD_BY_FILE   ? lead->file
							      : lead->module_path;
	uint64_t hash = 0xcbf29ce484222325ull;
	uint32_t group;

	if (!label || !*label)
		label = "[unknown]";
	for (const char *p = label; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3ull;
	group = keymap_number(&a->group_map, hash);
	if (group == KEYMAP_NONE ||
	    array_reserve((void **)&a->group, &a->group_size, group, sizeof(*a->group)))
		return SITE_NONE;
	if (!a->group[group].label)
		a->group[group] = (struct analysis_group){ label, lead->module };
	return group;
}

/* The blocks that the checkpoint has are on pages, too. */
static int load_pages(struct analysis *a)
{
	const struct live_table *live = &a->heap->live;
	int err = 0;

	for (uint64_t i = 0; !err && live->count && i <= live->mask; i++)
		if (live->slots[i].address)
			err = growth_model_know(a->growth, &live->slots[i]);
	return err;
}

/*
 * The figures of the events that are in the checkpoint. They are of all the time up to its last
 * event: of a window that ends or begins within they say nothing.
 */
static int load_checkpoint(struct analysis *a)
{
	const struct checkpoint *c = trace_checkpoint(a->trace);
	uint64_t until = a->facts->folded_until_ns;
	int err = 0;

	if (!c)
		return 0;
	a->sums = !a->context->since_ns && a->context->until_ns >= until;
	a->window_cut = !a->sums && a->context->since_ns <= until;
	if (a->heap)
		err = heap_load(a->heap, c, a->sums);
	if (!err && a->growth && a->sums)
		err = load_pages(a);
	if (!err && a->heap && a->heap->line && a->context->since_ns < until)
		err = a->sums ? heap_line_load(a->heap, c, a->trace, until)
			      : heap_model_start_line(a->heap, until);
	if (!err && a->io && a->sums)
		err = io_load(a->io, c);
	if (!err && a->locks)
		err = lock_load(a->locks, c, a->sums);
	if (!err && a->threads)
		err = thread_load(a->threads, c, a->sums);
	if (!err && a->cpu && a->sums)
		err = cpu_model_load(a->cpu, c);
	return err;
}

/* The overview has no room for it. */
static bool wants_churn(const struct analysis *a)
{
	return a->parts & PART_HEAP && (a->parts == PART_HEAP || a->context->format != CMD_TEXT);
}

/* The part of the run whose events are there. */
static void concurrency_begin(struct analysis *a)
{
	uint64_t from = a->context->since_ns, until = a->facts->duration_ns;

	if (a->facts->events_folded && a->facts->folded_until_ns > from)
		from = a->facts->folded_until_ns;
	concurrency_init(&a->concurrency, from,
			 a->context->until_ns < until ? a->context->until_ns : until);
}

static int heap_models_new(struct analysis *a, const struct site_rule *rule)
{
	bool whole = !a->facts->header->sample_bytes;
	int err = 0;

	if (!(a->parts & (PART_HEAP | PART_LEAKS | PART_GROWTH)))
		return 0;
	a->heap = calloc(1, sizeof(*a->heap));
	if (!a->heap)
		return -ENOMEM;
	heap_model_init(a->heap, rule, a->context->since_ns);
	a->heap->sampling.period = a->facts->header->sample_bytes;
	if (a->parts & (PART_LEAKS | PART_GROWTH))
		err = heap_model_start_line(a->heap, a->context->since_ns);
	/* which page a block is on, and what a pool would have done, needs every block */
	if (!err && whole && a->parts & PART_GROWTH) {
		a->growth = calloc(1, sizeof(*a->growth));
		err = a->growth ? growth_model_init(a->growth, a->heap) : -ENOMEM;
	}
	if (!err && whole && wants_churn(a)) {
		a->churn = calloc(1, sizeof(*a->churn));
		a->sharing = calloc(1, sizeof(*a->sharing));
		err = a->churn && a->sharing ? churn_model_init(a->churn, a->heap) : -ENOMEM;
		if (!err)
			err = sharing_model_init(a->sharing, a->heap);
	}
	if (!err && !a->following && a->parts & PART_HEAP) {
		a->misuse = calloc(1, sizeof(*a->misuse));
		err = a->misuse ? misuse_model_init(a->misuse, a->heap, a->trace) : -ENOMEM;
	}
	return err;
}

/* A length of time in ticks, about. */
static uint64_t ticks_of(const struct analysis *a, uint64_t ns)
{
	uint64_t long_ns = trace_span_ns(a->trace, 1ull << 40);

	return long_ns ? (uint64_t)((double)ns * (double)(1ull << 40) / (double)long_ns) : ns;
}

static int io_model_new(struct analysis *a, const struct site_rule *rule)
{
	const struct cmd_context *c = a->context;
	uint32_t slowest = c->limit < IO_SLOWEST ? (uint32_t)c->limit : IO_SLOWEST;
	struct io_model *m = a->io = calloc(1, sizeof(*a->io));

	if (!m || io_model_init(m, rule, c->since_ns, slowest))
		return -ENOMEM;
	m->facts = a->facts;
	m->trace = a->trace;
	m->patterns.step_ticks = 1ull << (a->facts->header->time_shift & 63);
	m->overlaps.step_ticks = m->patterns.step_ticks;
	m->patterns.small_bytes = io_threshold(IO_THRESHOLD_send_bytes);
	m->patterns.delayed_ticks = ticks_of(a, io_threshold(IO_THRESHOLD_delayed_ns));
	m->unflushed_ticks = ticks_of(a, io_threshold(IO_THRESHOLD_unflushed_ns));
	m->patterns.slow_connect_ticks = ticks_of(a, io_threshold(IO_THRESHOLD_connect_ns));
	/* the kernel's figures are of the whole life */
	if (!c->since_ns && c->until_ns == UINT64_MAX)
		m->kernel_ticks = a->facts->header->kernel_ticks;
	return 0;
}

static int models_new(struct analysis *a)
{
	const struct cmd_context *c = a->context;
	struct site_rule rule = { .by_thread = c->by == CMD_BY_THREAD };

	if (c->by != CMD_BY_STACK && c->by != CMD_BY_THREAD) {
		rule.group = group_of_stack;
		rule.group_arg = a;
	}
	if (heap_models_new(a, &rule))
		return -ENOMEM;
	if (a->parts & PART_IO && io_model_new(a, &rule))
		return -ENOMEM;
	if (a->parts & PART_LOCKS) {
		a->locks = calloc(1, sizeof(*a->locks));
		if (!a->locks)
			return -ENOMEM;
		lock_model_init(a->locks, &rule, c->since_ns);
	}
	if (a->parts & PART_THREADS) {
		a->threads = calloc(1, sizeof(*a->threads));
		if (!a->threads)
			return -ENOMEM;
		thread_model_init(a->threads, c->since_ns);
		a->threads->sampling.period = a->facts->header->sample_bytes;
		concurrency_begin(a);
	}
	if (a->parts & PART_THREADS && a->facts->header->cpu_period_ns) {
		a->cpu = calloc(1, sizeof(*a->cpu));
		if (!a->cpu)
			return -ENOMEM;
		cpu_model_init(a->cpu, NULL, c->since_ns);
	}
	return 0;
}

void analysis_free(struct analysis *a)
{
	if (!a)
		return;
	trends_fini(&a->trends);
	leaks_fini(&a->leaks);
	equals_fini(&a->equals);
	if (a->growth)
		growth_model_fini(a->growth);
	if (a->churn)
		churn_model_fini(a->churn);
	if (a->sharing)
		sharing_model_fini(a->sharing);
	if (a->misuse)
		misuse_model_fini(a->misuse);
	if (a->heap)
		heap_model_fini(a->heap);
	if (a->io)
		io_model_fini(a->io);
	if (a->locks)
		lock_model_fini(a->locks);
	if (a->threads)
		thread_model_fini(a->threads);
	if (a->cpu)
		cpu_model_fini(a->cpu);
	free(a->growth);
	free(a->churn);
	free(a->sharing);
	free(a->misuse);
	free(a->heap);
	free(a->suppressed);
	free(a->io);
	free(a->locks);
	free(a->threads);
	free(a->cpu);
	keymap_fini(&a->group_map);
	free(a->group);
	frames_free(a->frames);
	if (a->trace)
		trace_close(a->trace);
	free(a);
}

static unsigned parts_recorded(const struct trace_facts *facts)
{
	uint32_t record = facts->header->record;

	return (record & LAR_RECORD_HEAP ? PART_HEAP | PART_LEAKS | PART_GROWTH : 0) |
	       (record & LAR_RECORD_IO ? PART_IO : 0) |
	       (record & LAR_RECORD_LOCKS ? PART_LOCKS : 0) |
	       (record & (LAR_RECORD_THREADS | LAR_RECORD_CPU) ? PART_THREADS : 0);
}

/* What the process may have: as told, or where it is known to be, on this machine. */
static void find_limit(struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	char host[256] = "";

	a->limit = (struct memlimit){ a->context->limit_bytes, "option" };
	if (a->limit.bytes)
		return;
	gethostname(host, sizeof(host) - 1);
	a->limit.source = "none";
	if (!strcmp(host, f->host))
		a->limit = memlimit_find("", f->running ? f->header->pid : 0);
}

/* "operator new[](unsigned long)" and kin, where a stack's innermost frames are of such functions:
 * the outermost of them. */
static const char *allocator_of(void *arg, uint32_t stack)
{
	struct analysis *a = arg;
	const struct frame *frame;
	uint32_t n = frames_of_stack(a->frames, stack, &frame);
	const char *name = NULL;

	for (uint32_t i = 0; i < n; i++) {
		const char *f = frame[i].function;

		if (strncmp(f, "operator new", 12) && strncmp(f, "operator delete", 15))
			break;
		name = f;
	}
	return name;
}

static int heap_finish(struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	struct trends_options o = { .ended = f->header->end == LAR_END_EXIT,
				    .duration_ns = f->duration_ns,
				    .lost_events = f->events_dropped + f->damage.events_at_least };
	int err = 0;

	heap_model_finish(a->heap);
	if (a->misuse) {
		misuse_model_finish(a->misuse);
		misuse_model_weigh(a->misuse, allocator_of, a);
	}
	if (a->growth)
		growth_model_finish(a->growth);
	if (a->churn)
		err = churn_model_finish(a->churn);
	if (!err && a->sharing)
		err = sharing_model_finish(a->sharing);
	if (!err && a->churn)
		err = equals_make(&a->equals, a->heap, trace_reach(a->trace),
				  f->header->time_shift);
	if (err || !a->heap->line)
		return err;
	find_limit(a);
	o.limit_bytes = a->limit.bytes;
	if (o.duration_ns > a->context->until_ns)
		o.duration_ns = a->context->until_ns;
	o.duration_ns -=
		a->heap->line->start_ns < o.duration_ns ? a->heap->line->start_ns : o.duration_ns;
	err = trends_make(&a->trends, a->heap, &o);
	if (!err && a->context->suppress)
		err = analysis_suppress(a, a->context->suppress);
	if (!err && a->parts & PART_LEAKS)
		err = leaks_make(&a->leaks, a->heap, trace_reach(a->trace), f->header->time_shift,
				 a->suppressed);
	return err;
}

/* All that comes before the events. */
static int analysis_begin(struct analysis *a)
{
	int err;

	a->facts = trace_facts(a->trace);
	a->recorded = a->parts & parts_recorded(a->facts);
	intake_init(a);
	a->frames = frames_new(a->trace, a->context->symbols);
	err = a->frames ? models_new(a) : -ENOMEM;
	return err ? err : load_checkpoint(a);
}

static int analysis_run(struct analysis *a)
{
	int err = analysis_begin(a);

	if (!err)
		err = intake_run(a, NULL);
	if (err)
		return err;
	if (a->heap)
		err = heap_finish(a);
	if (a->io)
		io_model_finish(a->io);
	if (a->locks && !err)
		err = lock_model_finish(a->locks);
	if (a->threads) {
		uint64_t end = a->facts->last_ticks;

		if (end > a->threads->last_ticks && a->context->until_ns == UINT64_MAX)
			a->threads->last_ticks = end;
		thread_model_finish(a->threads);
	}
	return err;
}

/* The analysis is there, for analysis_free(), whether or not that went well. */
static int analysis_open(const struct cmd_context *c, const char *path, unsigned parts,
			 struct analysis **out, struct trace_error *error)
{
	struct analysis *a = *out = calloc(1, sizeof(*a));

	memset(error, 0, sizeof(*error));
	if (!a)
		return -ENOMEM;
	a->context = c;
	a->parts = parts;
	return trace_open(path, &a->trace, error);
}

/* One look at the trace. */
static int analysis_try(const struct cmd_context *c, const char *path, unsigned parts,
			struct analysis **out, struct trace_error *error)
{
	int err = analysis_open(c, path, parts, out, error);

	return err ? err : analysis_run(*out);
}

static int analysis_failed(struct analysis **a, int err, struct trace_error *error)
{
	if (!*error->text)
		snprintf(error->text, sizeof(error->text), "%s, no report of it", strerror(-err));
	analysis_free(*a);
	*a = NULL;
	return err;
}

int analysis_new_following(const struct cmd_context *c, const char *path, unsigned parts,
			   struct analysis **out, struct trace_error *error)
{
	int err = analysis_open(c, path, parts, out, error);

	if (!err) {
		(*out)->following = true;
		err = analysis_begin(*out);
	}
	return err ? analysis_failed(out, err, error) : 0;
}

int analysis_follow(struct analysis *a, const struct trace_taker *rest)
{
	int err = intake_run(a, rest);

	if (!err && a->facts->events_stale)
		err = -ESTALE;
	return err;
}

int analysis_refresh(struct analysis *a)
{
	int err = trace_refresh(a->trace);

	return err ? err : frames_more(a->frames);
}

int analysis_new(const struct cmd_context *c, const char *path, unsigned parts,
		 struct analysis **out, struct trace_error *error)
{
	int err = 0;

	/* what a running process overwrote meanwhile is in a later checkpoint */
	for (int try = 0; try < MAX_TRIES; try++) {
		err = analysis_try(c, path, parts, out, error);
		if (err || !(*out)->facts->events_stale || try == MAX_TRIES - 1)
			break;
		analysis_free(*out);
	}
	return err ? analysis_failed(out, err, error) : 0;
}

bool analysis_partial(const struct analysis *a)
{
	const struct trace_facts *f = a->facts;

	return f->events_overwritten || f->events_dropped || f->damage.blocks ||
	       f->damage.records || a->window_cut || (a->heap && a->heap->total.unlisted);
}

const char *analysis_bypassed_by(const struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	const struct cmd_context *c = a->context;
	const struct heap_totals *t = a->heap ? &a->heap->total : NULL;

	/* of a part of the time nothing follows */
	if (f->bypassed_by || !t || c->since_ns || c->until_ns != UINT64_MAX || t->allocations ||
	    t->failed || t->frees || t->unpaired_frees)
		return f->bypassed_by;
	return f->other_malloc;
}

const char *analysis_end_name(const struct analysis *a)
{
	switch (a->facts->header->end) {
	case LAR_END_EXIT:
		return "exit";
	case LAR_END_SIGNAL:
		return "signal";
	case LAR_END_EXEC:
		return "exec";
	default:
		return a->facts->running ? "running" : "unknown";
	}
}

const struct trace_thread *analysis_thread(const struct analysis *a, uint32_t number)
{
	static const struct trace_thread unknown = { .name = "" };
	uint32_t count;
	const struct trace_thread *threads = trace_threads(a->trace, &count);

	return number && number < count ? &threads[number] : &unknown;
}
