/* SPDX-License-Identifier: MIT */
/* Modules and a cache of resolved addresses: see symbols.h. */
#define HASH_NONFATAL_OOM 1
#include "symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "demangle.h"
#include "processors.h"
#include "symahead.h"
#include "symdwarf.h"
#include "symfile.h"
#include "symtable.h"
#include "symtext.h"

#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(entry) (added = false)

struct module {
	char *path;
	char *name; /* last component, without the kernel's mark of a deleted file */
	uint8_t *build_id;
	uint32_t build_id_size;
	uint64_t bias;
	enum symbols_state state;
	struct symahead *ahead; /* NULL = its files are opened when they are wanted */
	struct symfile file;
	struct symdwarf *dwarf;
	struct symtable table, objects;
	bool objects_loaded;
};

struct key {
	uint64_t address;
	uint64_t module;
};

struct resolved {
	struct key key;
	UT_hash_handle hh;
	uint32_t count;
	struct symbol symbols[];
};

struct symbols {
	char *search;
	struct module *modules;
	uint32_t count, room;
	struct resolved *cache;
	struct symtext text;
	struct symbol fallback; /* answer when memory has run out */
};

struct symbols *symbols_new(const char *search)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fallback.function = "?";
	if (search) {
		s->search = strdup(search);
		if (!s->search) {
			free(s);
			return NULL;
		}
	}
	return s;
}

static void module_close(struct module *m)
{
	symahead_drop(m->ahead);
	symdwarf_free(m->dwarf);
	symtable_free(&m->table);
	symtable_free(&m->objects);
	symfile_close(&m->file);
	free(m->path);
	free(m->name);
	free(m->build_id);
}

void symbols_free(struct symbols *s)
{
	struct resolved *r, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->cache, r, next) {
		HASH_DEL(s->cache, r);
		free(r);
	}
	for (uint32_t i = 0; i < s->count; i++)
		module_close(&s->modules[i]);
	free(s->modules);
	symtext_free(&s->text);
	free(s->search);
	free(s);
}

static char *module_name(const char *path)
{
	const char *name = basename(path);
	const char *mark = strstr(name, " (deleted)");

	return strndup(name, mark && !mark[10] ? (size_t)(mark - name) : strlen(name));
}

int symbols_add_module(struct symbols *s, const struct symbols_module *m)
{
	struct module new = { .bias = m->bias, .build_id_size = m->build_id_size };

	if (s->count == s->room) {
		uint32_t room = s->room ? s->room * 2 : 32;
		struct module *modules = reallocarray(s->modules, room, sizeof(*modules));

		if (!modules)
			return -ENOMEM;
		s->modules = modules;
		s->room = room;
	}
	new.path = strdup(m->path ? m->path : "");
	new.name = new.path ? module_name(new.path) : NULL;
	new.build_id = malloc(m->build_id_size ? m->build_id_size : 1);
	if (!new.name || !new.build_id) {
		module_close(&new);
		return -ENOMEM;
	}
	if (m->build_id_size)
		memcpy(new.build_id, m->build_id, m->build_id_size);
	s->modules[s->count] = new;
	return (int)s->count++;
}

static int module_open(struct symbols *s, struct module *m)
{
	struct symfile_id id = { m->path, m->build_id, m->build_id_size };
	struct symahead *ahead = m->ahead;
	int err;

	m->ahead = NULL;
	if (ahead)
		return symahead_take(ahead, &m->file, &m->table);
	err = symfile_open(&m->file, &id, s->search);
	if (!err)
		symtable_load_best(&m->table, &m->file);
	return err;
}

void symbols_expect(struct symbols *s, uint32_t module)
{
	struct module *m = module < s->count ? &s->modules[module] : NULL;

	if (m && m->state == SYMBOLS_UNUSED && !m->ahead && processors_several()) {
		struct symfile_id id = { m->path, m->build_id, m->build_id_size };

		m->ahead = symahead_start(&id, s->search);
	}
}

static void module_load(struct symbols *s, struct module *m)
{
	Dwarf *dwarf;

	switch (module_open(s, m)) {
	case 0:
		break;
	case -ESTALE:
		m->state = SYMBOLS_CHANGED;
		return;
	case -ENOEXEC:
		m->state = SYMBOLS_STRIPPED;
		return;
	default:
		m->state = SYMBOLS_MISSING;
		return;
	}
	dwarf = m->file.main.dwarf ? m->file.main.dwarf : m->file.debug.dwarf;
	if (dwarf)
		m->dwarf = symdwarf_new(dwarf, &s->text);
	m->state = m->dwarf ? SYMBOLS_DWARF : m->table.count ? SYMBOLS_ELF : SYMBOLS_STRIPPED;
}

/* Length of a symbol's name without its version and what a compiler appends to copies. */
static size_t base_length(const char *name)
{
	static const char *const suffixes[] = { ".isra.",     ".constprop.", ".part.",	   ".cold",
						".lto_priv.", ".llvm.",	     ".localalias" };
	size_t length = strcspn(name, "@");

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *found = strstr(name + 1, suffixes[i]);

		if (name[0] && found && (size_t)(found - name) < length)
			length = found - name;
	}
	return length;
}

