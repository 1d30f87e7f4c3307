/* SPDX-License-Identifier: MIT */
/* What lies below the break and is the program's own; see ownbreak.h. */
#include "ownbreak.h"

#include <stddef.h>

struct ownbreak ownbreak[OWNBREAKS];
uint32_t ownbreaks;

void ownbreak_moved(uint64_t from, uint64_t to)
{
	struct ownbreak *last;
	uint32_t n = ownbreaks; /* within its bounds even where two move the break at once */

	/* what was above is gone */
	while (n && ownbreak[n - 1].start >= to)
		n--;
	last = n ? &ownbreak[n - 1] : NULL;
	if (last && last->end > to)
		last->end = to;
	if (to > from && last && (last->end == from || n == OWNBREAKS))
		last->end = to;
	else if (to > from)
		ownbreak[n++] = (struct ownbreak){ from, to };
	ownbreaks = n;
}
