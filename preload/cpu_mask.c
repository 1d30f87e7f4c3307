/* SPDX-License-Identifier: MIT */
/* Sets of signals that the program waits for, and masks to wait with; see cpu.h. */
#include <string.h>

#include "cpu.h"

const sigset_t *cpu_set_without(const sigset_t *set, sigset_t *copy)
{
	uint64_t bits, ours = 1ull << (cpu_signal - 1);

	if (!set)
		return set;
	memcpy(&bits, set, sizeof(bits));
	if (!(bits & ours))
		return set;
	if (!(bits & ours << 1) && !(bits & ours >> 1)) {
		cpu_give_way();
		return set;
	}
	*copy = *set;
	bits &= ~ours;
	memcpy(copy, &bits, sizeof(bits));
	return copy;
}

const sigset_t *cpu_mask_with(const sigset_t *mask, sigset_t *copy)
{
	uint64_t bits;

	if (!mask)
		return mask;
	*copy = *mask;
	memcpy(&bits, mask, sizeof(bits));
	bits |= 1ull << (cpu_signal - 1);
	memcpy(copy, &bits, sizeof(bits));
	return copy;
}
