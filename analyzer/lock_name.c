/* SPDX-License-Identifier: MIT */
/* Names of locks; see lock_name.h. */
#include "lock_name.h"

#include <inttypes.h>
#include <stdio.h>

#define SYMBOL 80 /* of which the end stays, of a longer one */

const char *lock_symbol(struct frames *f, uint64_t address, char *buf)
{
	uint64_t offset;
	const char *name = frames_object(f, address, &offset);
	char shown[SYMBOL];

	if (!name)
		return NULL;
	symbols_short_name(name, shown, sizeof(shown));
	if (offset)
		snprintf(buf, LOCK_NAME, "%s+0x%" PRIx64, shown, offset);
	else
		snprintf(buf, LOCK_NAME, "%s", shown);
	return buf;
}

const char *lock_name(struct frames *f, uint64_t address, char *buf)
{
	char symbol[LOCK_NAME];

	if (lock_symbol(f, address, symbol))
		snprintf(buf, LOCK_NAME, "%.100s at 0x%" PRIx64, symbol, address);
	else
		snprintf(buf, LOCK_NAME, "0x%" PRIx64, address);
	return buf;
}

const char *lock_short_name(struct frames *f, uint64_t address, char *buf)
{
	const char *symbol = lock_symbol(f, address, buf);

	return symbol ? symbol : lock_name(f, address, buf);
}
