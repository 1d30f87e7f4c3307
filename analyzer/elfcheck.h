/* SPDX-License-Identifier: MIT */
/*
 * Whether the recorder can get into a program, found out from its file before it runs: the
 * dynamic linker must honour LD_PRELOAD for it, and its heap must be one that can be replaced.
 */
#ifndef LARIAT_ELFCHECK_H
#define LARIAT_ELFCHECK_H

enum elfcheck_verdict {
	ELFCHECK_FINE = 0,
	ELFCHECK_HEAP_HIDDEN, /* all but its heap can be recorded */
	ELFCHECK_REFUSED,     /* nothing can */
};

struct elfcheck {
	enum elfcheck_verdict verdict;
	char reason[512];  /* why not, a clause that follows "CMD: " */
	char warning[256]; /* "" or what will be missing from the trace */
};

/*
 * Looks at the executable `path`; of a script, at its interpreter. Fills *result. Returns 0, or
 * -errno when the file cannot be read, with the verdict "fine": then only running it tells.
 */
int elfcheck_file(const char *path, struct elfcheck *result);

#endif
