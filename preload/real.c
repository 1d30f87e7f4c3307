/* SPDX-License-Identifier: MIT */
/* The functions behind the wrappers; see real.h. */
#include "real.h"

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SEARCH_TABLE 16 /* objects whose tables are looked up once; further ones each time */

struct real real;
struct real_no_memory real_no_memory;

/* A loaded object's symbols, from its dynamic section. */
struct symbols {
	uint64_t base; /* load address */
	const Elf64_Sym *symbol;
	const char *name;
	const Elf64_Half *version; /* or NULL */
	const uint32_t *gnu_hash, *hash;
};

/* A name and its hash, which is the same for all objects. */
struct wanted {
	const char *name;
	uint32_t gnu_hash;
	bool indirect; /* also where a function has to be called to learn where it is */
};

/* The loader relocates these entries in most objects, but not in the vdso. */
static uint64_t dynamic_address(const struct link_map *map, uint64_t value)
{
	return value >= map->l_addr ? value : value + map->l_addr;
}

static bool symbols_of(const struct link_map *map, struct symbols *s)
{
	*s = (struct symbols){ .base = map->l_addr };
	for (const Elf64_Dyn *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
		const void *p = (const void *)dynamic_address(map, d->d_un.d_ptr);

		if (d->d_tag == DT_SYMTAB)
			s->symbol = p;
		else if (d->d_tag == DT_STRTAB)
			s->name = p;
		else if (d->d_tag == DT_VERSYM)
			s->version = p;
		else if (d->d_tag == DT_GNU_HASH)
			s->gnu_hash = p;
		else if (d->d_tag == DT_HASH)
			s->hash = p;
	}
	return s->symbol && s->name && (s->gnu_hash || s->hash);
}

/* Assembly may say nothing of what a symbol is of: the loader takes it all the same. */
static bool is_function(const Elf64_Sym *sym, bool indirect)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_ABS || !sym->st_value)
		return false;
	return type == STT_FUNC || type == STT_NOTYPE || (indirect && type == STT_GNU_IFUNC);
}

/* strcmp() may be a sanitizer's, which is asking for its functions just now. */
static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* How well symbol i answers to a name: 2 the default version, 1 an old one, 0 not at all. */
static int symbol_fits(const struct symbols *s, uint32_t i, const struct wanted *w)
{
	const Elf64_Sym *sym = &s->symbol[i];
	unsigned bind = ELF64_ST_BIND(sym->st_info);

	if (!is_function(sym, w->indirect))
		return 0;
	if ((bind != STB_GLOBAL && bind != STB_WEAK) || !same_name(s->name + sym->st_name, w->name))
		return 0;
	return s->version && (s->version[i] & 0x8000) ? 1 : 2;
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static uint32_t sysv_hash_of(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= (h >> 24) & 0xf0;
	}
	return h & 0x0fffffff;
}

struct best {
	uint32_t index;
	int fit;
};

static void consider(const struct symbols *s, uint32_t i, const struct wanted *w, struct best *best)
{
	int fit = symbol_fits(s, i, w);

	if (fit > best->fit) {
		best->fit = fit;
		best->index = i;
	}
}

/* Most objects do not have most names: a filter in front of the table says so. */
static bool gnu_filter_passes(const uint32_t *t, uint32_t h)
{
	const uint64_t *filter = (const uint64_t *)(const void *)(t + 4);
	uint64_t word = filter[(h / 64) & (t[2] - 1)];

	return word >> (h % 64) & word >> ((h >> (t[3] & 31)) % 64) & 1;
}

static void look_gnu(const struct symbols *s, const struct wanted *w, struct best *best)
{
	const uint32_t *t = s->gnu_hash;
	uint32_t buckets = t[0], first = t[1], bloom = t[2], h = w->gnu_hash;
	const uint32_t *bucket = t + 4 + bloom * 2, *chain = bucket + buckets;
	uint32_t i;

	if (!buckets || (bloom && !gnu_filter_passes(t, h)))
		return;
	i = bucket[h % buckets];
	if (i < first)
		return;
	for (;; i++) {
		if ((chain[i - first] | 1) == (h | 1))
			consider(s, i, w, best);
		if (chain[i - first] & 1)
			return;
	}
}

static void look_sysv(const struct symbols *s, const struct wanted *w, struct best *best)
{
	const uint32_t *t = s->hash;
	uint32_t buckets = t[0], count = t[1], steps = 0;

	if (!buckets)
		return;
	for (uint32_t i = t[2 + sysv_hash_of(w->name) % buckets]; i && i < count && steps < count;
	     i = t[2 + buckets + i], steps++)
		consider(s, i, w, best);
}

