/* SPDX-License-Identifier: MIT */
/* link: preload/fold_*.o preload/pool.o preload/sys.o analyzer/[!m]*.o analyzer/m[eio]*.o */
/*
 * I/O, locks and threads: what the recorder has folded of the first events, and the analyzer
 * counted of the rest, is what the analyzer counts of all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../preload/fold_rows.h"
#include "foldprogram.h"

static uint32_t in_pairs(void *arg, uint32_t stack)
{
	static uint32_t known[3 * FT_NODES], count;

	(void)arg;
	/* groups are numbered as they come */
	if (!known[stack / 6])
		known[stack / 6] = ++count;
	return known[stack / 6] - 1;
}

/* ---- comparing ---- */

#define SAME(field) assert_int_equal(a->field, b->field)

static void same_histogram(const struct histogram *a, const struct histogram *b)
{
	SAME(count);
	SAME(sum);
	SAME(min);
	SAME(max);
	for (unsigned q = 0; q <= 1000; q += 5)
		assert_int_equal(histogram_quantile(a, q), histogram_quantile(b, q));
}

/* b can have given up on the union, but says so. */
static void same_figures(const struct io_figures *a, const struct io_figures *b, uint32_t *exact)
{
	SAME(calls);
	SAME(bytes);
	SAME(errors);
	SAME(short_calls);
	same_histogram(&a->latency, &b->latency);
	assert_false(a->busy.at_least);
	if (b->busy.at_least) {
		assert_true(busy_time_sum(&b->busy) <= busy_time_sum(&a->busy));
		return;
	}
	assert_int_equal(busy_time_sum(&a->busy), busy_time_sum(&b->busy));
	*exact += a->calls != 0;
}

static void same_errnos(const struct io_errnos *a, const struct io_errnos *b)
{
	assert_true(!a == !b);
	if (!a)
		return;
	SAME(used);
	for (uint32_t i = 0; i < a->used; i++) {
		SAME(row[i].number);
		SAME(row[i].count);
	}
	SAME(others);
}

static void same_targets(const struct io_model *x, const struct io_model *y, uint32_t *exact)
{
	assert_int_equal(x->target_map.count, y->target_map.count);
	for (uint32_t i = 0; i < x->target_map.count; i++) {
		const struct io_target *a = &x->target[i], *b = &y->target[i];

		SAME(id);
		SAME(calls);
		SAME(bytes);
		SAME(errors);
		SAME(short_calls);
		SAME(time_ticks);
		for (unsigned d = 0; d < IO_TARGET_OPS; d++)
			same_figures(&a->op[d], &b->op[d], exact);
		same_errnos(a->errnos, b->errnos);
	}
}

static void same_sites(const struct sites *x, const struct sites *y)
{
	assert_int_equal(x->count, y->count);
	for (uint32_t i = 0; i < x->count; i++)
		assert_int_equal(x->stack[i], y->stack[i]);
}

static void same_io_sites(const struct io_model *x, const struct io_model *y)
{
	same_sites(&x->sites, &y->sites);
	for (uint32_t i = 0; i < x->sites.count; i++) {
		const struct io_site *a = &x->site[i], *b = &y->site[i];

		SAME(calls);
		SAME(bytes);
		SAME(errors);
		SAME(short_calls);
		SAME(time_ticks);
		SAME(read_bytes);
		SAME(written_bytes);
		SAME(target);
		SAME(more_targets);
		for (unsigned op = 0; op < IO_OP_COUNT; op++)
			SAME(by_op[op]);
		same_errnos(a->errnos, b->errnos);
		same_histogram(&a->latency, &b->latency);
	}
}

static void same_slowest(const struct io_model *x, const struct io_model *y)
{
	assert_int_equal(x->slow_count, y->slow_count);
	for (uint32_t i = 0; i < x->slow_count; i++) {
		const struct io_slow *a = &x->slow[i], *b = &y->slow[i];

		SAME(took_ticks);
		SAME(start_ticks);
		SAME(asked_bytes);
		SAME(result);
		SAME(stack);
		SAME(thread);
		SAME(target);
		SAME(fd);
		SAME(call);
	}
}

