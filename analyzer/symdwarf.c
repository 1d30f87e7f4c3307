/* SPDX-License-Identifier: MIT */
/* DWARF to frames: see symdwarf.h. */
#include "symdwarf.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "symscope.h"
#include "symspan.h"

/* Units tried for one address: more than one covers it where the linker folded or dropped code. */
#define UNIT_TRIES 8

struct function {
	Dwarf_Die die;
	uint64_t entry;
};

struct unit {
	Dwarf_Die lines; /* the unit in the file itself: has the line table */
	Dwarf_Die tree;	 /* where its functions are: the same, or in a .dwo file */
	bool has_ranges;
	bool indexed;
	struct symspans spans; /* item: index in functions */
	struct function *functions;
	uint32_t count, room;
};

struct symdwarf {
	Dwarf *dwarf;
	struct symtext *text;
	struct symscope scope;
	struct unit *units;
	uint32_t count, room;
	struct symspans spans; /* item: index in units */
};

/* Code that the linker dropped is left with a start of 0: nothing of a program is there. */
static int add_ranges(struct symspans *v, Dwarf_Die *die, uint32_t item)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0)
		if (low != 0 && symspans_add(v, low, high, 0, item) < 0)
			return -1;
	return 0;
}

static int add_unit(struct symdwarf *d, Dwarf_Die *lines, Dwarf_Die *tree)
{
	uint32_t before = d->spans.count;

	if (d->count == d->room) {
		uint32_t room = d->room ? d->room * 2 : 64;
		struct unit *units = reallocarray(d->units, room, sizeof(*units));

		if (!units)
			return -1;
		d->units = units;
		d->room = room;
	}
	d->units[d->count] = (struct unit){ .lines = *lines, .tree = *tree };
	if (add_ranges(&d->spans, lines, d->count) < 0)
		return -1;
	d->units[d->count++].has_ranges = d->spans.count > before;
	return 0;
}

static int add_units(struct symdwarf *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, split;
	uint8_t type;

	while (dwarf_get_units(d->dwarf, cu, &cu, NULL, &type, &die, &split) == 0) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		if (type == DW_UT_skeleton && !split.addr)
			split = die;
		if (add_unit(d, &die, type == DW_UT_skeleton ? &split : &die) < 0)
			return -1;
	}
	return 0;
}

static struct unit *unit_of(struct symdwarf *d, const Dwarf_Die *die)
{
	uint32_t low = 0, high = d->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if ((char *)d->units[mid].lines.addr < (char *)die->addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < d->count && d->units[low].lines.addr == die->addr ? &d->units[low] : NULL;
}

/* Some producers give a unit's ranges in .debug_aranges alone. */
static int add_aranges(struct symdwarf *d)
{
	Dwarf_Aranges *ranges;
	size_t count;

	if (dwarf_getaranges(d->dwarf, &ranges, &count) != 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		Dwarf_Arange *range = dwarf_onearange(ranges, i);
		Dwarf_Addr start;
		Dwarf_Word length;
		Dwarf_Off offset;
		Dwarf_Die die;
		struct unit *unit;

		if (dwarf_getarangeinfo(range, &start, &length, &offset) != 0 || start == 0 ||
		    !dwarf_offdie(d->dwarf, offset, &die))
			continue;
		unit = unit_of(d, &die);
		if (unit && !unit->has_ranges &&
		    symspans_add(&d->spans, start, start + length, 0, unit - d->units) < 0)
			return -1;
	}
	return 0;
}

struct symdwarf *symdwarf_new(Dwarf *dwarf, struct symtext *text)
{
	struct symdwarf *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->dwarf = dwarf;
	d->text = text;
	d->scope.text = text;
	if (add_units(d) < 0 || add_aranges(d) < 0) {
		symdwarf_free(d);
		return NULL;
	}
	symspans_sort(&d->spans);
	return d;
}

void symdwarf_free(struct symdwarf *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->count; i++) {
		symspans_free(&d->units[i].spans);
		free(d->units[i].functions);
	}
	free(d->units);
	symspans_free(&d->spans);
	symscope_free(&d->scope);
	free(d);
}

static int add_function(struct unit *u, Dwarf_Die *die)
{
	uint32_t before = u->spans.count;

	if (u->count == u->room) {
		uint32_t room = u->room ? u->room * 2 : 64;
		struct function *functions = reallocarray(u->functions, room, sizeof(*functions));

		if (!functions)
			return -1;
		u->functions = functions;
		u->room = room;
	}
	if (add_ranges(&u->spans, die, u->count) < 0)
		return -1;
	if (u->spans.count > before) {
		Dwarf_Addr entry;

		if (dwarf_entrypc(die, &entry) != 0)
			entry = u->spans.list[before].low;
		u->functions[u->count++] = (struct function){ .die = *die, .entry = entry };
	}
	return 0;
}

static int index_functions(struct unit *u, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die die;

	if (depth > SYMSCOPE_MAX_DEPTH || !symscope_child(parent, &die))
		return 0;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram && add_function(u, &die) < 0)
			return -1;
		if (symscope_holds_functions(tag) && dwarf_haschildren(&die) > 0 &&
		    index_functions(u, &die, depth + 1) < 0)
			return -1;
	} while (symscope_next(&die));
	return 0;
}

