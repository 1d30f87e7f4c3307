/* SPDX-License-Identifier: MIT */
/* Memory mappings and the program break. */
#include <stdarg.h>

#include "hook.h"
#include "memlock.h"
#include "ownbreak.h"
#include "sys.h"

struct mapping {
	uint64_t addr, length, old_addr, old_length;
};

static always_inline void record_map(unsigned call, uint64_t before, const struct mapping *m,
				     int64_t result, uint64_t frame)
{
	struct thread *t;
	uint64_t *r;

	if (unlikely(!hook_wants(LAR_RECORD_HEAP)))
		return;
	t = span_open(frame);
	if (unlikely(!t))
		return;
	r = span_record_stack(t, LAR_EV_MAP, 0, call, 7, frame);
	if (likely(r != NULL)) {
		r[0] = lar_ticks();
		r[1] = before ? r[0] - before : 0;
		r[2] = m->addr;
		r[3] = m->length;
		r[4] = m->old_addr;
		r[5] = m->old_length;
		r[6] = (uint64_t)result;
		span_commit(t);
	}
	span_close(t);
}

static always_inline void record_mmap(unsigned call, uint64_t before, void *p, size_t length,
				      uint64_t frame)
{
	bool failed = p == MAP_FAILED;
	struct mapping m = { failed ? 0 : (uint64_t)p, length, 0, 0 };

	record_map(call, before, &m, failed ? -errno : 0, frame);
}

LAR_EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t at)
{
	uint64_t before = hook_ticks();
	void *p = REAL(mmap)(addr, length, prot, flags, fd, at);

	record_mmap(LAR_CALL_mmap, before, p, length, HOOK_FRAME);
	return p;
}

LAR_EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t at)
{
	uint64_t before = hook_ticks();
	void *p = REAL(mmap64)(addr, length, prot, flags, fd, at);

	record_mmap(LAR_CALL_mmap64, before, p, length, HOOK_FRAME);
	return p;
}

LAR_EXPORT int munmap(void *addr, size_t length)
{
	uint64_t before = hook_ticks();
	struct mapping m = { 0, 0, (uint64_t)addr, length };
	int result = REAL(munmap)(addr, length);

	record_map(LAR_CALL_munmap, before, &m, result ? -errno : 0, HOOK_FRAME);
	return result;
}

LAR_EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
	uint64_t before = hook_ticks();
	struct mapping m = { 0, length, (uint64_t)old, old_length };
	void *p, *fixed = NULL;
	va_list ap;

	/* the fifth argument is there only with these; passing it on always is harmless */
	va_start(ap, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		fixed = va_arg(ap, void *);
	va_end(ap);
	p = REAL(mremap)(old, old_length, length, flags, fixed);
	m.addr = p == MAP_FAILED ? 0 : (uint64_t)p;
	record_map(LAR_CALL_mremap, before, &m, p == MAP_FAILED ? -errno : 0, HOOK_FRAME);
	return p;
}

LAR_EXPORT int brk(void *addr)
{
	uint64_t before = hook_ticks(), from = (uint64_t)sys_call3(SYS_brk, 0, 0, 0);
	int result = REAL(brk)(addr);
	struct mapping m = { (uint64_t)addr, 0, 0, 0 };

	if (!result)
		ownbreak_moved(from, (uint64_t)addr);
	record_map(LAR_CALL_brk, before, &m, result ? -errno : 0, HOOK_FRAME);
	return result;
}

LAR_EXPORT void *sbrk(intptr_t increment)
{
	uint64_t before = hook_ticks();
	void *p = REAL(sbrk)(increment);
	bool failed = p == (void *)-1;
	struct mapping m = { failed ? 0 : (uint64_t)p, increment > 0 ? (uint64_t)increment : 0,
			     failed ? 0 : (uint64_t)p,
			     increment < 0 ? 0 - (uint64_t)increment : 0 };

	if (!failed)
		ownbreak_moved((uint64_t)p, (uint64_t)p + (uint64_t)increment);
	record_map(LAR_CALL_sbrk, before, &m, failed ? -errno : 0, HOOK_FRAME);
	return p;
}

/* Not recorded. In a fresh child the recording starts before: its parent's trace is mapped until
 * then. */
LAR_EXPORT int mlockall(int flags)
{
	hook_ticks();
	return memlock_all(flags, REAL(mlockall));
}
