/* SPDX-License-Identifier: MIT */
/* Reads the dictionary section; see dictionary.h. */
#include "dictionary.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DICTIONARY (128u << 20) /* bytes read of the section */
#define MAX_NOTES      4096u
#define MAX_BUILD_ID   64u
#define MAX_ARGS       (1u << 20)
#define MAX_MISUSES    8192u

/*
 * Makes room for index `want` of an array with elements of `size` bytes; new ones are zero.
 * Returns 0 or -ENOMEM.
 */
static int grow(void *array, uint32_t *room, uint32_t want, size_t size)
{
	void **p = array;
	uint32_t capacity = *room ? *room : 16;
	void *bigger;

	if (want < *room)
		return 0;
	while (capacity <= want)
		capacity *= 2;
	bigger = realloc(*p, capacity * size);
	if (!bigger)
		return -ENOMEM;
	memset((char *)bigger + *room * size, 0, (capacity - *room) * size);
	*p = bigger;
	*room = capacity;
	return 0;
}

/* A whole string of at most *size bytes, its NUL included; NULL when there is none. */
static const char *take_string(const uint8_t **p, size_t *size)
{
	const char *s = (const char *)*p;
	const void *nul = *size ? memchr(s, 0, *size) : NULL;
	size_t n;

	if (!nul)
		return NULL;
	n = (size_t)((const char *)nul - s) + 1;
	*p += n;
	*size -= n;
	return s;
}

static int read_process(struct dictionary *d, const uint8_t *p, size_t size)
{
	struct lar_dict_process fixed;
	const char **part[] = { &d->command, &d->executable, &d->host, &d->cwd };

	if (size < sizeof(fixed) || d->argv)
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	p += sizeof(fixed);
	size -= sizeof(fixed);
	d->uid = fixed.uid;
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		const char *s = take_string(&p, &size);

		if (!s)
			return -EBADMSG;
		*part[i] = s;
	}
	if (fixed.argc > size || fixed.argc > MAX_ARGS)
		return -EBADMSG; /* each takes its NUL at least */
	d->argv = calloc((size_t)fixed.argc + 1, sizeof(*d->argv));
	if (!d->argv)
		return -ENOMEM;
	while (d->argc < fixed.argc) {
		d->argv[d->argc] = take_string(&p, &size);
		if (!d->argv[d->argc])
			return -EBADMSG;
		d->argc++;
	}
	return 0;
}

static void note_time(struct dictionary *d, uint64_t ticks)
{
	if (ticks > d->last_ticks)
		d->last_ticks = ticks;
}

static int read_module(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	struct lar_dict_module fixed;
	struct trace_module *m;
	const char *path;

	if (size < sizeof(fixed))
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	p += sizeof(fixed);
	size -= sizeof(fixed);
	if (fixed.build_id_size > MAX_BUILD_ID || fixed.build_id_size > size ||
	    fixed.start >= fixed.end)
		return -EBADMSG;
	if (grow(&d->modules, &d->module_room, id - 1, sizeof(*d->modules)))
		return -ENOMEM;
	m = &d->modules[id - 1];
	if (m->path)
		return -EBADMSG; /* an id is given once */
	m->build_id = p;
	m->build_id_size = fixed.build_id_size;
	p += fixed.build_id_size;
	size -= fixed.build_id_size;
	path = take_string(&p, &size);
	if (!path)
		return -EBADMSG;
	m->path = path;
	m->start = fixed.start;
	m->end = fixed.end;
	m->bias = fixed.bias;
	m->first_seen_ticks = fixed.first_seen_ticks;
	m->unload_ticks = UINT64_MAX;
	m->flags = fixed.flags;
	note_time(d, fixed.first_seen_ticks);
	if (id > d->module_count)
		d->module_count = id;
	return 0;
}

static int read_unload(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	struct lar_dict_unload fixed;

	if (size < sizeof(fixed) || id > d->module_count || !d->modules[id - 1].path)
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	d->modules[id - 1].unload_ticks = fixed.ticks;
	note_time(d, fixed.ticks);
	return 0;
}

/* The beginning that a record's name has in common with an earlier one, and what is its own. */
static char *whole_name(const struct dictionary *d, const struct lar_dict_target *t,
			const char *rest)
{
	const struct trace_target *base = t->base < d->target_count ? &d->targets[t->base] : NULL;
	bool known = base && base->name && strlen(base->name) >= t->shared;
	char *whole = NULL;

	if (asprintf(&whole, "%.*s%s", known ? t->shared : 3, known ? base->name : "...", rest) < 0)
		return NULL;
	return whole;
}

