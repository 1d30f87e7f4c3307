/* SPDX-License-Identifier: MIT */
/* A chain of inlined functions across a header, and a way to say where a call stands. */
#ifndef SYM_INLINE_H
#define SYM_INLINE_H

/*
 * Says to whom it is given: the return address of a call, and the function, file and line of it as
 * the compiler's own macros have them.
 */
typedef void sym_report_fn(const void *address, const char *function, const char *file, int line);

__attribute__((noinline, unused)) static const void *sym_here(void)
{
	__asm__ volatile("");
	return __builtin_return_address(0);
}

/* The call and the line number have to stand on one line. */
#define SYM_HERE(report)                                                                           \
	do {                                                                                       \
		const void *sym_address_ = sym_here();                                             \
		(report)(sym_address_, __func__, __FILE__, __LINE__);                              \
	} while (0)

__attribute__((always_inline)) static inline int sym_innermost(sym_report_fn *report, int n)
{
	SYM_HERE(report);
	return n + 1;
}

__attribute__((always_inline)) static inline int sym_middle(sym_report_fn *report, int n)
{
	n = sym_innermost(report, n * 3);
	SYM_HERE(report);
	return n;
}

__attribute__((always_inline)) static inline int sym_outer(sym_report_fn *report, int n)
{
	return sym_middle(report, n) + sym_middle(report, n + 1);
}

#endif
