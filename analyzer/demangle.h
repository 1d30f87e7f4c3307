/* SPDX-License-Identifier: MIT */
/*
 * Linkage names of C++ and Rust as a person writes them, through libiberty. Names come from files
 * and are hostile: length, recursion and the size of the answer are bounded. Thread-safe.
 */
#ifndef LARIAT_DEMANGLE_H
#define LARIAT_DEMANGLE_H

#include <stdbool.h>

/* Whether a name has the form of a C++ or Rust linkage name. */
bool demangle_is_mangled(const char *name);

/*
 * The name as written in the source, with parameters (C++), without the hash (Rust) and without
 * what compilers append to the clones of a function (".isra.0"). The caller frees it. NULL: not a
 * mangled name, too long, or out of memory.
 */
char *demangle_name(const char *name);

#endif
