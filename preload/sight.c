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
#include "note.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"

#define OBJECTS_MOST 4096
#define DYNAMIC_MOST 64
#define SYMBOLS	     256
#define RELOCATIONS  256
#define NAMES	     4096 /* bytes of names at a time */
#define LONGEST_PATH 200

static const struct {
	char name[8];
	void *const *real;
} calls[] = {
	{ "malloc", (void *const *)&real.malloc },
	{ "calloc", (void *const *)&real.calloc },
	{ "realloc", (void *const *)&real.realloc },
	{ "free", (void *const *)&real.free },
};
#define CALLS (sizeof(calls) / sizeof(*calls))

/* What of an object's dynamic section is looked at. */
struct object {
	uint64_t bias;
	uint64_t symbols, names, hash, gnu_hash;
	uint64_t plt, plt_bytes, relocations, relocation_bytes, relative;
};

/* Where the looking is at; too much for the stack of any thread. With the lock held. */
static struct {
	int memory; /* /proc/self/mem */
	uint64_t names_at;
	uint32_t names_size;
	union {
		Elf64_Dyn dynamic[DYNAMIC_MOST];
		Elf64_Sym symbol[SYMBOLS];
		Elf64_Rela relocation[RELOCATIONS];
		char path[LONGEST_PATH + 1];
	};
	char names[NAMES];
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
	uint64_t value = d->d_un.d_val, place = place_of(o, value);

	switch (d->d_tag) {
	case DT_SYMTAB:
		o->symbols = place;
		break;
	case DT_STRTAB:
		o->names = place;
		break;
	case DT_HASH:
		o->hash = place;
		break;
	case DT_GNU_HASH:
		o->gnu_hash = place;
		break;
	case DT_JMPREL:
		o->plt = place;
		break;
	case DT_PLTRELSZ:
		o->plt_bytes = value;
		break;
	case DT_RELA:
		o->relocations = place;
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

static bool object_read(struct object *o, const struct link_map *map)
{
	size_t count = read_some((uint64_t)map->l_ld, look.dynamic, sizeof(look.dynamic)) /
		       sizeof(*look.dynamic);

	*o = (struct object){ .bias = map->l_addr };
	for (size_t i = 0; i < count && look.dynamic[i].d_tag != DT_NULL; i++)
		take_entry(o, &look.dynamic[i]);
	return o->symbols && o->names && (o->plt || o->relocations);
}

/* The symbols that an object wants of others are in front of those that it has. */
static uint32_t wanted_count(const struct object *o)
{
	uint32_t head[2] = { 0, 0 };

	if (!read_all(o->gnu_hash ? o->gnu_hash : o->hash, head, sizeof(head)))
		return 0;
	return head[1]; /* the first one that is hashed, or the count of all */
}

/* Whether the name at `offset` is that of calls[k]. */
static bool is_named(const struct object *o, uint32_t offset, size_t k)
{
	uint64_t address = o->names + offset;
	size_t size = strlen(calls[k].name) + 1;

	if (address < look.names_at || address + size > look.names_at + look.names_size) {
		look.names_at = address;
		look.names_size = (uint32_t)read_some(address, look.names, NAMES);
	}
	return size <= look.names_size &&
	       !memcmp(look.names + (address - look.names_at), calls[k].name, size);
}

/* The numbers of the symbols of `calls`, 0 = the object does not call it. Returns whether it calls
 * any. */
static bool find_symbols(const struct object *o, uint32_t number[CALLS])
{
	uint32_t count = wanted_count(o);
	bool any = false;

	look.names_size = 0;
	for (uint32_t at = 0; at < count; at += SYMBOLS) {
		uint32_t n = count - at < SYMBOLS ? count - at : SYMBOLS;

		n = (uint32_t)(read_some(o->symbols + at * sizeof(Elf64_Sym), look.symbol,
					 n * sizeof(Elf64_Sym)) /
			       sizeof(Elf64_Sym));
		if (!n)
			break;
		for (uint32_t i = 0; i < n; i++)
			for (size_t k = 0; k < CALLS; k++)
				if (look.symbol[i].st_shndx == SHN_UNDEF &&
				    is_named(o, look.symbol[i].st_name, k)) {
					number[k] = at + i;
					any = true;
				}
	}
	return any;
}

/* Is it bound to what stands behind the recorder? */
static bool is_bypass(const struct object *o, const Elf64_Rela *r, const uint32_t number[CALLS])
{
	uint64_t type = ELF64_R_TYPE(r->r_info), symbol = ELF64_R_SYM(r->r_info), target;

	if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) || !symbol)
		return false;
	for (size_t k = 0; k < CALLS; k++)
		if (number[k] == symbol && read_all(o->bias + r->r_offset, &target, 8))
			return *calls[k].real && target == (uint64_t)*calls[k].real;
	return false;
}

