/* SPDX-License-Identifier: MIT */
/* Stacks as functions, files and lines; see frames.h. */
#include "frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Inlined frames can multiply the frames of a stack; more than this is not shown. */
#define MAX_FRAMES   (4 * LAR_MAX_DEPTH)

#define MAX_EXPECTED 8 /* modules: a thread each */
#define INNER_MOST   3 /* nameless functions within an allocator */

struct frames {
	struct trace *trace;
	struct symbols *symbols;
	struct frame *list;
	uint32_t size;
	uint32_t modules; /* that the symbols know */
};

enum symbols_state frames_module_state(const struct frames *f, uint32_t module)
{
	return symbols_module_state(f->symbols, module);
}

int frames_more(struct frames *f)
{
	const struct trace_facts *facts = trace_facts(f->trace);

	for (; f->modules < facts->module_count; f->modules++) {
		const struct trace_module *m = &facts->modules[f->modules];
		struct symbols_module s = { .path = m->path,
					    .build_id = m->build_id,
					    .build_id_size = m->build_id_size,
					    .bias = m->bias,
					    .start = m->start,
					    .end = m->end };

		if (symbols_add_module(f->symbols, &s) < 0)
			return -ENOMEM;
	}
	return 0;
}

struct frames *frames_new(struct trace *trace, const char *search)
{
	struct frames *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->trace = trace;
	f->symbols = symbols_new(search);
	if (!f->symbols || frames_more(f)) {
		frames_free(f);
		return NULL;
	}
	return f;
}

void frames_free(struct frames *f)
{
	if (!f)
		return;
	symbols_free(f->symbols);
	free(f->list);
	free(f);
}

void frames_expect(struct frames *f)
{
	uint32_t stacks = trace_stack_count(f->trace), known[MAX_EXPECTED], count = 0, at;

	for (uint32_t i = 1; i < stacks && count < MAX_EXPECTED; i++) {
		uint32_t module = trace_stack_leaf(f->trace, i).module;

		for (at = 0; at < count && known[at] != module; at++)
			;
		if (at < count || module >= f->modules)
			continue;
		known[count++] = module;
		symbols_expect(f->symbols, module);
	}
}

/* Modules come one after another where there was one; the same file again is the same. */
const char *frames_object(struct frames *f, uint64_t address, uint64_t *offset)
{
	const struct trace_facts *facts = trace_facts(f->trace);
	uint32_t found = UINT32_MAX;

	for (uint32_t i = 0; i < f->modules; i++) {
		const struct trace_module *m = &facts->modules[i];

		if (address < m->start || address >= m->end)
			continue;
		if (found != UINT32_MAX && (m->bias != facts->modules[found].bias ||
					    strcmp(m->path, facts->modules[found].path)))
			return NULL;
		if (found == UINT32_MAX)
			found = i;
	}
	return found == UINT32_MAX ? NULL : symbols_object(f->symbols, found, address, offset);
}

static struct frame *frame_room(struct frames *f, uint32_t count)
{
	if (count == f->size) {
		uint32_t size = f->size ? f->size * 2 : 64;
		struct frame *grown;

		if (size > MAX_FRAMES)
			return NULL;
		grown = reallocarray(f->list, size, sizeof(*grown));
		if (!grown)
			return NULL;
		f->list = grown;
		f->size = size;
	}
	memset(&f->list[count], 0, sizeof(*f->list));
	return &f->list[count];
}

/* Adds the frames of one return address, or a mark; returns the new count. */
static uint32_t frame_expand(struct frames *f, const struct trace_frame *at, uint32_t count)
{
	const struct trace_facts *facts = trace_facts(f->trace);
	const struct symbol *symbol;
	struct frame *frame;
	uint32_t n;

	if (at->address == LAR_RA_CUT || at->address == LAR_RA_INCOMPLETE) {
		frame = frame_room(f, count);
		if (!frame)
			return count;
		frame->function =
			at->address == LAR_RA_CUT ? "[frames left out]" : "[callers unknown]";
		frame->module = frame->module_path = "";
		frame->marks_cut = true;
		return count + 1;
	}
	n = symbols_resolve(f->symbols, at->module, at->address, &symbol);
	for (uint32_t i = 0; i < n; i++) {
		frame = frame_room(f, count);
		if (!frame)
			return count;
		frame->function = symbol[i].function ? symbol[i].function : "[unknown]";
		frame->file = symbol[i].file;
		frame->line = symbol[i].line;
		frame->inlined = symbol[i].inlined;
		frame->real = true;
		frame->module = symbols_module_name(f->symbols, at->module);
		frame->module_path = frame->module;
		frame->offset = at->address;
		if (at->module < facts->module_count) {
			frame->module_path = facts->modules[at->module].path;
			frame->offset = at->address - facts->modules[at->module].bias;
		}
		count++;
	}
	return count;
}