static void *find_in(const struct symbols *s, const struct wanted *w)
{
	struct best best = { 0, 0 };

	if (s->gnu_hash)
		look_gnu(s, w, &best);
	else
		look_sysv(s, w, &best);
	return best.fit ? (void *)(s->base + s->symbol[best.index].st_value) : NULL;
}

/* The objects behind the recorder in the order of the program's look-ups. */
struct search {
	const struct link_map *rest; /* those that are not in the table */
	uint32_t count;
	struct symbols table[SEARCH_TABLE];
};

static const struct link_map *own_map(void)
{
	struct dl_find_object found;

	return _dl_find_object((void *)&real_resolve, &found) ? NULL : found.dlfo_link_map;
}

static const struct link_map *next_map(void)
{
	const struct link_map *own = own_map();

	return own ? own->l_next : NULL;
}

static void search_begin(struct search *search)
{
	const struct link_map *m = next_map();

	search->count = 0;
	for (; m && search->count < SEARCH_TABLE; m = m->l_next)
		if (symbols_of(m, &search->table[search->count]))
			search->count++;
	search->rest = m;
}

/* A version that is not the default one. */
static void *search_old(const struct search *search, const char *name)
{
	struct wanted w = { name, gnu_hash_of(name), false };

	for (uint32_t i = 0; i < search->count; i++) {
		const struct symbols *s = &search->table[i];
		const uint32_t *t = s->gnu_hash, *bucket, *chain;
		uint32_t at, last = 0;

		if (!t || !t[0] || !s->version)
			continue;
		bucket = t + 4 + t[2] * 2;
		chain = bucket + t[0];
		at = bucket[w.gnu_hash % t[0]];
		for (; at >= t[1] && !last; last = chain[at - t[1]] & 1, at++)
			if ((chain[at - t[1]] | 1) == (w.gnu_hash | 1) &&
			    symbol_fits(s, at, &w) == 1)
				return (void *)(s->base + s->symbol[at].st_value);
	}
	return NULL;
}

