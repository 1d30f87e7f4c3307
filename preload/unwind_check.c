/* SPDX-License-Identifier: MIT */
/* Stacks against an independent unwinder; see unwind_check.h. */
#include "unwind_check.h"

#ifdef LAR_UNWIND_CHECK

#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <stdbool.h>
#include <stddef.h>

#include "note.h"
#include "pool.h"
#include "recorder.h"
#include "sys.h"
#include "unwind.h"

#define CHECK_DEPTH 1024
#define CHECK_SHOWN 5
/* libunwind takes a hundred times as long: all stacks of a thread at first, then some */
#define CHECK_ALL  10000
#define CHECK_SOME 17
#define STRING_(x) #x
#define STRING(x)  STRING_(x)

static struct {
	int (*getcontext)(unw_context_t *context);
	int (*init)(unw_cursor_t *cursor, unw_context_t *context);
	int (*step)(unw_cursor_t *cursor);
	int (*get)(unw_cursor_t *cursor, unw_regnum_t reg, unw_word_t *value);
} unw;

static LAR_TLS bool checking;
/* A thread's working memory; mapped, since its storage would be part of every thread's stack. */
static LAR_TLS struct space {
	struct frame frame[2 * LAR_MAX_DEPTH + 1];
	struct watch watch[2 * LAR_MAX_DEPTH];
	uint16_t place[STACK_PLACES];
	uint64_t truth[CHECK_DEPTH], ours[2 * LAR_MAX_DEPTH]; /* innermost first */
	uint64_t defined[2 * LAR_MAX_DEPTH], ra[NODES_NUMBER + 1];
	uint16_t parent[NODES_NUMBER + 1];
	uint8_t nodes[NODES_FEW * sizeof(struct node) + 4 * NODES_FEW * sizeof(uint16_t)]
		__attribute__((aligned(8)));
} * space;

static bool open_libunwind(void)
{
	static void *handle;

	if (handle)
		return true;
	handle = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return false;
	*(void **)&unw.getcontext = dlsym(handle, "_Ux86_64_getcontext");
	*(void **)&unw.init = dlsym(handle, STRING(unw_init_local));
	*(void **)&unw.step = dlsym(handle, STRING(unw_step));
	*(void **)&unw.get = dlsym(handle, STRING(unw_get_reg));
	return unw.getcontext && unw.init && unw.step && unw.get;
}

/* libunwind's stack, innermost first; it begins inside the recorder. */
static uint32_t true_stack(void)
{
	unw_context_t context;
	unw_cursor_t cursor;
	unw_word_t ip;
	uint32_t n = 0;

	if (unw.getcontext(&context) || unw.init(&cursor, &context))
		return 0;
	do {
		if (unw.get(&cursor, UNW_REG_IP, &ip) || !ip)
			break;
		space->truth[n++] = ip;
	} while (n < CHECK_DEPTH && unw.step(&cursor) > 0);
	return n;
}

/* The last stack of the recorder. */
static uint32_t our_stack(const struct stack *s)
{
	uint32_t n = 0;

	for (uint32_t id = s->last; id; id = s->nodes.node[id].parent)
		space->ours[n++] = s->nodes.node[id].ra;
	return n;
}

/* Whether what is behind a cut is how the true stack ends. */
static bool ends_alike(uint32_t from, uint32_t count, uint32_t n)
{
	if (n == CHECK_DEPTH || space->ours[count - 1] == LAR_RA_INCOMPLETE)
		return true;
	for (; count > from; count--, n--)
		if (!n || space->truth[n - 1] != space->ours[count - 1])
			return false;
	return true;
}

/* Frame for frame from the innermost; where one of the two stops early, that is counted apart. */
static bool agrees(uint32_t count, uint32_t n, bool *complete)
{
	uint32_t at = 0;

	*complete = true;
	while (at < n && space->truth[at] != space->ours[0])
		at++;
	for (uint32_t i = 0; i < count; i++, at++) {
		uint64_t ra = space->ours[i];

		if (ra == LAR_RA_CUT)
			return ends_alike(i + 1, count, n);
		if (ra == LAR_RA_INCOMPLETE) {
			*complete = at >= n;
			return true;
		}
		if (at >= n) { /* libunwind stopped earlier */
			*complete = n == CHECK_DEPTH;
			return true;
		}
		if (space->truth[at] != ra)
			return false;
	}
	return at == n || n == CHECK_DEPTH;
}

