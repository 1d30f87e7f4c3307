/* SPDX-License-Identifier: MIT */
/* Is the process that writes a trace still there? */
#ifndef LARIAT_ALIVE_H
#define LARIAT_ALIVE_H

#include <stdbool.h>

#include "ringfile.h"

/*
 * True when the recorded process exists and has the file mapped; where its maps cannot be read,
 * when a process of that pid exists that started before the recording did.
 */
bool alive_check(const struct ringfile *rf);

/* When a process was started, in ticks since boot; 0 when there is none, or it is dead. */
uint64_t alive_started(uint32_t pid);

#endif