static void same_io(const struct io_model *x, const struct io_model *y, uint32_t *exact)
{
	for (unsigned op = 0; op < IO_OP_COUNT; op++)
		same_figures(&x->total[op], &y->total[op], exact);
	same_targets(x, y, exact);
	same_io_sites(x, y);
	same_slowest(x, y);
	assert_int_equal(x->error_map.count, y->error_map.count);
	for (uint32_t i = 0; i < x->error_map.count; i++) {
		const struct io_error *a = &x->error[i], *b = &y->error[i];

		SAME(op);
		SAME(number);
		SAME(count);
	}
}

static void same_lock_figures(const struct lock_figures *a, const struct lock_figures *b)
{
	SAME(acquisitions);
	SAME(contended);
	SAME(failed_try);
	SAME(timeouts);
	SAME(errors);
	SAME(cancelled);
	SAME(hold_ticks);
	SAME(hold_max_ticks);
	SAME(owner_died);
	SAME(waiters);
	SAME(owner_changes);
	same_histogram(&a->wait, &b->wait);
	same_histogram(&a->held, &b->held);
}

static void same_conditions(const struct lock_model *x, const struct lock_model *y)
{
	same_sites(&x->condition_sites, &y->condition_sites);
	for (uint32_t i = 0; i <= x->condition_sites.count + 1; i++) {
		uint32_t total = i - x->condition_sites.count;
		const struct condition_site *a = total == 0   ? &x->condition_total
						 : total == 1 ? &x->other_total
							      : &x->condition[i];
		const struct condition_site *b = total == 0   ? &y->condition_total
						 : total == 1 ? &y->other_total
							      : &y->condition[i];

		SAME(waits);
		SAME(signals);
		SAME(in_vain);
		SAME(timeouts);
		SAME(errors);
		SAME(cancelled);
		same_histogram(&a->wait, &b->wait);
	}
}

static void same_waits(const struct lock_waits *x, const struct lock_waits *y)
{
	assert_int_equal(x->blame_map.count, y->blame_map.count);
	for (uint32_t i = 0; i < x->blame_map.count; i++) {
		const struct lock_blame *a = &x->blame[i], *b = &y->blame[i];

		SAME(waits);
		SAME(holds);
		SAME(lock);
		SAME(count);
		SAME(ticks);
		SAME(most);
	}
	for (uint32_t i = 0; i < x->threads.count; i++) {
		const struct lock_waiting *a = &x->waiting[i], *b;
		uint32_t n = keymap_find(&y->threads, a->thread);

		assert_int_equal(n != KEYMAP_NONE && y->waiting[n].waits, a->waits);
		if (!a->waits)
			continue;
		b = &y->waiting[n];
		SAME(stack);
		SAME(call);
		SAME(address);
		SAME(since_ticks);
		SAME(holder_known);
		SAME(holder_stack);
	}
}

static void same_order(const struct lock_order *x, const struct lock_order *y)
{
	assert_int_equal(x->count, y->count);
	for (uint32_t i = 0; i < x->count; i++) {
		const struct lock_edge *a = &x->edge[i], *b = &y->edge[i];

		SAME(from);
		SAME(to);
		SAME(thread);
		SAME(held_stack);
		SAME(stack);
		SAME(from_shared);
		SAME(to_shared);
		SAME(set_size);
	}
	assert_int_equal(x->circles, y->circles);
}

