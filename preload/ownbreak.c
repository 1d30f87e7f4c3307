/* SPDX-License-Identifier: MIT */
/* What lies below the break and is the program's own; see ownbreak.h. */
#include "ownbreak.h"

#include <stddef.h>

struct ownbreak ownbreak[OWNBREAKS];
uint32_t ownbreaks;

void ownbreak_moved(uint64_t from, uint64_t to)
{
	struct ownbreak *last;

	/* what was above is gone */
	while (ownbreaks && ownbreak[ownbreaks - 1].start >= to)
		ownbreaks--;
	last = ownbreaks ? &ownbreak[ownbreaks - 1] : NULL;
	if (last && last->end > to)
		last->end = to;
	if (to <= from)
		return;
	if (last && (last->end == from || ownbreaks == OWNBREAKS))
		last->end = to;
	else
		ownbreak[ownbreaks++] = (struct ownbreak){ from, to };
}
