/* SPDX-License-Identifier: MIT */
/* `lariat dump`: decoded events as JSON lines. */
#include <errno.h>
#include <string.h>

#include "eachtrace.h"
#include "frames.h"
#include "jsonline.h"

/* What a field of an event is called and how its word is meant. */
enum dump_form {
	FORM_NUMBER = 1,
	FORM_SIGNED,
	FORM_TICKS,  /* a length of time, shown in ns */
	FORM_TARGET, /* descriptor and its target */
	FORM_TRIES,  /* failed tries, changes of owner */
};

struct dump_field {
	const char *name;
	enum dump_form form;
};

/* By kind, the fields behind the time; FORMAT.md has their meaning. */
static const struct dump_field dump_fields[LAR_EV_MAX][LAR_EVENT_MAX_FIELDS - 1] = {
	[LAR_EV_THREAD] = { { NULL, 0 }, { NULL, 0 }, { "creator", FORM_NUMBER } },
	[LAR_EV_ALLOC] = { { "address", FORM_NUMBER }, { "size", FORM_NUMBER } },
	[LAR_EV_FREE] = { { "address", FORM_NUMBER }, { "size", FORM_NUMBER } },
	[LAR_EV_REALLOC] = { { "duration_ns", FORM_TICKS },
			     { "old_address", FORM_NUMBER },
			     { "address", FORM_NUMBER },
			     { "size", FORM_NUMBER } },
	[LAR_EV_MAP] = { { "duration_ns", FORM_TICKS },
			 { "address", FORM_NUMBER },
			 { "size", FORM_NUMBER },
			 { "old_address", FORM_NUMBER },
			 { "old_size", FORM_NUMBER },
			 { "result", FORM_SIGNED } },
	[LAR_EV_IO] = { { "duration_ns", FORM_TICKS },
			{ "fd", FORM_TARGET },
			{ "result", FORM_SIGNED },
			{ "size", FORM_NUMBER },
			{ "offset", FORM_SIGNED } },
	[LAR_EV_LOCK] = { { "wait_ns", FORM_TICKS },
			  { "address", FORM_NUMBER },
			  { "result", FORM_NUMBER } },
	[LAR_EV_LOCKSUM] = { { "address", FORM_NUMBER },
			     { "acquisitions", FORM_NUMBER },
			     { "hold_ns", FORM_TICKS },
			     { "hold_max_ns", FORM_TICKS },
			     { "failed_try", FORM_TRIES },
			     { "caller", FORM_NUMBER } },
	[LAR_EV_LOCKHOLDS] = { { "address", FORM_NUMBER },
			       { "caller", FORM_NUMBER },
			       { "first_bucket", FORM_NUMBER },
			       { "buckets_0", FORM_NUMBER },
			       { "buckets_4", FORM_NUMBER },
			       { "buckets_8", FORM_NUMBER } },
	[LAR_EV_LOCKORDER] = { { "address", FORM_NUMBER },
			       { "held_address", FORM_NUMBER },
			       { "caller", FORM_NUMBER },
			       { "held", FORM_NUMBER } },
	[LAR_EV_LOCKWAIT] = { { "address", FORM_NUMBER },
			      { "other_thread", FORM_NUMBER },
			      { "caller", FORM_NUMBER } },
	[LAR_EV_THREAD_CREATE] = { { "duration_ns", FORM_TICKS },
				   { "other_thread", FORM_NUMBER },
				   { "result", FORM_NUMBER } },
	[LAR_EV_THREAD_START] = { { "other_thread", FORM_NUMBER } },
	[LAR_EV_CPU] = { { "cpu_ns", FORM_NUMBER }, { "count", FORM_NUMBER } },
	[LAR_EV_THREAD_END] = { { "other_thread", FORM_NUMBER }, { "cpu_ns", FORM_NUMBER } },
	[LAR_EV_THREAD_STACK] = { { "other_thread", FORM_NUMBER },
				  { "stack_bytes", FORM_NUMBER },
				  { "used_bytes", FORM_NUMBER } },
	[LAR_EV_THREAD_JOIN] = { { "duration_ns", FORM_TICKS },
				 { "other_thread", FORM_NUMBER },
				 { "result", FORM_NUMBER } },
	[LAR_EV_PROCESS] = { { "duration_ns", FORM_TICKS },
			     { "child_pid", FORM_NUMBER },
			     { "result", FORM_SIGNED } },
	[LAR_EV_TICK] = { { "rss_bytes", FORM_NUMBER },
			  { "heap_bytes", FORM_NUMBER },
			  { "mapped_bytes", FORM_NUMBER },
			  { "threads", FORM_NUMBER } },
};