static void same_locks(const struct lock_model *x, const struct lock_model *y)
{
	same_lock_figures(&x->total, &y->total);
	assert_int_equal(x->shared, y->shared);
	assert_memory_equal(x->signals, y->signals, sizeof(x->signals));
	assert_memory_equal(x->in_vain, y->in_vain, sizeof(x->in_vain));
	same_waits(&x->waits, &y->waits);
	same_order(&x->order, &y->order);
	assert_int_equal(x->unowned_unlocks, y->unowned_unlocks);
	assert_int_equal(x->unowned_stack, y->unowned_stack);
	assert_int_equal(x->abandoned, y->abandoned);
	assert_int_equal(x->abandoned_stack, y->abandoned_stack);
	assert_int_equal(x->lock_count, y->lock_count);
	for (uint32_t i = 0; i < x->lock_count; i++) {
		const struct lock_one *a = &x->lock[i], *b = &y->lock[i];

		SAME(address);
		SAME(call);
		SAME(first_site);
		SAME(shared);
		SAME(life);
		SAME(instance);
		same_lock_figures(&a->f, &b->f);
	}
	same_sites(&x->sites, &y->sites);
	for (uint32_t i = 0; i < x->sites.count; i++) {
		const struct lock_site *a = &x->site[i], *b = &y->site[i];

		SAME(lock);
		SAME(more_locks);
		SAME(caused);
		SAME(caused_ticks);
		same_lock_figures(&a->f, &b->f);
	}
	same_conditions(x, y);
}

static void same_work(const struct thread_figures *a, const struct thread_figures *b)
{
	SAME(cpu_ns);
	SAME(allocations);
	SAME(allocated_bytes);
	SAME(io_calls);
	SAME(io_bytes);
	SAME(io_ticks);
	SAME(lock_waits);
	SAME(lock_wait_ticks);
	SAME(idle_ticks);
	SAME(idle.waits);
	SAME(idle.weight);
	SAME(idle.where);
	SAME(idle.call);
	SAME(stack_used);
	SAME(samples);
	SAME(missed);
	SAME(in_recorder);
	SAME(cpu_before_ns);
	/* of a call that is under way the checkpoint does not know which samples are in it */
	assert_true(b->in_io <= a->in_io && a->in_io <= b->in_io + 50);
	assert_true(b->in_locks <= a->in_locks && a->in_locks <= b->in_locks + 50);
	assert_true(b->in_idle <= a->in_idle && a->in_idle <= b->in_idle + 50);
}

static void same_samples(const struct cpu_model *x, const struct cpu_model *y)
{
	assert_true(x->samples > 100);
	assert_int_equal(x->samples, y->samples);
	assert_int_equal(x->kernel, y->kernel);
	same_sites(&x->sites, &y->sites);
	for (uint32_t i = 0; i < x->sites.count; i++) {
		assert_int_equal(x->site[i].samples, y->site[i].samples);
		assert_int_equal(x->site[i].kernel, y->site[i].kernel);
	}
}

static void same_threads(const struct thread_model *x, const struct thread_model *y)
{
	assert_int_equal(x->created, y->created);
	assert_int_equal(x->create_failures, y->create_failures);
	assert_int_equal(x->peak, y->peak);
	assert_int_equal(x->peak_at_ticks, y->peak_at_ticks);
	assert_int_equal(x->running, y->running);
	assert_int_equal(thread_model_unjoined(x), thread_model_unjoined(y));
	assert_int_equal(x->map.count, y->map.count);
	for (uint32_t i = 0; i < x->map.count; i++) {
		const struct thread_figures *a = &x->thread[i], *b = &y->thread[i];

		SAME(number);
		SAME(tid);
		SAME(stack);
		SAME(created);
		SAME(started);
		SAME(ended);
		SAME(joined);
		SAME(detached);
		SAME(start_ticks);
		SAME(end_ticks);
		same_work(a, b);
		/* the thread's record names its creator, too */
		if (a->creator)
			SAME(creator);
	}
}

/* ---- tests ---- */

