/* SPDX-License-Identifier: MIT */
/* The reads and writes that libc's streams make of the system. */
#ifndef LARIAT_STDIO_TABLE_H
#define LARIAT_STDIO_TABLE_H

#include <stdbool.h>

/* Streams' reads, writes and seeks are seen from now on. Once in a process and its children. */
void stdio_table_patch(void);

/* Whether they are. */
extern bool stdio_table_patched;

#endif
