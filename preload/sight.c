/* SPDX-License-Identifier: MIT */
/*
 * What calls of the malloc family are bound to; see sight.h. Another thread may unload an object
 * while it is looked at, so the program's memory is read by way of the kernel, which says where
 * there is none any more.
 */
#include "sight.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "dict.h"
#include "mapname.h"
#include "note.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"

#define OBJECTS_MOST 4096
#define DYNAMIC_MOST 64
#define RELOCATIONS  256
#define SLOTS	     1024 /* of a table of addresses, at a time */
#define LONGEST_PATH 200

/* What of an object's dynamic section is looked at. */
struct object {
	uint64_t bias;
	uint64_t plt, plt_bytes;
	uint64_t relocations, relocation_bytes, relative;
};

/* Where the looking is at; too much for the stack of any thread. With the lock held. */
static struct {
	int memory; /* /proc/self/mem */
	union {
		Elf64_Dyn dynamic[DYNAMIC_MOST];
		Elf64_Rela relocation[RELOCATIONS];
		char path[LONGEST_PATH + 1];
	};
	uint64_t slot[SLOTS];
} look;

/* As many bytes as there are. */
static size_t read_some(uint64_t address, void *to, size_t size)
{
	ssize_t got = sys_pread(look.memory, to, size, (off_t)address);

	return got > 0 ? (size_t)got : 0;
}

static bool read_all(uint64_t address, void *to, size_t size)
{
	return read_some(address, to, size) == size;
}

/* The loader relocates these entries in most objects. */
static uint64_t place_of(const struct object *o, uint64_t value)
{
	return value >= o->bias ? value : value + o->bias;
}

static void take_entry(struct object *o, const Elf64_Dyn *d)
{
	uint64_t value = d->d_un.d_val;

	switch (d->d_tag) {
	case DT_JMPREL:
		o->plt = place_of(o, value);
		break;
	case DT_PLTRELSZ:
		o->plt_bytes = value;
		break;
	case DT_RELA:
		o->relocations = place_of(o, value);
		break;
	case DT_RELASZ:
		o->relocation_bytes = value;
		break;
	case DT_RELACOUNT:
		o->relative = value;
		break;
	default:
		break;
	}
}

static void object_read(struct object *o, const struct link_map *map)
{
	size_t count = read_some((uint64_t)map->l_ld, look.dynamic, sizeof(look.dynamic)) /
		       sizeof(*look.dynamic);

	*o = (struct object){ .bias = map->l_addr };
	for (size_t i = 0; i < count && look.dynamic[i].d_tag != DT_NULL; i++)
		take_entry(o, &look.dynamic[i]);
}

/* Is it a function of libc behind the recorder's, by whatever name it was asked for? */
static bool is_behind(uint64_t address)
{
	return address && (address == (uint64_t)real.malloc || address == (uint64_t)real.calloc ||
			   address == (uint64_t)real.realloc || address == (uint64_t)real.free);
}

static bool any_behind(uint64_t from, uint64_t end)
{
	while (from < end) {
		size_t size = end - from < sizeof(look.slot) ? end - from : sizeof(look.slot);
		size_t n = read_some(from, look.slot, size) / sizeof(*look.slot);

		for (size_t i = 0; i < n; i++)
			if (is_behind(look.slot[i]))
				return true;
		if (!n)
			return false;
		from += n * sizeof(*look.slot);
	}
	return false;
}

/* Calls by way of the linkage table: its places follow each other. */
static bool plt_bypasses(const struct object *o)
{
	Elf64_Rela first, last;

	if (!o->plt || o->plt_bytes < sizeof(first) || !read_all(o->plt, &first, sizeof(first)) ||
	    !read_all(o->plt + o->plt_bytes - sizeof(last), &last, sizeof(last)) ||
	    last.r_offset < first.r_offset || last.r_offset - first.r_offset > o->plt_bytes)
		return false;
	return any_behind(o->bias + first.r_offset, o->bias + last.r_offset + sizeof(uint64_t));
}

/* Calls without such a table (-fno-plt), and functions whose address is taken: with few others
 * between them. */
