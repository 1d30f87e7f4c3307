/* SPDX-License-Identifier: MIT */
/*
 * Frames of stacks as JSON: a report has the same ones again and again, so those made before are
 * kept and shared. Nobody changes what is got here. One thread at a time.
 */
#ifndef LARIAT_JSON_PLACES_H
#define LARIAT_JSON_PLACES_H

#include <jansson.h>

#include "frames.h"

/* Any of these may be NULL: no memory. */
struct json_place {
	json_t *function, *file, *line, *module;
	json_t *frame; /* { all of them, "offset", "inlined" where it is } */
};

struct json_places;

struct json_places *json_places_new(void);    /* NULL = no memory */
void json_places_free(struct json_places *p); /* NULL is nothing */

/*
 * A frame whose strings stay as long as `p` does. Valid until the next call, unless references are
 * taken.
 */
const struct json_place *json_places_get(struct json_places *p, const struct frame *f);

#endif