struct dump {
	const struct cmd_context *c;
	struct trace *trace;
	const struct trace_facts *facts;
	struct frames *frames; /* for --filter */
	struct jsonline line, stack;
	uint32_t stack_id; /* whose text is in `stack` */
	uint64_t left;	   /* of --limit */
};

static void put_number(struct jsonline *j, const char *key, uint64_t value)
{
	jsonline_key(j, key);
	jsonline_unsigned(j, value);
}

static void put_target(struct dump *d, uint64_t word)
{
	uint32_t target = (uint32_t)(word >> 32);
	struct jsonline *j = &d->line;

	jsonline_key(j, "fd");
	jsonline_signed(j, (int32_t)word);
	put_number(j, "target", target);
	jsonline_key(j, "target_name");
	jsonline_string(j, target < d->facts->target_count ? d->facts->targets[target].name : "");
}

/* A first use tells which life of the lock it is of where others have the time that they waited. */
static bool is_life(const struct event *e, unsigned f)
{
	return e->kind == LAR_EV_LOCK && !f &&
	       (e->flags & (LAR_LOCK_FIRST | LAR_LOCK_CONTENDED)) == LAR_LOCK_FIRST;
}

/* What was asked of streams: the number of calls is where others have the bytes asked for. */
static bool is_calls(const struct event *e, unsigned f)
{
	return e->kind == LAR_EV_IO && f == 3 && lar_io_is_stdio(call_operation(e->call));
}

static void put_fields(struct dump *d, const struct event *e)
{
	struct jsonline *j = &d->line;

	for (unsigned f = 0; f < LAR_EVENT_MAX_FIELDS - 1; f++) {
		const struct dump_field *field = &dump_fields[e->kind][f];
		uint64_t value = e->field[f + 1];

		if (!field->name)
			continue;
		if (field->form == FORM_TARGET) {
			put_target(d, value);
			continue;
		}
		if (field->form == FORM_TRIES) {
			put_number(j, field->name, (uint32_t)value);
			put_number(j, "owner_changes", value >> 32);
			continue;
		}
		if (is_life(e, f)) {
			put_number(j, "life", value);
			continue;
		}
		jsonline_key(j, is_calls(e, f) ? "calls" : field->name);
		if (field->form == FORM_SIGNED)
			jsonline_signed(j, (int64_t)value);
		else if (field->form == FORM_TICKS)
			jsonline_unsigned(j, trace_span_ns(d->trace, value));
		else
			jsonline_unsigned(j, value);
	}
}

static void put_flags(struct dump *d, const struct event *e)
{
	static const struct {
		uint8_t kind, flag;
		const char *name;
	} rows[] = {
		{ LAR_EV_LOCK, LAR_LOCK_CONTENDED, "contended" },
		{ LAR_EV_LOCK, LAR_LOCK_FIRST, "first" },
		{ LAR_EV_LOCK, LAR_LOCK_TRY, "try" },
		{ LAR_EV_LOCK, LAR_LOCK_UNOWNED, "unowned" },
		{ LAR_EV_LOCK, LAR_LOCK_NO_CELL, "no_cell" },
		{ LAR_EV_LOCK, LAR_LOCK_HELD, "held" },
		{ LAR_EV_LOCKSUM, LAR_LOCKSUM_ONE, "one_hold" },
		{ LAR_EV_IO, LAR_IO_NO_TARGET, "no_target" },
		{ LAR_EV_TICK, LAR_TICK_MOST, "most" },
		{ LAR_EV_THREAD_CREATE, LAR_THREAD_DETACHED, "detached" },
		{ LAR_EV_CPU, LAR_CPU_KERNEL, "kernel" },
		{ LAR_EV_CPU, LAR_CPU_RECORDER, "recorder" },
		{ LAR_EV_CPU, LAR_CPU_CLOCK, "clock" },
		{ LAR_EV_CPU, LAR_CPU_BLOCKED, "blocked" },
		{ LAR_EV_PROCESS, LAR_PROCESS_CHILD, "child" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].kind != e->kind || !(e->flags & rows[i].flag))
			continue;
		jsonline_key(&d->line, rows[i].name);
		jsonline_bool(&d->line, true);
	}
}

