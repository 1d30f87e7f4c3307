/* SPDX-License-Identifier: MIT */
/* Frames as JSON; see json_places.h. */
#include "json_places.h"

#include <stdlib.h>

#include "report_json.h"

#define PLACES_LOG2 12

struct place {
	struct frame frame; /* no function: nothing is here */
	struct json_place json;
};

struct json_places {
	struct place place[1u << PLACES_LOG2];
};

struct json_places *json_places_new(void)
{
	return calloc(1, sizeof(struct json_places));
}

static void place_drop(struct place *p)
{
	json_decref(p->json.function);
	json_decref(p->json.file);
	json_decref(p->json.line);
	json_decref(p->json.module);
	json_decref(p->json.frame);
}

void json_places_free(struct json_places *p)
{
	for (size_t i = 0; p && i < sizeof(p->place) / sizeof(*p->place); i++)
		place_drop(&p->place[i]);
	free(p);
}

static struct place *place_of(struct json_places *p, const struct frame *f)
{
	uint64_t h = f->offset ^ (uintptr_t)f->function << 16 ^ (uint64_t)f->line << 48;

	return &p->place[(h * 0x9e3779b97f4a7c15ull) >> (64 - PLACES_LOG2)];
}

/* The strings are the same where their places are. */
static bool same(const struct frame *a, const struct frame *b)
{
	return a->function == b->function && a->file == b->file && a->line == b->line &&
	       a->module_path == b->module_path && a->offset == b->offset &&
	       a->inlined == b->inlined && a->real == b->real;
}

static struct json_place make(const struct frame *f)
{
	struct json_place j = { .function = json_text(f->function),
				.file = json_text(f->file),
				.line = f->line ? json_u64(f->line) : json_null(),
				.module = json_text(f->module_path),
				.frame = json_object() };

	json_set_place(j.frame, &j);
	json_set(j.frame, "offset", f->real ? json_u64(f->offset) : json_null());
	if (f->inlined)
		json_set(j.frame, "inlined", json_true());
	return j;
}

const struct json_place *json_places_get(struct json_places *p, const struct frame *f)
{
	struct place *place = place_of(p, f);

	if (!same(&place->frame, f)) {
		place_drop(place);
		place->frame = *f;
		place->json = make(f);
	}
	return &place->json;
}