uint32_t frames_of_stack(struct frames *f, uint32_t stack, const struct frame **result)
{
	static const struct frame unknown = { .function = "[unknown]",
					      .module = "",
					      .module_path = "" };
	const struct trace_frame *at;
	uint32_t depth = stack ? trace_stack(f->trace, stack, &at) : 0;
	uint32_t count = 0;

	for (uint32_t i = depth; i-- > 0;)
		count = frame_expand(f, &at[i], count);
	*result = count ? f->list : &unknown;
	return count ? count : 1;
}

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool is_runtime_module(const char *module)
{
	static const char *const libraries[] = { "libc.so",	 "libc-",      "ld-linux",
						 "libstdc++.so", "libgcc_s",   "libc++.so",
						 "libpthread",	 "libm.so",    "liblariat.so",
						 "ld-musl",	 "linux-vdso", "[vdso]" };

	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		if (starts(module, libraries[i]))
			return true;
	return false;
}

/* Functions of programs and libraries that pass a request for memory or a lock on, as a demangler
 * prints them. */
static const char *const wrappers[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"free",
	"strdup",
	"strndup",
	"xmalloc",
	"xcalloc",
	"xrealloc",
	"xzalloc",
	"xstrdup",
	"xstrndup",
	"xmemdup",
	"xmemdup0",
	"xnmalloc",
	"xnrealloc",
	"x2realloc",
	"x2nrealloc",
	"xpalloc",
	"xcharalloc",
	"xreallocarray",
	"ximalloc",
	"xizalloc",
	"xasprintf",
	"xvasprintf",
	"emalloc",
	"ecalloc",
	"erealloc",
	"safe_malloc",
	"safe_calloc",
	"safe_realloc",
	"g_malloc",
	"g_malloc0",
	"g_malloc_n",
	"g_malloc0_n",
	"g_realloc",
	"g_realloc_n",
	"g_try_malloc",
	"g_try_malloc0",
	"g_strdup",
	"g_strndup",
	"g_memdup",
	"g_memdup2",
	"g_slice_alloc",
	"g_slice_alloc0",
	"PyMem_Malloc",
	"PyMem_Calloc",
	"PyMem_Realloc",
	"PyMem_RawMalloc",
	"PyMem_RawCalloc",
	"PyMem_RawRealloc",
	"PyObject_Malloc",
	"PyObject_Calloc",
	"PyObject_Realloc",
	"_PyMem_RawMalloc",
	"_PyMem_RawCalloc",
	"_PyMem_RawRealloc",
	"_PyObject_Malloc",
	"_PyObject_Calloc",
	"_PyObject_Realloc",
	"Perl_safesysmalloc",
	"Perl_safesyscalloc",
	"Perl_safesysrealloc",
	"pymalloc_alloc",
	"pymalloc_realloc",
	"_PyMem_Strdup",
	"_PyMem_RawStrdup",
	"objspace_xmalloc0",
	"objspace_xcalloc",
	"objspace_xrealloc",
	"ruby_xmalloc",
	"ruby_xmalloc2",
	"ruby_xcalloc",
	"ruby_xrealloc",
	"ruby_xrealloc2",
	"_emalloc",
	"_ecalloc",
	"_erealloc",
	"l_alloc",
	"luaM_malloc_",
	"luaM_realloc_",
	"luaM_saferealloc_",
	"TclpAlloc",
	"TclpRealloc",
	"Tcl_Alloc",
	"Tcl_Realloc",
	"Tcl_AttemptAlloc",
	"zmalloc",
	"zcalloc",
	"zrealloc",
	"ztrymalloc",
	"ztrycalloc",
	"ztryrealloc",
	"zmalloc_usable",
	"zcalloc_usable",
	"zrealloc_usable",
	"ztrymalloc_usable",
	"ztrycalloc_usable",
	"ztryrealloc_usable",
	"ztrymalloc_usable_internal",
	"ztrycalloc_usable_internal",
	"ztryrealloc_usable_internal",
	"sqlite3MemMalloc",
	"sqlite3MemRealloc",
	"mallocWithAlarm",
	"sqlite3Malloc",
	"sqlite3MallocZero",
	"sqlite3Realloc",
	"sqlite3DbMallocRaw",
	"sqlite3DbMallocRawNN",
	"sqlite3DbMallocZero",
	"dbMallocRawFinish",
	"sqlite3DbRealloc",
	"dbReallocFinish",
	"sqlite3_malloc",
	"sqlite3_malloc64",
	"sqlite3_realloc",
	"sqlite3_realloc64",
	"CRYPTO_malloc",
	"CRYPTO_zalloc",
	"CRYPTO_realloc",
	"CRYPTO_strdup",
	"CRYPTO_memdup",
	"ngx_alloc",
	"ngx_calloc",
	"ngx_memalign",
	"palloc",
	"palloc0",
	"repalloc",
	"MemoryContextAlloc",
	"MemoryContextAllocZero",
	"AllocSetAlloc",
	"AllocSetAllocLarge",
	"AllocSetAllocFromNewBlock",
	"AllocSetRealloc",
	"pg_malloc",
	"pg_malloc0",
	"pg_realloc",
	"bfd_malloc",
	"bfd_zmalloc",
	"bfd_realloc",
	"uv_mutex_lock",
	"uv_mutex_trylock",
	"uv_rwlock_rdlock",
	"uv_rwlock_wrlock",
	"uv_sem_wait",
	"uv__sem_wait",
	"uv_cond_wait",
	"uv_cond_timedwait",
	"uv_once",
	"CRYPTO_THREAD_read_lock",
	"CRYPTO_THREAD_write_lock",
	"CRYPTO_THREAD_run_once",
	"g_mutex_lock",
	"g_mutex_trylock",
	"g_rec_mutex_lock",
	"g_rw_lock_reader_lock",
	"g_rw_lock_writer_lock",
	"g_cond_wait",
	"g_cond_wait_until",
	"PyThread_acquire_lock",
	"PyThread_acquire_lock_timed",
	"apr_thread_mutex_lock",
	"SDL_LockMutex",
	"v8::base::Mutex::Lock()",
	"v8::base::RecursiveMutex::Lock()",
};

