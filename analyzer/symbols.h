/* SPDX-License-Identifier: MIT */
/*
 * Addresses to functions, files and lines, inlined frames expanded, through elfutils and
 * libiberty. Results are cached and owned by the struct symbols until symbols_free(). One thread
 * at a time.
 */
#ifndef LARIAT_SYMBOLS_H
#define LARIAT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbols;

struct symbols_module {
	const char *path; /* as recorded */
	const uint8_t *build_id;
	uint32_t build_id_size;
	uint64_t bias; /* address = file's virtual address + bias */
	uint64_t start, end;
};

struct symbol {
	const char *function; /* demangled; "module+0x123" when there is no name */
	const char *file;     /* NULL when unknown */
	uint32_t line;	      /* 0 when unknown */
	bool inlined;
	bool named; /* function is a real name */
};

/* How well a module could be used; shown by `lariat info`. */
enum symbols_state {
	SYMBOLS_UNUSED,	  /* never asked for */
	SYMBOLS_DWARF,	  /* functions and lines */
	SYMBOLS_ELF,	  /* a symbol table only */
	SYMBOLS_STRIPPED, /* no names: module+offset */
	SYMBOLS_MISSING,  /* the file is gone */
	SYMBOLS_CHANGED,  /* the file has another build-id now: not used */
};

/*
 * search: folders (separated by ':') looked in before the recorded path: each may be a sysroot
 * (the recorded path below it) or a build-id store (.build-id/xx/yyyy[.debug] below it). NULL =
 * none. /usr/lib/debug is always tried for separate debug files.
 */
struct symbols *symbols_new(const char *search);
void symbols_free(struct symbols *s);

/* Adds a module, copying what it needs; returns its index (0, 1, ...) or -ENOMEM. */
int symbols_add_module(struct symbols *s, const struct symbols_module *m);

/*
 * Resolves the call site of a return address (that is, address - 1) in module `module` (UINT32_MAX
 * = in no module). The result's first entry is the innermost inlined function, the last the
 * function that holds the address; always at least one. Returns the number of entries.
 */
uint32_t symbols_resolve(struct symbols *s, uint32_t module, uint64_t return_address,
			 const struct symbol **result);

/*
 * The variable that holds `address` of module `module`, demangled, and how far in it that is; NULL
 * = none that is known. Threads' own variables are not looked for.
 */
const char *symbols_object(struct symbols *s, uint32_t module, uint64_t address, uint64_t *offset);

/*
 * Addresses of the module will be asked for: where there is a processor for it, what takes long of
 * that is begun. The module counts as not asked for until then.
 */
void symbols_expect(struct symbols *s, uint32_t module);

enum symbols_state symbols_module_state(struct symbols *s, uint32_t module);

/* Last component of a module's path; "[anon]" for UINT32_MAX. */
const char *symbols_module_name(struct symbols *s, uint32_t module);

/*
 * `function` for a narrow table: without parameters, template arguments and return type, cut with
 * "..." at its start when it still does not fit. Writes to buf, at most n bytes, and returns it.
 */
const char *symbols_short_name(const char *function, char *buf, size_t n);

#endif
