/* SPDX-License-Identifier: MIT */
/*
 * From what the user names to trace files: a file is itself, a folder its traces, a number the
 * traces of that process and its descendants in the current folder.
 */
#ifndef LARIAT_PATHS_H
#define LARIAT_PATHS_H

#include <stddef.h>

struct paths {
	char **path;
	size_t count;
};

/*
 * Expands `names`; on success the result is the caller's, for paths_fini(). A name that is no
 * folder and no pid is taken as it is. Returns -ENOENT when a folder or pid has no trace, -ENOMEM,
 * or -errno of reading a folder; `why` then says what is wrong.
 */
int paths_expand(char *const *names, size_t count, struct paths *out, char *why, size_t why_size);
void paths_fini(struct paths *p);

#endif