static bool is_allocator(const char *function)
{
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++)
		if (*function == *wrappers[i] && !strcmp(function, wrappers[i]))
			return true;
	return false;
}

/* Functions that only pass a request on, by name. Those of Rust's libraries are told by their files
 * where there are any (is_rust_library()). */
static bool is_wrapper(const char *function)
{
	static const char *const prefixes[] = {
		"operator new", "operator delete", "std::",	     "__gnu_cxx::",
		"void std::",	"void* std::",	   "__libc_",	     "__interceptor_",
		"__gthread_",	"bool std::",	   "<std::",	     "<alloc::",
		"<core::",	"core::",	   "alloc::alloc::", "__rust_",
		"__rdl_",
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (starts(function, prefixes[i]))
			return true;
	if (is_allocator(function))
		return true;
	/* templates of the standard library are demangled with their return type in front */
	return strstr(function, " std::__") && strstr(function, "alloc");
}

/* The compiler's own sources have this path in every program. */
static bool is_rust_library(const struct frame *frame)
{
	return frame->file && (starts(frame->file, "/rustc/") ||
			       strstr(frame->file, "/rustlib/src/rust/library/"));
}

/* Has it no name, but is called, if by others without one in between, by an allocator of its own
 * library? Then it is a part of that: stripped files have the names of what they export only. */
static bool is_inner(const struct frame *frame, uint32_t count)
{
	const char *module = frame->module;
	size_t n = strlen(module);

	for (uint32_t i = 0; i < count && i <= INNER_MOST; i++) {
		if (strcmp(frame[i].module, module))
			return false;
		if (strncmp(frame[i].function, module, n) || frame[i].function[n] != '+')
			return i && is_allocator(frame[i].function);
	}
	return false;
}

uint32_t frames_lead(const struct frame *frame, uint32_t count)
{
	uint32_t i, library = count;

	for (i = 0; i < count; i++) {
		if (!frame[i].real || is_runtime_module(frame[i].module) ||
		    is_wrapper(frame[i].function) || is_inner(&frame[i], count - i))
			continue;
		if (!is_rust_library(&frame[i]))
			return i;
		if (library == count)
			library = i;
	}
	if (library < count)
		return library;
	/* a library's own doing: the outermost of its frames is what was called */
	for (i = 0; i + 1 < count; i++)
		if (!frame[i].real)
			continue;
		else if (!is_wrapper(frame[i].function))
			return i;
	return 0;
}

bool frames_is_start(const struct frame *frame)
{
	static const char *const names[] = { "__libc_start_call_main",
					     "__libc_start_main",
					     "__libc_start_main_impl",
					     "__libc_start_main@@GLIBC_2.34",
					     "_start",
					     "start_thread",
					     "clone",
					     "clone3",
					     "__clone",
					     "__clone3" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(frame->function, names[i]))
			return true;
	return false;
}

uint32_t frames_shown(const struct frame *frame, uint32_t count, unsigned callers, uint32_t *lead)
{
	uint32_t from = frames_lead(frame, count);
	uint32_t end = count - from - 1 > callers ? from + 1 + callers : count;

	for (uint32_t i = from; i < end; i++)
		if (!strcmp(frame[i].function, "main"))
			end = i + 1;
		else if (i > from && frames_is_start(&frame[i]))
			end = i;
	*lead = from;
	return end;
}

const char *frames_called(const struct frame *frame, uint32_t lead)
{
	const struct frame *called = lead ? &frame[lead - 1] : NULL;

	if (!called || !called->real || !is_runtime_module(called->module) ||
	    is_wrapper(called->function) || starts(called->function, called->module))
		return NULL;
	return called->function;
}

bool frames_match(struct frames *f, uint32_t stack, const regex_t *re)
{
	const struct frame *frame;
	uint32_t n = frames_of_stack(f, stack, &frame);

	for (uint32_t i = 0; i < n; i++)
		if (!regexec(re, frame[i].function, 0, NULL, 0) ||
		    (frame[i].file && !regexec(re, frame[i].file, 0, NULL, 0)) ||
		    !regexec(re, frame[i].module_path, 0, NULL, 0))
			return true;
	return false;
}
