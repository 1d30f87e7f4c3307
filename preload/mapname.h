/* SPDX-License-Identifier: MIT */
/* The file that is mapped at an address, by the path that the kernel has for it. */
#ifndef LARIAT_MAPNAME_H
#define LARIAT_MAPNAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the path, as /proc/self/maps has it, to `to`, terminated; returns its length. 0: no file
 * is mapped there, its path does not fit, or the kernel does not say. Any context.
 */
size_t mapname_find(uint64_t address, char *to, size_t size);

#endif
