/* SPDX-License-Identifier: MIT */
/* What a lock is called: the variable that it is in, where it is in one that has a name. */
#ifndef LARIAT_LOCK_NAME_H
#define LARIAT_LOCK_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "frames.h"

#define LOCK_NAME 128 /* bytes that hold any name */

/* "queue", or "queue+0x10" of one that is in a larger variable; NULL = not known. Writes to buf, of
 * LOCK_NAME bytes, and returns it. */
const char *lock_symbol(struct frames *f, uint64_t address, char *buf);

/* "queue+0x10 at 0x555500001010", or the address alone. Writes to buf, of LOCK_NAME bytes, and
 * returns it. */
const char *lock_name(struct frames *f, uint64_t address, char *buf);

/* The same, where there is a name without the address. */
const char *lock_short_name(struct frames *f, uint64_t address, char *buf);

#endif