static bool addresses_bypass(const struct object *o)
{
	uint64_t at = o->relocations + o->relative * sizeof(Elf64_Rela);
	uint64_t end = o->relocations + o->relocation_bytes;

	while (o->relocations && at < end) {
		uint64_t low = UINT64_MAX, high = 0;
		size_t size =
			end - at < sizeof(look.relocation) ? end - at : sizeof(look.relocation);
		size_t n = read_some(at, look.relocation, size) / sizeof(Elf64_Rela);

		for (size_t i = 0; i < n; i++) {
			const Elf64_Rela *r = &look.relocation[i];

			if (ELF64_R_TYPE(r->r_info) != R_X86_64_GLOB_DAT)
				continue;
			low = r->r_offset < low ? r->r_offset : low;
			high = r->r_offset > high ? r->r_offset : high;
		}
		if (low <= high && high - low <= n * 2 * sizeof(uint64_t) &&
		    any_behind(o->bias + low, o->bias + high + sizeof(uint64_t)))
			return true;
		if (!n)
			return false;
		at += n * sizeof(Elf64_Rela);
	}
	return false;
}

static bool object_bypasses(const struct link_map *map)
{
	struct object o;

	object_read(&o, map);
	return plt_bypasses(&o) || addresses_bypass(&o);
}

/* By the name that it was opened by, or else that of its file. */
static void name_object(const struct link_map *map)
{
	size_t n = read_some((uint64_t)map->l_name, look.path, LONGEST_PATH);

	look.path[n] = '\0';
	if (!look.path[0])
		look.path[mapname_find((uint64_t)map->l_ld, look.path, LONGEST_PATH)] = '\0';
	if (!look.path[0])
		strcpy(look.path, "?");
}

static void say(const struct link_map *map, bool instead)
{
	const char *name, *said;

	name_object(map);
	name = strrchr(look.path, '/');
	name = name ? name + 1 : look.path;
	if (instead)
		note_once(NOTE_BYPASS, "malloc is that of %s: what it allocates is not seen", name);
	else
		note_once(NOTE_BYPASS,
			  "malloc and free are called out of sight by %s (RTLD_DEEPBIND or "
			  "__libc_malloc?): what it frees counts as in use, and no free is "
			  "called wrong",
			  name);
	said = note_text(NOTE_BYPASS);
	if (said)
		dict_append(LAR_DICT_NOTE, NOTE_BYPASS, said, strlen(said) + 1);
	dict_append(LAR_DICT_BYPASS, 0, look.path, strlen(look.path) + 1);
}

/* From the object at `at` to `last`, or until there are no more. */
static bool look_at_objects(uint64_t at, const struct link_map *last)
{
	for (unsigned i = 0; at && i < OBJECTS_MOST; i++) {
		struct link_map map;

		/* what is public of it comes first */
		if (!read_all(at, &map, offsetof(struct link_map, l_prev)))
			break;
		if (object_bypasses(&map)) {
			say(&map, false);
			return true;
		}
		if (at == (uint64_t)last)
			break;
		at = (uint64_t)map.l_next;
	}
	return false;
}

static bool look_at_all(bool all)
{
	const struct real_objects start = real_loaded();
	const struct link_map *instead = real_malloc_instead();
	bool found = instead;

	if (!start.first || !start.last)
		return false;
	look.memory = sys_openat(AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	if (instead)
		say(instead, true);
	else if (look.memory >= 0)
		found = look_at_objects((uint64_t)start.first, all ? start.last : start.first) ||
			look_at_objects((uint64_t)start.last->l_next, NULL);
	if (look.memory >= 0)
		sys_close(look.memory);
	return found;
}

void sight_begin(void)
{
	const struct link_map *instead = real_malloc_instead();

	if (!instead || !spin_lock(&lar->sight_lock))
		return;
	look.memory = sys_openat(AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	name_object(instead);
	dict_append(LAR_DICT_BYPASS, 1, look.path, strlen(look.path) + 1);
	if (look.memory >= 0)
		sys_close(look.memory);
	spin_unlock(&lar->sight_lock);
}

bool sight_bypassed(bool all)
{
	uint64_t mask;

	if (lar->bypassed || sys_forbidden)
		return lar->bypassed;
	sys_block_signals(&mask);
	if (spin_lock(&lar->sight_lock)) {
		if (!lar->bypassed)
			lar->bypassed = look_at_all(all);
		spin_unlock(&lar->sight_lock);
	}
	sys_restore_signals(&mask);
	return lar->bypassed;
}