static bool any_bypass(const struct object *o, uint64_t at, uint64_t bytes,
		       const uint32_t number[CALLS])
{
	uint64_t end = at + bytes;

	while (at < end) {
		size_t size =
			end - at < sizeof(look.relocation) ? end - at : sizeof(look.relocation);
		size_t n = read_some(at, look.relocation, size) / sizeof(Elf64_Rela);

		if (!n)
			return false;
		for (size_t i = 0; i < n; i++) {
			Elf64_Rela r = look.relocation[i];

			if (is_bypass(o, &r, number))
				return true;
		}
		at += n * sizeof(Elf64_Rela);
	}
	return false;
}

static bool object_bypasses(const struct link_map *map)
{
	uint32_t number[CALLS] = { 0 };
	uint64_t relative;
	struct object o;

	if (!object_read(&o, map) || !find_symbols(&o, number))
		return false;
	if (any_bypass(&o, o.plt, o.plt_bytes, number))
		return true;
	relative = o.relative * sizeof(Elf64_Rela);
	return relative < o.relocation_bytes &&
	       any_bypass(&o, o.relocations + relative, o.relocation_bytes - relative, number);
}

static void say(const struct link_map *map)
{
	size_t n = read_some((uint64_t)map->l_name, look.path, LONGEST_PATH);
	const char *name, *said;

	look.path[n] = '\0';
	n = strlen(look.path);
	name = strrchr(look.path, '/');
	note_once(NOTE_BYPASS,
		  "malloc and free are called out of sight by %s (RTLD_DEEPBIND?): what it frees "
		  "counts as in use, and no free is called wrong",
		  name ? name + 1 : look.path);
	said = note_text(NOTE_BYPASS);
	if (said)
		dict_append(LAR_DICT_NOTE, NOTE_BYPASS, said, strlen(said) + 1);
	dict_append(LAR_DICT_BYPASS, 0, look.path, n + 1);
}

static bool look_at_all(void)
{
	uint64_t at = (uint64_t)real_loaded_later();
	bool found = false;

	look.memory = at ? sys_openat(AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0) : -1;
	if (look.memory < 0)
		return false;
	for (unsigned i = 0; at && !found && i < OBJECTS_MOST; i++) {
		struct link_map map;

		/* what is public of it comes first */
		if (!read_all(at, &map, offsetof(struct link_map, l_prev)))
			break;
		found = object_bypasses(&map);
		if (found)
			say(&map);
		at = (uint64_t)map.l_next;
	}
	sys_close(look.memory);
	return found;
}

bool sight_bypassed(void)
{
	uint64_t mask;

	if (lar->bypassed || sys_forbidden || !real_loaded_later())
		return lar->bypassed;
	sys_block_signals(&mask);
	if (spin_lock(&lar->sight_lock)) {
		if (!lar->bypassed)
			lar->bypassed = look_at_all();
		spin_unlock(&lar->sight_lock);
	}
	sys_restore_signals(&mask);
	return lar->bypassed;
}