const struct real_old *real_first_version(void)
{
	static struct real_old old;
	static bool known;
	struct search search;

	if (known)
		return &old;
	search_begin(&search);
#define OLD(symbol)                                                                                \
	*(void **)&old.symbol = search_old(&search, #symbol);                                      \
	if (!old.symbol)                                                                           \
		old.symbol = REAL(symbol);
	OLD(pthread_cond_wait)
	OLD(pthread_cond_timedwait)
	OLD(pthread_cond_signal)
	OLD(pthread_cond_broadcast)
	OLD(pthread_cond_destroy)
#undef OLD
	__atomic_store_n(&known, true, __ATOMIC_RELEASE);
	return &old;
}

static void *search_for(const struct search *search, const char *name)
{
	struct wanted w = { name, gnu_hash_of(name), false };
	void *p = NULL;

	for (uint32_t i = 0; i < search->count && !p; i++)
		p = find_in(&search->table[i], &w);
	for (const struct link_map *m = search->rest; m && !p; m = m->l_next) {
		struct symbols s;

		if (symbols_of(m, &s))
			p = find_in(&s, &w);
	}
	return p;
}

static const char *const operators[] = {
	"_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm"
};
#define OPERATORS (sizeof(operators) / sizeof(*operators))

/* The program, or what is loaded before the recorder, if it defines one of `count` names. */
static const struct link_map *definer_before(const char *const *name, size_t count)
{
	const struct link_map *own = own_map();

	for (const struct link_map *m = own ? own->l_prev : NULL; m; m = m->l_prev) {
		struct symbols s;

		if (!symbols_of(m, &s))
			continue;
		for (size_t i = 0; i < count; i++) {
			struct wanted w = { name[i], gnu_hash_of(name[i]), true };

			if (find_in(&s, &w))
				return m;
		}
	}
	return NULL;
}

static bool is_defined_before(const char *const *name, size_t count)
{
	return !own_map() || definer_before(name, count);
}

bool real_operators_replaced(void)
{
	static int8_t known; /* 1 no, 2 yes: what is loaded at the start does not change */

	if (!known)
		known = is_defined_before(operators, OPERATORS) ? 2 : 1;
	return known == 2;
}

/* The object that a function is in, if that is libstdc++; or NULL. */
static const struct link_map *libstdcxx_of(const void *function)
{
	struct dl_find_object found;

	if (!function || _dl_find_object((void *)function, &found) ||
	    !strstr(found.dlfo_link_map->l_name, "/libstdc++.so"))
		return NULL;
	return found.dlfo_link_map;
}

static void *find_in_map(const struct link_map *map, const char *name)
{
	struct wanted w = { name, gnu_hash_of(name), false };
	struct symbols s;

	return symbols_of(map, &s) ? find_in(&s, &w) : NULL;
}

bool real_operators_plain(void)
{
	static const char *const below[] = { "malloc", "free" };
	struct real_no_memory *then = &real_no_memory;
	const struct link_map *map;

	if (!real.malloc || !real.free)
		real_resolve();
	map = libstdcxx_of((void *)real._Znwm);
	if (!map || libstdcxx_of((void *)real._Znam) != map ||
	    libstdcxx_of((void *)real._ZdlPv) != map || libstdcxx_of((void *)real._ZdaPv) != map ||
	    libstdcxx_of((void *)real._ZdlPvm) != map || libstdcxx_of((void *)real._ZdaPvm) != map)
		return false;
	*(void **)&then->get_new_handler = find_in_map(map, "_ZSt15get_new_handlerv");
	*(void **)&then->throw_bad_alloc = find_in_map(map, "_ZSt17__throw_bad_allocv");
	return then->get_new_handler && then->throw_bad_alloc && !real_operators_replaced() &&
	       !is_defined_before(below, sizeof(below) / sizeof(*below));
}

/* The names, and where each begins, in the order of struct real. */
static const struct names {
#define CALL(sym, number, family, operation) char sym[sizeof(#sym)];
#include "format/calls.def"
#undef CALL
} names = {
#define CALL(sym, number, family, operation) #sym,
#include "format/calls.def"
#undef CALL
};
static const uint16_t name_at[] = {
#define CALL(sym, number, family, operation) offsetof(struct names, sym),
#include "format/calls.def"
#undef CALL
};

/* The heap's rows, which are the first. */
enum {
	HEAP_NAMES = 0
#define CALL(sym, number, family, operation) +((number) < 64)
#include "format/calls.def"
#undef CALL
};

#define NAMES (sizeof(name_at) / sizeof(*name_at))
#define BATCH 8u
_Static_assert(sizeof(struct real) == NAMES * sizeof(void *), "pointers and nothing else");

/* Names that are looked up together: nearly all of the time goes into waiting for the tables. */
struct batch {
	unsigned count;
	struct wanted wanted[BATCH];
	void **to[BATCH];
};

/* Fetches what find_in() is going to read, for all names step by step. */
static void batch_fetch(const struct symbols *s, const struct batch *b)
{
	const uint32_t *t = s->gnu_hash, *bucket = t + 4 + t[2] * 2, *chain = bucket + t[0];
	uint32_t at[BATCH], n = 0, kept = 0;

	if (!t[0])
		return;
	for (unsigned i = 0; i < b->count; i++) {
		uint32_t h = b->wanted[i].gnu_hash;

		if (*b->to[i] || (t[2] && !gnu_filter_passes(t, h)))
			continue;
		at[n] = h % t[0];
		__builtin_prefetch(&bucket[at[n++]]);
	}
	for (uint32_t i = 0; i < n; i++) {
		at[kept] = bucket[at[i]];
		if (at[kept] >= t[1])
			__builtin_prefetch(&chain[at[kept++] - t[1]]);
	}
	for (uint32_t i = 0; i < kept; i++) {
		__builtin_prefetch(&s->symbol[at[i]]);
		if (s->version)
			__builtin_prefetch(&s->version[at[i]]);
	}
	for (uint32_t i = 0; i < kept; i++)
		__builtin_prefetch(s->name + s->symbol[at[i]].st_name);
}

static void batch_find(const struct symbols *s, const struct batch *b)
{
	if (s->gnu_hash)
		batch_fetch(s, b);
	for (unsigned i = 0; i < b->count; i++)
		if (!*b->to[i])
			*b->to[i] = find_in(s, &b->wanted[i]);
}

static void batch_resolve(const struct search *search, const struct batch *b)
{
	for (uint32_t i = 0; i < search->count; i++)
		batch_find(&search->table[i], b);
	for (const struct link_map *m = search->rest; m; m = m->l_next) {
		struct symbols s;

		if (symbols_of(m, &s))
			batch_find(&s, b);
	}
}

/* Those of a range of rows that are still NULL. */
static void rows_resolve(const struct search *search, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < NAMES;) {
		struct batch batch = { .count = 0 };

		for (; batch.count < BATCH && i < to && i < NAMES; i++) {
			void **pointer = (void **)&real + i;
			const char *name = (const char *)&names + name_at[i];

			if (*pointer)
				continue;
			batch.wanted[batch.count] =
				(struct wanted){ name, gnu_hash_of(name), false };
			batch.to[batch.count++] = pointer;
		}
		batch_resolve(search, &batch);
	}
}