/* A symbol's name for people; NULL when memory ran out. */
static const char *symbol_text(struct symbols *s, const char *name)
{
	size_t length = base_length(name);
	const char *kept = symtext_keep(&s->text, name, length);
	char *demangled = kept ? demangle_name(kept) : NULL;

	if (demangled) {
		kept = symtext_keep(&s->text, demangled, strlen(demangled));
		free(demangled);
	}
	return kept;
}

/* Whether a demangled name can be that of a function that the source calls `plain`. */
static bool names_agree(const char *text, const char *plain)
{
	size_t length = strncmp(plain, "operator", 8) == 0 ? strlen(plain) : strcspn(plain, "<");
	char *part = strndup(plain, length ? length : strlen(plain));
	bool agree = part && strstr(text, part);

	free(part);
	return agree;
}

/*
 * gcc gives no linkage name to C++ functions that only one unit sees, as those in an anonymous
 * namespace; the symbol at their start has it, unless the linker folded another function into one.
 */
static const char *mangled_text(struct symbols *s, struct module *m, const struct symdwarf_frame *f)
{
	uint64_t start;
	const char *name = symtable_find(&m->table, f->entry, &start), *text;

	if (!name || start != f->entry || !demangle_is_mangled(name))
		return NULL;
	text = symbol_text(s, name);
	return text && names_agree(text, f->plain) ? text : NULL;
}

static const char *frame_text(struct symbols *s, struct module *m, const struct symdwarf_frame *f)
{
	const char *text = NULL;

	if (f->linkage)
		text = symbol_text(s, f->linkage);
	else if (!f->inlined && f->name)
		text = mangled_text(s, m, f);
	return text ? text : f->name;
}

static const char *unnamed_text(struct symbols *s, uint32_t module, uint64_t address)
{
	char text[300];
	uint64_t bias = module < s->count ? s->modules[module].bias : 0;
	int size = snprintf(text, sizeof(text), "%.250s+0x%llx", symbols_module_name(s, module),
			    (unsigned long long)(address - bias));

	return symtext_keep(&s->text, text, size);
}

static const char *table_text(struct symbols *s, struct module *m, uint64_t address)
{
	uint64_t start;
	const char *name = symtable_find(&m->table, address, &start);

	return name ? symbol_text(s, name) : NULL;
}

/* Fills `out`, innermost first. */
static uint32_t resolve(struct symbols *s, uint32_t module, uint64_t return_address,
			struct symbol out[SYMDWARF_MAX_FRAMES])
{
	struct symdwarf_frame frames[SYMDWARF_MAX_FRAMES];
	struct module *m = module < s->count ? &s->modules[module] : NULL;
	uint64_t address = m ? return_address - m->bias - 1 : 0;
	uint32_t count = 0;

	if (m && m->state == SYMBOLS_UNUSED)
		module_load(s, m);
	if (m && m->dwarf)
		count = symdwarf_find(m->dwarf, address, frames);
	if (count == 0) {
		frames[0] = (struct symdwarf_frame){ 0 };
		count = 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *name = frame_text(s, m, &frames[i]);

		if (!name && m && i == count - 1)
			name = table_text(s, m, address);
		out[i] = (struct symbol){
			.function = name,
			.file = frames[i].file,
			.line = frames[i].line,
			.inlined = frames[i].inlined,
			.named = name != NULL,
		};
		if (!name)
			out[i].function = unnamed_text(s, module, return_address);
		if (!out[i].function)
			out[i].function = s->fallback.function;
	}
	return count;
}

uint32_t symbols_resolve(struct symbols *s, uint32_t module, uint64_t return_address,
			 const struct symbol **result)
{
	struct symbol found[SYMDWARF_MAX_FRAMES];
	struct key key = { return_address, module };
	struct resolved *r;
	uint32_t count;
	bool added = true;

	HASH_FIND(hh, s->cache, &key, sizeof(key), r);
	if (r) {
		*result = r->symbols;
		return r->count;
	}
	count = resolve(s, module, return_address, found);
	r = malloc(sizeof(*r) + count * sizeof(found[0]));
	if (r) {
		r->key = key;
		r->count = count;
		memcpy(r->symbols, found, count * sizeof(found[0]));
		HASH_ADD(hh, s->cache, key, sizeof(key), r);
	}
	if (!r || !added) {
		free(r);
		*result = &s->fallback;
		return 1;
	}
	*result = r->symbols;
	return count;
}

const char *symbols_object(struct symbols *s, uint32_t module, uint64_t address, uint64_t *offset)
{
	struct module *m = module < s->count ? &s->modules[module] : NULL;
	const char *name;
	uint64_t start;

	if (!m)
		return NULL;
	if (m->state == SYMBOLS_UNUSED)
		module_load(s, m);
	if (!m->objects_loaded)
		symtable_load_objects(&m->objects, &m->file);
	m->objects_loaded = true;
	name = symtable_find(&m->objects, address - m->bias, &start);
	if (!name)
		return NULL;
	*offset = address - m->bias - start;
	return symbol_text(s, name);
}

enum symbols_state symbols_module_state(struct symbols *s, uint32_t module)
{
	return module < s->count ? s->modules[module].state : SYMBOLS_UNUSED;
}

const char *symbols_module_name(struct symbols *s, uint32_t module)
{
	if (module >= s->count || !s->modules[module].name[0])
		return "[anon]";
	return s->modules[module].name;
}