static void compare(unsigned seed, const struct site_rule *rule, uint32_t *exact)
{
	struct models all, both;

	make_events(seed, 6000);
	models_init(&all, rule);
	models_take(&all, 0, events);
	for (uint32_t split = 0; split <= events; split += 1 + any(events / 8)) {
		/* with room for many spans of a union, and for few */
		struct fold *f = ft_fold_new(split % 2 ? FT_ACCOUNTS : 1u << 20);

		for (uint32_t i = 0; i < split; i++)
			ft_fold_event(f, &event[i]);
		models_init(&both, rule);
		models_load(&both, f);
		models_take(&both, split, events);
		same_io(&all.io, &both.io, exact);
		same_locks(&all.locks, &both.locks);
		same_threads(&all.threads, &both.threads);
		same_samples(&all.cpu, &both.cpu);
		models_fini(&both);
		ft_fold_free(f);
	}
	models_fini(&all);
}

static void folded_and_counted(void **state)
{
	uint32_t exact = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++)
		compare(seed, NULL, &exact);
	assert_true(exact > 1000);
}

static void by_group(void **state)
{
	struct site_rule rule = { .group = in_pairs };
	uint32_t exact = 0;

	(void)state;
	compare(9, &rule, &exact);
}

/* One operation at a time: unions are exact, however many there are. */
static void union_of_one_after_another(void **state)
{
	struct fold *f = ft_fold_new(FT_ACCOUNTS);
	struct models all, both;
	uint32_t exact = 0;

	(void)state;
	events = 0;
	now = 1000;
	for (uint32_t i = 0; i < 20000; i++) {
		struct ft_event *e = add(LAR_EV_IO, 0, i % 3 ? LAR_CALL_read : LAR_CALL_write, 1);

		e->ticks = now += 100;
		e->field[1] = i % 97;
		e->field[2] = lar_fd_target(3, i % 5);
	}
	for (uint32_t i = 0; i < 15000; i++)
		ft_fold_event(f, &event[i]);
	models_init(&all, NULL);
	models_take(&all, 0, events);
	models_init(&both, NULL);
	models_load(&both, f);
	models_take(&both, 15000, events);
	same_io(&all.io, &both.io, &exact);
	assert_int_equal(exact, 2 + 2 * 5);
	models_fini(&all);
	models_fini(&both);
	ft_fold_free(f);
}

static uint64_t rows_of(const struct checkpoint *c, enum lar_table table)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, table, &r);
	return r.left;
}

/* No more of the slowest are listed than are sure to be among them. */
static void slowest_of_a_full_table(void **state)
{
	struct fold *f = ft_fold_new(1u << 17);
	uint32_t most = fold_rows_most();
	struct models m;

	(void)state;
	events = 0;
	now = 100000;
	for (uint32_t i = 0; i < 4 * most; i++)
		add(LAR_EV_IO, 0, LAR_CALL_read, 1)->field[1] = i < 3 * most ? 100 + i : i % 10;
	for (uint32_t i = 0; i < 3 * most; i++)
		ft_fold_event(f, &event[i]);
	assert_true(io_model_init(&m.io, NULL, 0, 2 * most) == 0);
	lock_model_init(&m.locks, NULL, 0);
	thread_model_init(&m.threads, 0);
	cpu_model_init(&m.cpu, NULL, 0);
	models_load(&m, f);
	models_take(&m, 3 * most, 4 * most);
	assert_int_equal(m.io.slow_count, most);
	for (uint32_t i = 0; i < most; i++)
		assert_int_equal(m.io.slow[i].took_ticks, 100 + 3 * most - 1 - i);
	models_fini(&m);
	ft_fold_free(f);
}

