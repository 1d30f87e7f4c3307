/* SPDX-License-Identifier: MIT */
/* CPU samples of a JSON report. */
#include <stdlib.h>

#include "cpu_functions.h"
#include "report_json.h"

static json_t *function_json(const struct analysis *a, const struct cpu_function *f)
{
	json_t *o = json_object();

	json_set(o, "function", json_text(f->function));
	json_set(o, "file", f->file ? json_text(f->file) : json_null());
	json_set(o, "module", json_text(f->module));
	json_set_u64(o, "self_samples", f->self);
	json_set_u64(o, "self_ns", cpu_ns_of(a, f->self));
	json_set_u64(o, "total_samples", f->total);
	json_set_u64(o, "total_ns", cpu_ns_of(a, f->total));
	return o;
}

static json_t *stack_json(struct analysis *a, const struct cpu_stack *s)
{
	json_t *o = json_object();

	json_set_stack(a, o, s->stack);
	json_set_u64(o, "samples", s->samples);
	json_set_u64(o, "kernel_samples", s->kernel);
	json_set_u64(o, "time_ns", cpu_ns_of(a, s->samples));
	return o;
}

static void set_functions(struct analysis *a, json_t *o)
{
	json_t *list = json_array();
	uint32_t count;
	struct cpu_function *f = cpu_functions(a, &count);

	json_set_u64(o, "function_count", count);
	for (uint32_t i = 0; i < count && i < a->context->limit; i++)
		json_array_append_new(list, function_json(a, &f[i]));
	free(f);
	json_set(o, "functions", list);
}

static void set_stacks(struct analysis *a, json_t *o)
{
	json_t *list = json_array();
	uint32_t count;
	struct cpu_stack *s = cpu_stacks(a, &count);

	json_set_u64(o, "site_count", count);
	for (uint32_t i = 0; i < count && i < a->context->limit; i++)
		json_array_append_new(list, stack_json(a, &s[i]));
	free(s);
	json_set(o, "sites", list);
}

json_t *json_cpu(struct analysis *a)
{
	uint64_t missed, recorder, cpu_ns;
	json_t *o = json_object();

	cpu_totals(a, &cpu_ns, &missed, &recorder);
	json_set_u64(o, "period_ns", a->facts->header->cpu_period_ns);
	json_set_u64(o, "cpu_ns", cpu_ns);
	json_set_u64(o, "samples", a->cpu->samples);
	json_set_u64(o, "kernel_samples", a->cpu->kernel);
	json_set_u64(o, "recorder_samples", recorder);
	json_set_u64(o, "missed", missed);
	set_functions(a, o);
	set_stacks(a, o);
	return o;
}

void json_set_cpu_split(const struct analysis *a, json_t *object, const struct thread_figures *t)
{
	struct cpu_split s = cpu_split_of(a, t);
	json_t *off = json_object();

	json_set_u64(object, "cpu_samples", t->samples);
	json_set_u64(object, "cpu_missed", t->missed);
	if (cpu_windowed(a)) {
		json_decref(off);
		json_set(object, "off_cpu", json_null());
		return;
	}
	json_set_u64(object, "life_ns", s.life_ns);
	json_set_u64(object, "work_ns", s.work_ns);
	json_set_u64(off, "lock_wait_ns", s.lock_ns);
	json_set_u64(off, "io_ns", s.io_ns);
	json_set_u64(off, "idle_ns", s.idle_ns);
	json_set_u64(off, "other_ns", s.other_ns);
	json_set(object, "off_cpu", off);
}
