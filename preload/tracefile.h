/* SPDX-License-Identifier: MIT */
/*
 * The trace file: created once per process image, mapped whole, its descriptor closed at once, so
 * that nothing the program does to descriptors reaches it. Disk is allocated in steps ahead of the
 * writing (MADV_POPULATE_WRITE), so that a full disk is an error code and not a signal.
 */
#ifndef LARIAT_TRACEFILE_H
#define LARIAT_TRACEFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/trace_format.h"

/*
 * Creates, maps and fills in the header of this process's trace by lar->config; sets lar->header
 * and the sections' addresses. 0 or -errno; then nothing is left behind and *what names the step.
 */
int tracefile_create(const char **what);

/* Makes the header valid: from here on a reader accepts the file. */
void tracefile_publish(void);

struct lar_section *tracefile_section(enum lar_section_type type);

/*
 * Makes sure that `need` bytes from `base` have disk behind them; *ready says how many have. Takes
 * whole steps, never beyond `size`. The caller holds the lock that guards *ready. False when the
 * disk is full: said once.
 */
bool tracefile_extend(uint8_t *base, uint64_t *ready, uint64_t need, uint64_t size, uint64_t step);

/* Whether there is so much disk left that a few MiB of it do not matter; no if that is not known.
 */
bool tracefile_disk_plenty(void);

/* Takes disk for up to `bytes` more of the ring now; best effort. */
void tracefile_reserve(uint64_t bytes);

/* Gives the disk behind whole pages of [from, from + size) back; they read as zero afterwards. */
void tracefile_release(uint8_t *from, uint64_t size);

/*
 * Leaves the pages of [from, from + size) to the page cache: they stay part of the file and may be
 * used again any time, but are no longer memory of this process.
 */
void tracefile_leave(uint8_t *from, uint64_t size);

/* Enters a newer pair of clock readings for the reader's tick rate; returns CLOCK_MONOTONIC, ns. */
uint64_t tracefile_clock_pair(void);

#endif