/* Each thread its own file, lock and stack, and gone. */
static void one_of_many(struct fold *f, uint32_t number)
{
	struct ft_event *e;

	events = 0;
	e = add(LAR_EV_THREAD_CREATE, 0, LAR_CALL_pthread_create, 1);
	e->field[2] = number;
	e = add(LAR_EV_IO, 0, LAR_CALL_read, number);
	e->node = number;
	e->field[1] = 1 + number % 1000;
	e->field[2] = lar_fd_target(3, number);
	e->field[3] = 10;
	e = add(LAR_EV_LOCK, LAR_LOCK_FIRST | LAR_LOCK_CONTENDED, LAR_CALL_pthread_mutex_lock,
		number);
	e->node = number;
	e->field[1] = 7;
	e->field[2] = 16 * number;
	e = add(LAR_EV_LOCKSUM, 0, LAR_CALL_pthread_mutex_lock, number);
	e->field[1] = 16 * number;
	e->field[2] = 3;
	e = add(LAR_EV_LOCK, 0, LAR_CALL_pthread_cond_wait, number);
	e->node = number;
	e->field[1] = 5;
	e = add(LAR_EV_CPU, 0, 0, number);
	e->node = number;
	e->field[1] = 9;
	e = add(LAR_EV_THREAD_END, 0, 0, number);
	e->field[1] = number;
	e->field[2] = 11;
	e = add(LAR_EV_THREAD_JOIN, 0, LAR_CALL_pthread_join, 1);
	e->field[2] = number;
	for (uint32_t i = 0; i < events; i++)
		ft_fold_event(f, &event[i]);
}

static void many_in_little_room(void **state)
{
	enum { MANY = 20000, ROOM = 1u << 17 };
	struct fold *f = ft_fold_new(ROOM);
	uint32_t most = fold_rows_most();
	uint64_t reads = 0, acquired = 0, cpu = 0, samples;
	struct checkpoint c;
	struct models m;

	(void)state;
	now = 1;
	for (uint32_t i = 2; i < MANY + 2; i++)
		one_of_many(f, i);
	assert_false(f->failed);
	ft_checkpoint(f, &c);
	/* a share of the room, however large the rest is */
	assert_true(c.header.comp_size < ROOM / 2 / 2);
	for (enum lar_table t = LAR_TABLE_THREADS; t <= LAR_TABLE_CONDITIONS; t++)
		assert_true(rows_of(&c, t) <= most + 1);
	models_init(&m, NULL);
	models_load(&m, f);
	assert_int_equal(m.io.total[IO_READ].calls, MANY);
	for (uint32_t i = 0; i < m.io.target_map.count; i++)
		reads += m.io.target[i].op[IO_TARGET_READ].bytes;
	assert_int_equal(reads, 10 * MANY);
	assert_int_equal(m.io.target_map.count, most + 1);
	for (uint32_t i = 0; i < m.locks.sites.count; i++)
		acquired += m.locks.site[i].f.acquisitions;
	assert_int_equal(acquired, 3 * MANY);
	assert_int_equal(m.locks.total.wait.sum, 7 * MANY);
	assert_int_equal(m.locks.condition_total.waits, MANY);
	/* the first thread, and one of the others at a time */
	assert_int_equal(m.threads.peak, 2);
	assert_int_equal(m.threads.running, 1);
	assert_int_equal(m.threads.created, MANY);
	assert_int_equal(thread_model_unjoined(&m.threads), 0);
	assert_int_equal(m.threads.gone + m.threads.map.count, MANY + 1);
	assert_true(keymap_find(&m.threads.map, 1) != KEYMAP_NONE);
	samples = m.threads.others.samples;
	for (uint32_t i = 0; i < m.threads.map.count; i++) {
		cpu += m.threads.thread[i].cpu_ns;
		samples += m.threads.thread[i].samples;
	}
	assert_int_equal(cpu + m.threads.others.cpu_ns, 11 * MANY);
	assert_int_equal(samples, MANY);
	assert_int_equal(m.cpu.samples, MANY);
	assert_int_equal(m.cpu.sites.count, most + 1);
	models_fini(&m);
	checkpoint_fini(&c);
	ft_fold_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_and_counted),
		cmocka_unit_test(by_group),
		cmocka_unit_test(union_of_one_after_another),
		cmocka_unit_test(slowest_of_a_full_table),
		cmocka_unit_test(many_in_little_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