static const struct link_map *last_at_start;
static const struct link_map *malloc_in_front;

_Static_assert(offsetof(struct real, malloc) == 0, "the first row");
static const char *const malloc_name = "malloc";

/*
 * What was loaded when the first name was looked up, which is before the program runs: it stays
 * loaded, and a name means the same whenever it is asked for.
 */
static const struct search *search_at_start(struct search *own)
{
	static struct search first;
	static _Atomic uint32_t known; /* 1: it is being entered */
	uint32_t none = 0;

	if (atomic_load_explicit(&known, memory_order_acquire) == 2)
		return &first;
	search_begin(own);
	if (atomic_compare_exchange_strong(&known, &none, 1)) {
		first = *own;
		malloc_in_front = definer_before(&malloc_name, 1);
		last_at_start = next_map();
		while (last_at_start && last_at_start->l_next)
			last_at_start = last_at_start->l_next;
		atomic_store_explicit(&known, 2, memory_order_release);
	}
	return own;
}

void real_resolve(void)
{
	struct search own;
	const struct search *search = search_at_start(&own);

	/* malloc, which is the first, waits until it is called where another stands in front;
	 * further objects may have been loaded later, and go away while they are looked at */
	rows_resolve(search, malloc_in_front ? 1 : 0, search->rest ? NAMES : HEAP_NAMES);
}

void real_resolve_near(const void *pointer)
{
	size_t asked = (size_t)((void *const *)pointer - (void *const *)&real);
	size_t row = asked / BATCH * BATCH;
	struct search own;
	const struct search *search = search_at_start(&own);

	rows_resolve(search, asked && !row && malloc_in_front ? 1 : row, row + BATCH);
}

void *real_find_early(const char *symbol)
{
	struct search search;

	search_begin(&search);
	return search_for(&search, symbol);
}

bool real_malloc_in_front(void)
{
	return malloc_in_front;
}

const struct link_map *real_malloc_instead(void)
{
	return real.malloc ? NULL : malloc_in_front;
}

struct real_objects real_loaded(void)
{
	struct real_objects o = { own_map(), last_at_start };

	while (o.first && o.first->l_prev)
		o.first = o.first->l_prev;
	return o;
}

void *real_find_late(const char *symbol)
{
	struct wanted w = { symbol, gnu_hash_of(symbol), false };
	struct search search;

	/* the C++ runtime first: a plug-in may have an allocator of its own that is not meant */
	for (const struct link_map *m = next_map(); m; m = m->l_next) {
		struct symbols s;
		void *p = NULL;

		if ((strstr(m->l_name, "libstdc++.so") || strstr(m->l_name, "libc++")) &&
		    symbols_of(m, &s))
			p = find_in(&s, &w);
		if (p)
			return p;
	}
	search_begin(&search);
	return search_for(&search, symbol);
}

bool real_is_wrapped(const char *symbol)
{
	const struct link_map *own = own_map();
	struct symbols s;

	return own && symbols_of(own, &s) && s.gnu_hash &&
	       gnu_filter_passes(s.gnu_hash, gnu_hash_of(symbol));
}

/* Is malloc, as the recorder calls it, in the same object? */
static bool is_beside_malloc(const void *function)
{
	struct dl_find_object heap, found;

	return !_dl_find_object((void *)REAL(malloc), &heap) &&
	       !_dl_find_object((void *)function, &found) &&
	       heap.dlfo_link_map == found.dlfo_link_map;
}

void *real_wrapper(const char *symbol, const void *function)
{
	struct search own;
	const struct search *search = search_at_start(&own);

	/* an allocator that is not libc's, in front of the recorder or behind, may want libc's for
	 * itself */
	if (malloc_in_front || search_for(search, symbol) != function ||
	    !is_beside_malloc(function))
		return NULL;
	return find_in_map(own_map(), symbol);
}
