/* SPDX-License-Identifier: MIT */
/* The lists of the parts and the orders that --sort knows; see analysis.h. */
#include <stddef.h>
#include <string.h>

#include "analysis.h"

/* Bytes that libc's loader reads of a library (struct filebuf): the rest is mapped. */
#define LOADER_READS 832

const struct sort_key heap_sort_keys[] = {
	{ "allocated_bytes", offsetof(struct heap_site, allocated_bytes) },
	{ "allocations", offsetof(struct heap_site, allocations) },
	{ "peak_bytes", offsetof(struct heap_site, peak_bytes) },
	{ "at_peak_bytes", offsetof(struct heap_site, at_peak_bytes) },
	{ "live_bytes", offsetof(struct heap_site, live_bytes) },
	{ "live_blocks", offsetof(struct heap_site, live_blocks) },
	{ "temporary_allocations", offsetof(struct heap_site, temporary) },
	{ "frees", offsetof(struct heap_site, frees) },
	{ "failed", offsetof(struct heap_site, failed) },
	{ NULL, 0 },
};

const struct sort_key leak_sort_keys[] = {
	{ "bytes", offsetof(struct leak_site, bytes) },
	{ "blocks", offsetof(struct leak_site, blocks) },
	{ NULL, 0 },
};

int heap_rank_sites(struct analysis *a, struct ranking *r)
{
	const struct heap_model *m = a->heap;
	struct rankable what = { .array = m->site,
				 .stride = sizeof(*m->site),
				 .count = m->sites_ready,
				 .keys = heap_sort_keys,
				 .sites = &m->sites,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

int leak_rank_sites(struct analysis *a, struct ranking *r)
{
	struct rankable what = { .array = a->leaks.entry,
				 .stride = sizeof(*a->leaks.entry),
				 .count = a->leaks.count,
				 .keys = leak_sort_keys,
				 .sites = &a->heap->sites,
				 .site_of = offsetof(struct leak_site, site),
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

const struct sort_key trend_sort_keys[] = {
	{ "trend", offsetof(struct site_trend, order) },
	{ "growth_bytes", offsetof(struct site_trend, growth_bytes) },
	{ "live_bytes", offsetof(struct site_trend, live_bytes) },
	{ NULL, 0 },
};

int trend_rank_sites(struct analysis *a, struct ranking *r)
{
	struct rankable what = { .array = a->trends.site,
				 .stride = sizeof(*a->trends.site),
				 .count = a->trends.count,
				 .keys = trend_sort_keys,
				 .sites = &a->heap->sites,
				 .site_of = offsetof(struct site_trend, site),
				 .needed = offsetof(struct site_trend, listed) };

	return analysis_rank(a, &what, r);
}

static int churn_rank(struct analysis *a, size_t key, struct ranking *r)
{
	const struct sort_key keys[] = { { "", key }, { NULL, 0 } };
	struct rankable what = { .array = a->churn ? a->churn->site : NULL,
				 .stride = sizeof(*a->churn->site),
				 .count = a->churn ? a->heap->sites.count : 0,
				 .keys = keys,
				 .sites = &a->heap->sites,
				 .needed = key };

	return analysis_rank(a, &what, r);
}

int pool_rank_sites(struct analysis *a, struct ranking *r)
{
	return churn_rank(a, offsetof(struct churn_site, pool_order), r);
}

int arena_rank_sites(struct analysis *a, struct ranking *r)
{
	return churn_rank(a, offsetof(struct churn_site, arena_order), r);
}

int reserve_rank_sites(struct analysis *a, struct ranking *r)
{
	return churn_rank(a, offsetof(struct churn_site, reserve_order), r);
}

int sharing_rank_sites(struct analysis *a, struct ranking *r)
{
	static const struct sort_key keys[] = { { "", offsetof(struct sharing_site, order) },
						{ NULL, 0 } };
	struct rankable what = { .array = a->sharing ? a->sharing->site : NULL,
				 .stride = sizeof(*a->sharing->site),
				 .count = a->sharing ? a->heap->sites.count : 0,
				 .keys = keys,
				 .sites = &a->heap->sites,
				 .needed = offsetof(struct sharing_site, order) };

	return analysis_rank(a, &what, r);
}

int equals_rank_sites(struct analysis *a, struct ranking *r)
{
	static const struct sort_key keys[] = { { "", offsetof(struct equals_site, order) },
						{ NULL, 0 } };
	struct rankable what = { .array = a->equals.site,
				 .stride = sizeof(*a->equals.site),
				 .count = a->equals.site_count,
				 .keys = keys,
				 .sites = &a->heap->sites,
				 .needed = offsetof(struct equals_site, order) };

	return analysis_rank(a, &what, r);
}

int equals_rank_groups(struct analysis *a, struct ranking *r)
{
	static const struct sort_key keys[] = { { "", offsetof(struct equals_group, order) },
						{ NULL, 0 } };
	struct rankable what = { .array = a->equals.group,
				 .stride = sizeof(*a->equals.group),
				 .count = a->equals.groups,
				 .keys = keys,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

const struct sort_key io_sort_keys[] = {
	{ "time_ns", offsetof(struct io_site, time_ticks) },
	{ "calls", offsetof(struct io_site, calls) },
	{ "bytes", offsetof(struct io_site, bytes) },
	{ "errors", offsetof(struct io_site, errors) },
	{ "short", offsetof(struct io_site, short_calls) },
	{ NULL, 0 },
};

static const struct sort_key io_target_sort_keys[] = {
	{ "time_ns", offsetof(struct io_target, time_ticks) },
	{ "calls", offsetof(struct io_target, calls) },
	{ "bytes", offsetof(struct io_target, bytes) },
	{ "errors", offsetof(struct io_target, errors) },
	{ "short", offsetof(struct io_target, short_calls) },
	{ NULL, 0 },
};

int io_rank_targets(struct analysis *a, struct ranking *r)
{
	const struct io_model *m = a->io;
	struct rankable what = { .array = m->target,
				 .stride = sizeof(*m->target),
				 .count = m->target_map.count,
				 .keys = io_target_sort_keys,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

int io_rank_sites(struct analysis *a, struct ranking *r)
{
	const struct io_model *m = a->io;
	struct rankable what = { .array = m->site,
				 .stride = sizeof(*m->site),
				 .count = m->sites.count,
				 .keys = io_sort_keys,
				 .sites = &m->sites,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

uint64_t io_seen_bytes(const struct analysis *a)
{
	const struct lar_header *h = a->facts->header;
	uint64_t kernel = h->kernel_read_bytes + h->kernel_written_bytes, seen = a->io->seen_bytes;

	if (!a->io->kernel_ticks || kernel <= seen)
		return seen;
	if (h->loaded_objects >= (kernel - seen) / LOADER_READS)
		return kernel - (kernel - seen) % LOADER_READS;
	return seen + h->loaded_objects * LOADER_READS;
}

uint64_t io_thread_wall_ns(const struct analysis *a, const struct io_wall_thread *t)
{
	uint64_t start = trace_ns(a->trace, t->first_ticks),
		 end = trace_ns(a->trace, t->last_ticks);

	if (t->number == 1) {
		start = 0;
		end = a->facts->duration_ns > end ? a->facts->duration_ns : end;
	}
	/* as long as its waits are known */
	if (a->facts->events_folded && start < a->facts->folded_until_ns)
		start = a->facts->folded_until_ns;
	if (start < a->context->since_ns)
		start = a->context->since_ns;
	if (end > a->context->until_ns)
		end = a->context->until_ns;
	return end > start ? end - start : 0;
}

const char *io_error_name(uint32_t number)
{
	const char *name = strerrorname_np((int)number);

	return name ? name : "unknown";
}

const struct sort_key lock_sort_keys[] = {
	{ "wait_ns", offsetof(struct lock_site, f.wait.sum) },
	{ "contended", offsetof(struct lock_site, f.contended) },
	{ "acquisitions", offsetof(struct lock_site, f.acquisitions) },
	{ "hold_ns", offsetof(struct lock_site, f.hold_ticks) },
	{ "failed_try", offsetof(struct lock_site, f.failed_try) },
	{ "timeouts", offsetof(struct lock_site, f.timeouts) },
	{ NULL, 0 },
};

static const struct sort_key one_lock_sort_keys[] = {
	{ "wait_ns", offsetof(struct lock_one, f.wait.sum) },
	{ "contended", offsetof(struct lock_one, f.contended) },
	{ "acquisitions", offsetof(struct lock_one, f.acquisitions) },
	{ "hold_ns", offsetof(struct lock_one, f.hold_ticks) },
	{ "failed_try", offsetof(struct lock_one, f.failed_try) },
	{ "timeouts", offsetof(struct lock_one, f.timeouts) },
	{ NULL, 0 },
};

static const struct sort_key condition_sort_keys[] = {
	{ "wait_ns", offsetof(struct condition_site, wait.sum) },
	{ NULL, 0 },
};

int lock_rank_sites(struct analysis *a, struct ranking *r)
{
	const struct lock_model *m = a->locks;
	struct rankable what = { .array = m->site,
				 .stride = sizeof(*m->site),
				 .count = m->sites.count,
				 .keys = lock_sort_keys,
				 .sites = &m->sites,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

int lock_rank_locks(struct analysis *a, struct ranking *r)
{
	const struct lock_model *m = a->locks;
	struct rankable what = { .array = m->lock,
				 .stride = sizeof(*m->lock),
				 .count = m->lock_count,
				 .keys = one_lock_sort_keys,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

int lock_rank_conditions(struct analysis *a, struct ranking *r)
{
	const struct lock_model *m = a->locks;
	struct rankable what = { .array = m->condition,
				 .stride = sizeof(*m->condition),
				 .count = m->condition_sites.count,
				 .keys = condition_sort_keys,
				 .sites = &m->condition_sites,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

/* By time, whatever --sort says. */
int lock_rank_blame(struct analysis *a, struct ranking *r)
{
	static const struct sort_key by_time[] = {
		{ "wait_ns", offsetof(struct lock_blame, ticks) },
		{ NULL, 0 },
	};
	const struct lock_waits *w = &a->locks->waits;
	struct rankable what = { .array = w->blame,
				 .stride = sizeof(*w->blame),
				 .count = w->blame_map.count,
				 .keys = by_time,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}

int lock_rank_causes(struct analysis *a, struct ranking *r)
{
	static const struct sort_key by_time[] = {
		{ "caused_wait_ns", offsetof(struct lock_site, caused_ticks) },
		{ NULL, 0 },
	};
	const struct lock_model *m = a->locks;
	struct rankable what = { .array = m->site,
				 .stride = sizeof(*m->site),
				 .count = m->sites.count,
				 .keys = by_time,
				 .sites = &m->sites,
				 .needed = offsetof(struct lock_site, caused) };

	return analysis_rank(a, &what, r);
}

const struct sort_key thread_sort_keys[] = {
	{ "cpu_ns", offsetof(struct thread_figures, cpu_ns) },
	{ "allocations", offsetof(struct thread_figures, allocations) },
	{ "allocated_bytes", offsetof(struct thread_figures, allocated_bytes) },
	{ "io_calls", offsetof(struct thread_figures, io_calls) },
	{ "io_bytes", offsetof(struct thread_figures, io_bytes) },
	{ "io_time_ns", offsetof(struct thread_figures, io_ticks) },
	{ "lock_wait_ns", offsetof(struct thread_figures, lock_wait_ticks) },
	{ NULL, 0 },
};

struct thread_pool *analysis_pools(const struct analysis *a, uint32_t *count)
{
	/* as many ticks as THREAD_BRIEF_NS are, from a length of time long enough to be exact */
	uint64_t long_ns = trace_span_ns(a->trace, 1ull << 40);
	uint64_t brief = long_ns ? (uint64_t)((double)THREAD_BRIEF_NS * (double)(1ull << 40) /
					      (double)long_ns)
				 : THREAD_BRIEF_NS;

	return thread_model_pools(a->threads, brief, count);
}

/* Without --sort in the order of their numbers, which is that of their creation. */
int thread_rank(struct analysis *a, struct ranking *r)
{
	static const struct sort_key by_number[] = {
		{ "number", offsetof(struct thread_figures, number_order) },
		{ NULL, 0 },
	};
	const struct thread_model *m = a->threads;
	struct rankable what = { .array = m->thread,
				 .stride = sizeof(*m->thread),
				 .count = m->map.count,
				 .keys = a->context->sort ? thread_sort_keys : by_number,
				 .needed = RANK_ALL };

	return analysis_rank(a, &what, r);
}
