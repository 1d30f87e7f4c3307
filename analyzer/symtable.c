/* SPDX-License-Identifier: MIT */
/* Symbol tables: see symtable.h. */
#include "symtable.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Order among the names of one address, least first: a function with a size before a bare label,
 * exported before local, few leading underscores before many (malloc, not __libc_malloc), and
 * global before weak.
 */
static uint32_t symbol_rank(const GElf_Sym *symbol, const char *name)
{
	uint32_t underscores = strspn(name, "_");
	unsigned bind = GELF_ST_BIND(symbol->st_info);
	bool label = GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE;

	if (underscores > 15)
		underscores = 15;
	return (uint32_t)label << 8 | (uint32_t)(symbol->st_size == 0) << 7 |
	       (uint32_t)(bind == STB_LOCAL) << 6 | underscores << 1 | (bind == STB_WEAK);
}

static bool is_section_of(const GElf_Shdr *header, bool objects)
{
	if (!objects)
		return header->sh_flags & SHF_EXECINSTR;
	return header->sh_flags & SHF_ALLOC && !(header->sh_flags & (SHF_EXECINSTR | SHF_TLS));
}

/* End of the section of its kind that a symbol is in; 0 when it is in none. */
static uint64_t section_end(Elf *elf, const GElf_Sym *symbol, bool objects)
{
	Elf_Scn *section;
	GElf_Shdr header;

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE)
		return 0;
	section = elf_getscn(elf, symbol->st_shndx);
	if (!section || !gelf_getshdr(section, &header) || !is_section_of(&header, objects))
		return 0;
	if (symbol->st_value < header.sh_addr ||
	    symbol->st_value - header.sh_addr >= header.sh_size)
		return 0;
	return header.sh_addr + header.sh_size;
}

static bool is_type_of(const GElf_Sym *symbol, bool objects)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);

	if (objects)
		return (type == STT_OBJECT || type == STT_COMMON) && symbol->st_size;
	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

static int add_symbol(struct symtable *t, Elf *elf, const GElf_Sym *symbol, const char *name)
{
	uint64_t end;
	int err;

	if (!is_type_of(symbol, t->objects))
		return 0;
	if (!name || !name[0] || name[0] == '.' || name[0] == '$')
		return 0;
	end = section_end(elf, symbol, t->objects);
	if (!end)
		return 0;
	if (symbol->st_size && symbol->st_size < end - symbol->st_value)
		end = symbol->st_value + symbol->st_size;
	if (t->count == t->room) {
		uint32_t room = t->room ? t->room * 2 : 1024;
		const char **names = reallocarray(t->names, room, sizeof(*names));

		if (!names)
			return -ENOMEM;
		t->names = names;
		t->room = room;
	}
	err = symspans_add(&t->spans, symbol->st_value, end, symbol_rank(symbol, name), t->count);
	if (!err)
		t->names[t->count++] = name;
	return err;
}

/*
 * A label without a size runs to the next symbol, not to its section's end; one inside a function
 * that has a size is a jump target of hand-written code and no function.
 */
static void bound_labels(struct symspans *spans)
{
	uint64_t reach = 0, next = UINT64_MAX;
	uint32_t kept = 0;

	for (uint32_t i = spans->count; i-- > 0;) {
		struct symspan *s = &spans->list[i];

		if ((s->rank & 1 << 7) && s->high > next)
			s->high = next;
		if (i > 0 && spans->list[i - 1].low != s->low)
			next = s->low;
	}
	for (uint32_t i = 0; i < spans->count; i++) {
		struct symspan *s = &spans->list[i];

		if ((s->rank & 1 << 7) && s->low < reach)
			continue;
		if (!(s->rank & 1 << 7) && s->high > reach)
			reach = s->high;
		spans->list[kept++] = *s;
	}
	spans->count = kept;
	symspans_sort(spans);
}

static Elf_Scn *find_table(Elf *elf, uint32_t type, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, header) && header->sh_type == type &&
		    header->sh_entsize == gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT) &&
		    header->sh_size > header->sh_entsize)
			return section;
	return NULL;
}

static int finish(struct symtable *t, int err)
{
	if (!err && t->count == 0)
		err = -ENOENT;
	if (err) {
		symtable_free(t);
		return err;
	}
	symspans_sort(&t->spans);
	bound_labels(&t->spans);
	return 0;
}

int symtable_load(struct symtable *t, Elf *elf, uint32_t type)
{
	GElf_Shdr header;
	Elf_Scn *section = find_table(elf, type, &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	int err = 0;

	if (!data)
		return -ENOENT;
	for (size_t i = 0; i < data->d_size / header.sh_entsize && !err; i++) {
		GElf_Sym symbol;

		if (gelf_getsym(data, (int)i, &symbol))
			err = add_symbol(t, elf, &symbol,
					 elf_strptr(elf, header.sh_link, symbol.st_name));
	}
	return finish(t, err);
}

static bool has_section(Elf *elf, const char *wanted)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;

		if (name && strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* libdwfl would look for separate debug files, and may fetch them: symfile has done the former. */
static int no_debug_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
			 const char *file, const char *link, GElf_Word crc, char **found)
{
	(void)module, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc;
	*found = NULL;
	return -1;
}

int symtable_load_mini(struct symtable *t, Elf *elf, const char *path)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = no_debug_file,
		.section_address = dwfl_offline_section_address,
	};
	Dwfl_Module *module;
	int count, err = 0;

	if (!path || !has_section(elf, ".gnu_debugdata"))
		return -ENOENT;
	t->mini = dwfl_begin(&callbacks);
	if (!t->mini)
		return -ENOMEM;
	dwfl_report_begin(t->mini);
	module = dwfl_report_elf(t->mini, "module", path, -1, 0, true);
	dwfl_report_end(t->mini, NULL, NULL);
	count = module ? dwfl_module_getsymtab(module) : 0;
	for (int i = 0; i < count && !err; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		Elf *from = NULL;
		const char *name =
			dwfl_module_getsym_info(module, i, &symbol, &address, NULL, &from, NULL);

		if (name && from)
			err = add_symbol(t, from, &symbol, name);
	}
	return finish(t, err);
}

void symtable_load_best(struct symtable *t, const struct symfile *f)
{
	Elf *elf = f->main.elf, *debug = f->debug.elf;

	if (debug && symtable_load(t, debug, SHT_SYMTAB) == 0)
		return;
	if (!elf || symtable_load(t, elf, SHT_SYMTAB) == 0)
		return;
	if (symtable_load_mini(t, elf, f->path) != 0)
		symtable_load(t, elf, SHT_DYNSYM);
}

void symtable_load_objects(struct symtable *t, const struct symfile *f)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };
	Elf *elf[] = { f->debug.elf, f->main.elf };

	for (size_t type = 0; type < 2; type++) {
		for (size_t i = 0; i < 2; i++) {
			t->objects = true; /* one that fails is all zero again */
			if (elf[i] && !symtable_load(t, elf[i], types[type]))
				return;
		}
	}
}

const char *symtable_find(const struct symtable *t, uint64_t address, uint64_t *start)
{
	uint32_t i = symspans_find(&t->spans, address, SYMSPAN_NONE);

	if (i == SYMSPAN_NONE)
		return NULL;
	*start = t->spans.list[i].low;
	return t->names[t->spans.list[i].item];
}

void symtable_free(struct symtable *t)
{
	symspans_free(&t->spans);
	free(t->names);
	if (t->mini)
		dwfl_end(t->mini);
	*t = (struct symtable){ 0 };
}