static bool same_as_fresh(const struct stack *s, uint64_t frame, uint32_t count)
{
	struct stack fresh = *s;

	fresh.frame = space->frame + 1; /* behind the one that ends a search */
	space->frame[0].slot = UINT64_MAX;
	fresh.fresh = fresh.frame + LAR_MAX_DEPTH;
	fresh.watch = space->watch;
	fresh.place = space->place;
	nodes_init(&fresh.nodes, space->nodes, NODES_FEW);
	nodes_forget(&fresh.nodes);
	unwind_fresh(&fresh, frame);
	if (fresh.count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (fresh.frame[i].ra != space->ours[count - 1 - i])
			return false;
	return true;
}

static void show(uint32_t count, uint32_t n)
{
	static _Atomic uint32_t shown;
	char line[256];

	if (atomic_fetch_add(&shown, 1) >= CHECK_SHOWN)
		return;
	for (uint32_t i = 0; i < count || i < n; i++) {
		size_t len = note_format(line, sizeof(line), "lariat check: %u: %lu %lu\n", i,
					 i < count ? space->ours[i] : 0ul,
					 i < n ? space->truth[i] : 0ul);

		sys_write(2, line, len);
	}
}

/* The stack that a number of the buffer stands for, as a reader finds it, innermost first. */
static uint32_t stack_of_number(const struct thread *t, uint32_t number)
{
	uint32_t nodes = 0, n = 0;

	for (const uint64_t *r = t->buffer; r < t->head; r += lar_record_words(*r))
		if (lar_word0_kind(*r) == LAR_EV_PATH)
			for (uint32_t i = 1; i <= lar_word0_call(*r) && nodes < NODES_NUMBER; i++) {
				space->ra[++nodes] = r[i];
				space->parent[nodes] =
					(uint16_t)(i == 1 ? lar_word0_node(*r) : nodes - 1);
			}
	for (; number && number <= nodes && n < 2 * LAR_MAX_DEPTH; number = space->parent[number])
		space->defined[n++] = space->ra[number];
	return number ? 0 : n;
}

void unwind_check_nodes(const struct thread *t)
{
	static LAR_TLS uint64_t every;
	uint32_t n;

	/* after unwind_check(), which has made the memory and left the stack in it */
	if (checking || !space || (every++ >= CHECK_ALL / 10 && every % CHECK_SOME))
		return;
	checking = true; /* a signal handler's stack would go into the same memory */
	n = stack_of_number(t, t->stack.leaf);
	if (n != our_stack(&t->stack) ||
	    __builtin_memcmp(space->defined, space->ours, n * sizeof(space->ours[0])))
		__atomic_fetch_add(&lar->header->check_different, 1, __ATOMIC_RELAXED);
	checking = false;
}

void unwind_check(const struct stack *s, uint64_t frame)
{
	struct lar_header *h = lar->header;
	static LAR_TLS uint64_t every;
	bool complete = true, good;
	uint32_t n, count;

	if (checking)
		return;
	checking = true;
	if (!space)
		space = pool_map(sizeof(*space));
	if (!space) {
		checking = false;
		return;
	}
	count = our_stack(s);
	good = same_as_fresh(s, frame, count);
	if ((every++ < CHECK_ALL || every % CHECK_SOME == 0) && open_libunwind()) {
		n = true_stack();
		good = good && n && agrees(count, n, &complete);
		__atomic_fetch_add(&h->check_stacks, 1, __ATOMIC_RELAXED);
		if (!complete)
			__atomic_fetch_add(&h->check_incomplete, 1, __ATOMIC_RELAXED);
		if (!good)
			show(count, n);
	}
	if (!good)
		__atomic_fetch_add(&h->check_different, 1, __ATOMIC_RELAXED);
	checking = false;
}

#endif
