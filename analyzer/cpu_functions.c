/* SPDX-License-Identifier: MIT */
/* CPU samples by function; see cpu_functions.h. */
#include "cpu_functions.h"

#include <stdlib.h>
#include <string.h>

struct table_of {
	struct keymap map; /* hash of function and module -> index */
	struct cpu_function *function;
	uint64_t *seen; /* by function: the last stack that it was found in, + 1 */
	uint32_t size, seen_size;
};

static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return (h ^ 0xff) * 0x100000001b3ull;
}

static uint32_t number_of(struct table_of *t, const struct frame *f)
{
	uint64_t key = hash_text(hash_text(0xcbf29ce484222325ull, f->function), f->module_path);
	uint32_t n = keymap_number(&t->map, key);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&t->function, &t->size, n, sizeof(*t->function)) ||
	    array_reserve((void **)&t->seen, &t->seen_size, n, sizeof(*t->seen)))
		return KEYMAP_NONE;
	if (!t->function[n].function) {
		t->function[n].function = f->function;
		t->function[n].file = f->file;
		t->function[n].module = f->module;
	}
	return n;
}

/* One stack's samples: the innermost frame's own, and each function's total, however often it is
 * there. */
static bool add_stack(struct table_of *t, const struct frame *frame, uint32_t count, uint64_t stack,
		      uint64_t samples)
{
	bool inner = true;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t n;

		if (!frame[i].real && i)
			continue;
		n = number_of(t, &frame[i]);
		if (n == KEYMAP_NONE)
			return false;
		if (inner)
			t->function[n].self += samples;
		inner = false;
		if (t->seen[n] != stack + 1)
			t->function[n].total += samples;
		t->seen[n] = stack + 1;
	}
	return true;
}

static int by_self(const void *x, const void *y)
{
	const struct cpu_function *a = x, *b = y;

	if (a->self != b->self)
		return a->self > b->self ? -1 : 1;
	if (a->total != b->total)
		return a->total > b->total ? -1 : 1;
	return strcmp(a->function, b->function);
}

static bool passes(const struct analysis *a, const struct cpu_function *f)
{
	const regex_t *re = a->context->filter_re;

	return !re || !regexec(re, f->function, 0, NULL, 0) ||
	       (f->file && !regexec(re, f->file, 0, NULL, 0)) ||
	       !regexec(re, f->module, 0, NULL, 0);
}

struct cpu_function *cpu_functions(struct analysis *a, uint32_t *count)
{
	const struct cpu_model *m = a->cpu;
	struct table_of t = { 0 };
	uint32_t kept = 0;
	bool whole = true;

	*count = 0;
	for (uint32_t i = 0; m && i < m->sites.count && whole; i++) {
		const struct frame *frame;
		uint32_t n = frames_of_stack(a->frames, m->sites.stack[i], &frame);

		whole = add_stack(&t, frame, n, i, m->site[i].samples);
	}
	for (uint32_t i = 0; i < t.map.count && whole; i++)
		if (passes(a, &t.function[i]))
			t.function[kept++] = t.function[i];
	keymap_fini(&t.map);
	free(t.seen);
	if (!whole) {
		free(t.function);
		return NULL;
	}
	if (kept)
		qsort(t.function, kept, sizeof(*t.function), by_self);
	*count = kept;
	return t.function;
}

/* Of all frames but the innermost the addresses, of that one the function. */
static uint64_t stack_key(struct analysis *a, uint32_t stack)
{
	const struct trace_frame *frame;
	const struct frame *named;
	uint64_t h = 0xcbf29ce484222325ull;
	uint32_t n = trace_stack(a->trace, stack, &frame);

	for (uint32_t i = 0; i + 1 < n; i++)
		h = (h ^ frame[i].address) * 0x9e3779b97f4a7c15ull ^ h >> 29;
	if (frames_of_stack(a->frames, stack, &named))
		h = hash_text(hash_text(h, named->function), named->module_path);
	return h;
}

static int by_samples(const void *x, const void *y)
{
	const struct cpu_stack *a = x, *b = y;

	if (a->samples != b->samples)
		return a->samples > b->samples ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

struct cpu_stack *cpu_stacks(struct analysis *a, uint32_t *count)
{
	const struct cpu_model *m = a->cpu;
	struct cpu_stack *all = calloc(m->sites.count + 1ull, sizeof(*all));
	const regex_t *re = a->context->filter_re;
	struct keymap map = { 0 };

	for (uint32_t i = 0; all && i < m->sites.count; i++) {
		uint32_t stack = m->sites.stack[i], n;

		if (re && !frames_match(a->frames, stack, re))
			continue;
		n = keymap_number(&map, stack_key(a, stack));
		if (n == KEYMAP_NONE)
			continue;
		all[n].samples += m->site[i].samples;
		all[n].kernel += m->site[i].kernel;
		if (m->site[i].samples > all[n].most) {
			all[n].most = m->site[i].samples;
			all[n].stack = stack;
		}
	}
	*count = map.count;
	keymap_fini(&map);
	if (*count)
		qsort(all, *count, sizeof(*all), by_samples);
	return all;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

struct cpu_split cpu_split_of(const struct analysis *a, const struct thread_figures *t)
{
	uint64_t start = trace_ns(a->trace, t->start_ticks), end = trace_ns(a->trace, t->end_ticks);
	struct cpu_split s = { .life_ns = less(end, start),
			       .work_ns = less(t->cpu_ns, t->cpu_before_ns) };

	s.lock_ns = less(trace_span_ns(a->trace, t->lock_wait_ticks), cpu_ns_of(a, t->in_locks));
	s.io_ns = less(trace_span_ns(a->trace, t->io_ticks), cpu_ns_of(a, t->in_io));
	s.idle_ns = less(trace_span_ns(a->trace, t->idle_ticks), cpu_ns_of(a, t->in_idle));
	s.other_ns = less(s.life_ns, s.work_ns + s.lock_ns + s.io_ns + s.idle_ns);
	return s;
}

void cpu_totals(const struct analysis *a, uint64_t *cpu_ns, uint64_t *missed, uint64_t *recorder)
{
	const struct thread_model *m = a->threads;

	*cpu_ns = m->others.cpu_ns;
	*missed = m->others.missed;
	*recorder = m->others.in_recorder;
	for (uint32_t i = 0; i < m->map.count; i++) {
		*cpu_ns += less(m->thread[i].cpu_ns, m->thread[i].cpu_before_ns);
		*missed += m->thread[i].missed;
		*recorder += m->thread[i].in_recorder;
	}
}