static void put_frame(struct dump *d, const struct trace_frame *f)
{
	struct jsonline *j = &d->stack;

	jsonline_open(j, '{');
	if (f->address == LAR_RA_CUT || f->address == LAR_RA_INCOMPLETE) {
		jsonline_key(j, f->address == LAR_RA_CUT ? "cut" : "incomplete");
		jsonline_bool(j, true);
	} else {
		put_number(j, "address", f->address);
		jsonline_key(j, "module");
		if (f->module == UINT32_MAX) {
			jsonline_null(j);
		} else {
			const struct trace_module *m = &d->facts->modules[f->module];

			jsonline_string(j, m->path);
			put_number(j, "offset", f->address - m->bias);
		}
	}
	jsonline_close(j, '}');
}

/* The stack, innermost frame first; the text of the last one is kept. */
static void put_stack(struct dump *d, uint32_t id)
{
	const struct trace_frame *frames;
	uint32_t n;

	if (d->stack_id != id || !d->stack.size) {
		jsonline_clear(&d->stack);
		n = trace_stack(d->trace, id, &frames);
		jsonline_open(&d->stack, '[');
		while (n-- > 0)
			put_frame(d, &frames[n]);
		jsonline_close(&d->stack, ']');
		d->stack_id = id;
	}
	jsonline_key(&d->line, "stack");
	jsonline_raw(&d->line, &d->stack);
}

static void put_event(struct dump *d, const struct event *e)
{
	struct jsonline *j = &d->line;
	char kind[32];
	size_t n = 0;

	for (const char *s = event_kind_name(e->kind); *s && n < sizeof(kind) - 1; s++)
		kind[n++] = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
	kind[n] = 0;
	jsonline_clear(j);
	jsonline_open(j, '{');
	if (d->c->path_count > 1) {
		jsonline_key(j, "file");
		jsonline_string(j, d->facts->path);
	}
	put_number(j, "time_ns", e->time_ns);
	jsonline_key(j, "kind");
	jsonline_string(j, kind);
	put_number(j, "thread", e->thread);
	put_number(j, "tid", e->tid);
	if (e->call) {
		const char *name = call_name(e->call);

		jsonline_key(j, "call");
		if (*name)
			jsonline_string(j, name);
		else
			jsonline_unsigned(j, e->call); /* of a later version */
	}
	put_fields(d, e);
	put_flags(d, e);
	if (lar_event_shapes[e->kind].has_stack)
		put_stack(d, e->stack);
	jsonline_close(j, '}');
}

static int take_event(void *arg, const struct event *e)
{
	struct dump *d = arg;
	const struct cmd_context *c = d->c;

	if (!d->left)
		return 1;
	/* no events: what a thread is in, its CPU time so far */
	if ((e->kind == LAR_EV_LOCKWAIT || e->kind == LAR_EV_CPU) && e->flags & TRACE_FROM_CELL)
		return 0;
	if (e->time_ns < c->since_ns || e->time_ns > c->until_ns)
		return 0;
	if (c->filter_re && (!e->stack || !frames_match(d->frames, e->stack, c->filter_re)))
		return 0;
	put_event(d, e);
	if (d->line.failed || d->stack.failed)
		return -ENOMEM;
	jsonline_write(&d->line, c->out);
	d->left--;
	return ferror(c->out) ? 1 : 0;
}

static int dump_trace(const struct cmd_context *c, struct trace *t, void *arg)
{
	struct dump *d = arg;
	int rc;

	d->trace = t;
	d->facts = trace_facts(t);
	d->stack.size = 0;
	if (c->filter_re) {
		d->frames = frames_new(t, c->symbols);
		if (!d->frames)
			return -ENOMEM;
	}
	rc = trace_all_events(t, true, take_event, d);
	frames_free(d->frames);
	d->frames = NULL;
	return rc;
}

int cmd_dump(const struct cmd_context *c)
{
	struct dump d = { .c = c, .left = c->limit_given ? c->limit : UINT64_MAX };
	int code = each_trace(c, dump_trace, &d);

	jsonline_fini(&d.line);
	jsonline_fini(&d.stack);
	return code;
}