/* Adds the inlined calls around `address` below `parent` to chain, outermost first. */
static uint32_t find_inlined(Dwarf_Die *parent, uint64_t address, Dwarf_Die *chain, uint32_t room,
			     unsigned depth)
{
	Dwarf_Die die;

	if (room == 0 || depth > SYMSCOPE_MAX_DEPTH || !symscope_child(parent, &die))
		return 0;
	do {
		int tag = dwarf_tag(&die);
		bool inlined = tag == DW_TAG_inlined_subroutine;
		uint32_t found;

		if (!inlined && tag != DW_TAG_lexical_block && tag != DW_TAG_try_block &&
		    tag != DW_TAG_catch_block)
			continue;
		/* A block without addresses only groups what is in it. */
		if (dwarf_haspc(&die, address) <= 0 &&
		    (inlined || dwarf_hasattr(&die, DW_AT_low_pc) ||
		     dwarf_hasattr(&die, DW_AT_ranges)))
			continue;
		if (inlined)
			chain[0] = die;
		found = inlined +
			find_inlined(&die, address, chain + inlined, room - inlined, depth + 1);
		if (found)
			return found;
	} while (symscope_next(&die));
	return 0;
}

static void name_frame(struct symdwarf *d, struct symdwarf_frame *f, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		f->linkage = dwarf_formstring(&attribute);
	f->plain = dwarf_diename(die);
	if (!f->plain || !f->plain[0])
		f->plain = f->linkage;
	/* C has linkage names too, from asm labels: there the source's name is the better one. */
	if (f->linkage && !demangle_is_mangled(f->linkage))
		f->linkage = NULL;
	f->name = f->linkage ? f->plain : symscope_name(&d->scope, die, f->plain);
}

static const char *keep_path(struct symdwarf *d, struct unit *u, const char *path)
{
	Dwarf_Attribute attribute;
	const char *folder = NULL;

	/* "???" is libdw's word for a line that belongs to no file. */
	if (!path || !path[0] || strcmp(path, "???") == 0)
		return NULL;
	if (dwarf_attr(&u->lines, DW_AT_comp_dir, &attribute))
		folder = dwarf_formstring(&attribute);
	return symtext_keep_path(d->text, folder, path);
}

/* The place that an inlined function was called from, into the frame of its caller. */
static void place_call(struct symdwarf *d, struct unit *u, struct symdwarf_frame *caller,
		       Dwarf_Die *inlined)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Files *files;
	size_t count;

	if (dwarf_attr(inlined, DW_AT_call_line, &attribute) &&
	    dwarf_formudata(&attribute, &number) == 0 && number <= UINT32_MAX)
		caller->line = (uint32_t)number;
	if (dwarf_attr(inlined, DW_AT_call_file, &attribute) &&
	    dwarf_formudata(&attribute, &number) == 0 &&
	    dwarf_getsrcfiles(&u->tree, &files, &count) == 0 && number < count)
		caller->file = keep_path(d, u, dwarf_filesrc(files, number, NULL, NULL));
}

static void place_address(struct symdwarf *d, struct unit *u, struct symdwarf_frame *f,
			  uint64_t address)
{
	Dwarf_Line *line = dwarf_getsrc_die(&u->lines, address);
	int number;

	if (!line)
		return;
	f->file = keep_path(d, u, dwarf_linesrc(line, NULL, NULL));
	if (dwarf_lineno(line, &number) == 0 && number > 0)
		f->line = (uint32_t)number;
}

/* Frames from one unit; 0 when it neither has a function nor a line here. */
static uint32_t find_in_unit(struct symdwarf *d, struct unit *u, uint64_t address,
			     struct symdwarf_frame *frames)
{
	Dwarf_Die chain[SYMDWARF_MAX_FRAMES];
	uint32_t at, inlined = 0;
	struct function *function = NULL;

	if (!u->indexed) {
		u->indexed = true;
		index_functions(u, &u->tree, 0);
		symspans_sort(&u->spans);
	}
	at = symspans_find(&u->spans, address, SYMSPAN_NONE);
	if (at != SYMSPAN_NONE) {
		function = &u->functions[u->spans.list[at].item];
		inlined = find_inlined(&function->die, address, chain, SYMDWARF_MAX_FRAMES - 1, 0);
	}
	memset(frames, 0, (inlined + 1) * sizeof(*frames));
	place_address(d, u, &frames[0], address);
	if (!function)
		return frames[0].file ? 1 : 0;
	for (uint32_t i = 0; i < inlined; i++) {
		Dwarf_Die *die = &chain[inlined - 1 - i];

		frames[i].inlined = true;
		name_frame(d, &frames[i], die);
		place_call(d, u, &frames[i + 1], die);
	}
	name_frame(d, &frames[inlined], &function->die);
	frames[inlined].entry = function->entry;
	return inlined + 1;
}

uint32_t symdwarf_find(struct symdwarf *d, uint64_t address,
		       struct symdwarf_frame frames[SYMDWARF_MAX_FRAMES])
{
	struct symdwarf_frame only_line = { 0 };
	uint32_t at = SYMSPAN_NONE;

	for (int tries = 0; tries < UNIT_TRIES; tries++) {
		uint32_t found;

		at = symspans_find(&d->spans, address, at);
		if (at == SYMSPAN_NONE)
			break;
		found = find_in_unit(d, &d->units[d->spans.list[at].item], address, frames);
		if (found > 1 || (found && frames[0].name))
			return found;
		if (found && !only_line.file)
			only_line = frames[0];
	}
	if (!only_line.file)
		return 0;
	frames[0] = only_line;
	return 1;
}