static int read_target(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	struct lar_dict_target fixed;
	const char *name;
	char *own = NULL;

	if (size < sizeof(fixed))
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	p += sizeof(fixed);
	size -= sizeof(fixed);
	name = take_string(&p, &size);
	if (!name)
		return -EBADMSG;
	if (grow(&d->targets, &d->target_room, id, sizeof(*d->targets)))
		return -ENOMEM;
	if (fixed.base) {
		own = whole_name(d, &fixed, name);
		if (!own)
			return -ENOMEM;
		name = own;
	}
	free(d->targets[id].own);
	d->targets[id] = (struct trace_target){ .name = name, .kind = fixed.kind, .own = own };
	if (id >= d->target_count)
		d->target_count = id + 1;
	return 0;
}

static int read_holds(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	struct lar_dict_holds fixed;

	if (size < sizeof(fixed))
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	if (id < d->target_count)
		d->targets[id].holds = fixed.what;
	return 0;
}

struct trace_thread *dictionary_thread(struct dictionary *d, uint64_t number)
{
	if (!number || number >= DICTIONARY_MAX_THREADS ||
	    grow(&d->threads, &d->thread_room, (uint32_t)number, sizeof(*d->threads)))
		return NULL;
	while (d->thread_count <= number) {
		d->threads[d->thread_count].number = d->thread_count;
		d->threads[d->thread_count++].name = "";
	}
	return &d->threads[number];
}

static int read_thread(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	struct lar_dict_thread fixed;
	struct trace_thread *row;
	const char *name;

	if (size < sizeof(fixed))
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	p += sizeof(fixed);
	size -= sizeof(fixed);
	name = take_string(&p, &size);
	if (!name)
		return -EBADMSG;
	row = dictionary_thread(d, id);
	if (!row)
		return -EBADMSG;
	row->tid = fixed.tid;
	row->name = name;
	note_time(d, fixed.ticks);
	return 0;
}

int dictionary_note(struct dictionary *d, const char *text, size_t size)
{
	char *copy;

	if (d->note_count == MAX_NOTES)
		return -EBADMSG;
	if (grow(&d->notes, &d->note_room, d->note_count, sizeof(*d->notes)))
		return -ENOMEM;
	copy = strndup(text, size);
	if (!copy)
		return -ENOMEM;
	d->notes[d->note_count++] = copy;
	return 0;
}

static int read_misuse(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	struct lar_dict_misuse fixed;

	if (size < sizeof(fixed) || d->misuse_count == MAX_MISUSES)
		return -EBADMSG;
	memcpy(&fixed, p, sizeof(fixed));
	p += sizeof(fixed);
	size -= sizeof(fixed);
	if (fixed.frames > size / 8)
		return -EBADMSG;
	if (!fixed.kind || fixed.kind >= LAR_MISUSE_KINDS)
		return 0; /* of a later version */
	if (grow(&d->misuses, &d->misuse_room, d->misuse_count, sizeof(*d->misuses)))
		return -ENOMEM;
	d->misuses[d->misuse_count++] = (struct trace_misuse){ .ticks = fixed.ticks,
							       .address = fixed.address,
							       .count = fixed.count,
							       .id = id,
							       .thread = fixed.thread,
							       .kind = fixed.kind,
							       .call = fixed.call,
							       .state = fixed.state,
							       .freed_at = fixed.freed_at,
							       .named_size = fixed.named_size,
							       .frames = fixed.frames,
							       .ra = p };
	note_time(d, fixed.ticks);
	return 0;
}

static int read_bypass(struct dictionary *d, uint32_t id, const uint8_t *p, size_t size)
{
	const char *name = take_string(&p, &size);

	if (!name)
		return -EBADMSG;
	if (id)
		d->other_malloc = name;
	else
		d->bypassed_by = name;
	return 0;
}

static int read_record(struct dictionary *d, const struct lar_dict_record *r, const uint8_t *p,
		       uint32_t max_id)
{
	bool has_id = r->type != LAR_DICT_PROCESS && r->type != LAR_DICT_NOTE;

	if (has_id && (!r->id || r->id > max_id) && r->type <= LAR_DICT_NOTE)
		return -EBADMSG;
	switch (r->type) {
	case LAR_DICT_PROCESS:
		return read_process(d, p, r->payload_size);
	case LAR_DICT_MODULE:
		return read_module(d, r->id, p, r->payload_size);
	case LAR_DICT_UNLOAD:
		return read_unload(d, r->id, p, r->payload_size);
	case LAR_DICT_TARGET:
		return read_target(d, r->id, p, r->payload_size);
	case LAR_DICT_HOLDS:
		return read_holds(d, r->id, p, r->payload_size);
	case LAR_DICT_THREAD:
		return read_thread(d, r->id, p, r->payload_size);
	case LAR_DICT_NOTE:
		return dictionary_note(d, (const char *)p, r->payload_size);
	case LAR_DICT_MISUSE:
		return read_misuse(d, r->id, p, r->payload_size);
	case LAR_DICT_BYPASS:
		return read_bypass(d, r->id, p, r->payload_size);
	default:
		return 0; /* of a later version: nothing here depends on it */
	}
}

