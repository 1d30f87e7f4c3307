/* SPDX-License-Identifier: MIT */
/* Lists in order: sorting, --filter and --limit; see analysis.h. */
#include "analysis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ranked {
	uint64_t key;
	uint32_t index;
};

static int by_key(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->key != b->key)
		return a->key > b->key ? -1 : 1;
	return a->index < b->index ? -1 : 1;
}

const char *analysis_site_label(struct analysis *a, const struct sites *sites, uint32_t site)
{
	static char text[128];

	if (sites->rule.by_thread) {
		uint32_t number = sites->thread[site];
		const struct trace_thread *t = analysis_thread(a, number);

		if (number == SITE_FOLDED_THREADS)
			return "all threads, earlier";
		snprintf(text, sizeof(text), "thread %u%s%s", number, *t->name ? " " : "", t->name);
		return text;
	}
	if (sites->rule.group) {
		uint32_t group = sites->rule.group(sites->rule.group_arg, sites->stack[site]);

		return group == SITE_NONE ? "[unknown]" : a->group[group].label;
	}
	return NULL;
}

bool analysis_site_matches(struct analysis *a, const struct sites *sites, uint32_t site)
{
	const regex_t *re = a->context->filter_re;
	const char *label;

	if (!re)
		return true;
	label = analysis_site_label(a, sites, site);
	if (label)
		return !regexec(re, label, 0, NULL, 0);
	return frames_match(a->frames, sites->stack[site], re);
}

static uint64_t field_at(const struct rankable *what, uint32_t i, size_t offset)
{
	uint64_t v;

	memcpy(&v, (const char *)what->array + what->stride * i + offset, sizeof(v));
	return v;
}

static uint32_t site_of(const struct rankable *what, uint32_t i)
{
	uint32_t site = i;

	if (what->site_of)
		memcpy(&site, (const char *)what->array + what->stride * i + what->site_of,
		       sizeof(site));
	return site;
}

/* The order that --sort names, or the list's own where --sort is about another list. */
static const struct sort_key *key_of(const struct cmd_context *c, const struct sort_key *keys)
{
	for (const struct sort_key *k = keys; c->sort && k->name; k++)
		if (!strcmp(k->name, c->sort))
			return k;
	return keys;
}

/* The best so far: of long lists hardly anything is shown. */
struct best {
	struct ranked *list;
	uint32_t count, room, wanted;
	bool cut; /* the list was full: those behind the last of it were worse */
};

static void best_cut(struct best *b)
{
	qsort(b->list, b->count, sizeof(*b->list), by_key);
	if (b->count > b->wanted)
		b->count = b->wanted;
	b->cut = true;
}

/* There is at least one place more than are wanted. */
static void best_add(struct best *b, struct ranked one)
{
	if (b->cut && (!b->wanted || by_key(&one, &b->list[b->wanted - 1]) > 0))
		return;
	if (b->count == b->room)
		best_cut(b);
	b->list[b->count++] = one;
}

static int best_init(struct best *b, uint64_t wanted, uint32_t of)
{
	*b = (struct best){ .wanted = wanted < of ? (uint32_t)wanted : of };
	b->room = b->wanted < of / 2 ? 2 * b->wanted + 1 : of + 1;
	b->list = calloc(b->room, sizeof(*b->list));
	return b->list ? 0 : -ENOMEM;
}

int analysis_rank(struct analysis *a, const struct rankable *what, struct ranking *out)
{
	const struct sort_key *key = key_of(a->context, what->keys);
	struct best best;

	if (best_init(&best, a->context->limit, what->count))
		return -ENOMEM;
	out->count = 0;
	for (uint32_t i = 0; i < what->count; i++) {
		if (what->needed != RANK_ALL && !field_at(what, i, what->needed))
			continue;
		if (what->sites && !analysis_site_matches(a, what->sites, site_of(what, i)))
			continue;
		out->count++;
		best_add(&best, (struct ranked){ field_at(what, i, key->offset), i });
	}
	best_cut(&best);
	out->shown = best.count;
	out->index = calloc((size_t)out->shown + 1, sizeof(*out->index));
	for (uint32_t i = 0; out->index && i < out->shown; i++)
		out->index[i] = best.list[i].index;
	free(best.list);
	return out->index ? 0 : -ENOMEM;
}

void ranking_fini(struct ranking *r)
{
	free(r->index);
	r->index = NULL;
}