static bool record_plausible(const struct lar_dict_record *r, size_t room)
{
	return r->size >= sizeof(*r) && r->size <= room && r->size % LAR_DICT_ALIGN == 0 &&
	       r->payload_size <= r->size - sizeof(*r) && r->type != 0;
}

/* The header behind damaged bytes must be exact: there is nothing else to know it by. */
static bool record_exact(const struct lar_dict_record *r)
{
	return r->type <= LAR_DICT_BYPASS && r->reserved == 0 &&
	       r->size - sizeof(*r) - r->payload_size < LAR_DICT_ALIGN;
}

/* `max_id`: ids are dense, more than this cannot have been given. */
static int read_records(struct dictionary *d, const uint8_t *bytes, size_t size, uint32_t max_id)
{
	bool searching = false;
	size_t at = 0;

	while (size - at >= sizeof(struct lar_dict_record)) {
		struct lar_dict_record r;
		int rc;

		memcpy(&r, bytes + at, sizeof(r));
		if (!record_plausible(&r, size - at) || (searching && !record_exact(&r))) {
			if (!searching)
				d->damaged++;
			searching = true;
			at += LAR_DICT_ALIGN;
			continue;
		}
		searching = false;
		rc = read_record(d, &r, bytes + at + sizeof(r),
				 r.type == LAR_DICT_THREAD ? DICTIONARY_MAX_THREADS : max_id);
		if (rc == -ENOMEM)
			return rc;
		if (rc)
			d->damaged++;
		at += r.size;
	}
	return 0;
}

/* Takes the bytes of the section from d->size up to `size`. */
static int read_part(struct dictionary *d, const struct ringfile *rf, uint64_t offset,
		     uint64_t size)
{
	uint64_t want = size - d->size;
	struct dictionary_part *part = malloc(sizeof(*part) + want);
	ssize_t got;

	if (!part)
		return -ENOMEM;
	part->next = d->parts;
	d->parts = part;
	got = ringfile_read(rf, offset + d->size, part->bytes, want);
	if (got < 0)
		return (int)got;
	d->size += (uint64_t)got;
	return read_records(d, part->bytes, (size_t)got,
			    (uint32_t)(d->size / sizeof(struct lar_dict_record)));
}

static void fill_gaps(struct dictionary *d)
{
	for (uint32_t i = 0; i < d->target_count; i++)
		if (!d->targets[i].name)
			d->targets[i].name = "";
	for (uint32_t i = 0; i < d->module_count; i++)
		if (!d->modules[i].path)
			d->modules[i] = (struct trace_module){ .path = "" };
}

int dictionary_more(struct dictionary *d, const struct ringfile *rf)
{
	struct lar_section s = ringfile_section(rf, LAR_SECTION_DICT);
	uint64_t size = s.used < s.size ? s.used : s.size;
	int rc = 0;

	if (size > MAX_DICTIONARY)
		size = MAX_DICTIONARY;
	if (size > d->size)
		rc = read_part(d, rf, s.offset, size);
	fill_gaps(d);
	return rc;
}

int dictionary_init(struct dictionary *d, const struct ringfile *rf)
{
	struct lar_section s = ringfile_section(rf, LAR_SECTION_DICT);

	memset(d, 0, sizeof(*d));
	d->command = d->executable = d->host = d->cwd = "";
	/* target 0 stands for what has no name */
	if (grow(&d->targets, &d->target_room, 0, sizeof(*d->targets)))
		return -ENOMEM;
	d->target_count = 1;
	if (s.size < s.used)
		d->damaged++; /* the file was cut, or says more than its section holds */
	if (s.used > MAX_DICTIONARY && s.size > MAX_DICTIONARY)
		d->damaged++;
	return dictionary_more(d, rf);
}

void dictionary_fini(struct dictionary *d)
{
	for (uint32_t i = 0; i < d->note_count; i++)
		free(d->notes[i]);
	free(d->notes);
	free(d->argv);
	free(d->modules);
	for (uint32_t i = 0; i < d->target_count; i++)
		free(d->targets[i].own);
	free(d->targets);
	free(d->threads);
	free(d->misuses);
	while (d->parts) {
		struct dictionary_part *part = d->parts;

		d->parts = part->next;
		free(part);
	}
	memset(d, 0, sizeof(*d));
}
