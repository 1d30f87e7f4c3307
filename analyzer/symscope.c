/* SPDX-License-Identifier: MIT */
/* Scopes of functions: see symscope.h. */
#define HASH_NONFATAL_OOM 1
#include "symscope.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(entry) (added = false)

#define LONGEST_NAME		   4096
#define LONGEST_ORIGIN		   16 /* links from a function's copy to its declaration */
#define NO_SCOPE		   UINT32_MAX

struct scope {
	Dwarf_Die die; /* named when needed */
	uint32_t parent;
};

struct member {
	void *die;
	uint32_t scope;
};

struct symscope_unit {
	void *key; /* address of the unit's DIE */
	UT_hash_handle hh;
	struct scope *scopes;
	uint32_t scope_count, scope_room;
	struct member *members; /* functions inside a scope, by address */
	uint32_t member_count, member_room;
	bool failed;
};

bool symscope_child(Dwarf_Die *parent, Dwarf_Die *child)
{
	void *before = parent->addr;

	return dwarf_child(parent, child) == 0 && child->addr > before;
}

bool symscope_next(Dwarf_Die *child)
{
	void *before = child->addr;

	/* A sibling link that points back would make a loop. */
	return dwarf_siblingof(child, child) == 0 && child->addr > before;
}

bool symscope_holds_functions(int tag)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type: /* Rust's have methods */
	case DW_TAG_interface_type:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		return true;
	default:
		return false;
	}
}

/* What a nameless class is shows in what it holds: a lambda holds its operator(). */
static const char *scope_name(Dwarf_Die *die, const char *inner)
{
	const char *name = dwarf_diename(die);

	if (name && name[0])
		return name;
	if (dwarf_tag(die) == DW_TAG_namespace)
		return "(anonymous namespace)";
	return strcmp(inner, "operator()") == 0 ? "{lambda}" : "(anonymous)";
}

/* Number of the scope that `die` opens within `parent`. */
static uint32_t add_scope(struct symscope_unit *u, Dwarf_Die *die, int tag, uint32_t parent)
{
	if (tag == DW_TAG_lexical_block)
		return parent;
	if (u->scope_count == u->scope_room) {
		uint32_t room = u->scope_room ? u->scope_room * 2 : 64;
		struct scope *scopes = reallocarray(u->scopes, room, sizeof(*scopes));

		if (!scopes) {
			u->failed = true;
			return parent;
		}
		u->scopes = scopes;
		u->scope_room = room;
	}
	u->scopes[u->scope_count] = (struct scope){ .die = *die, .parent = parent };
	return u->scope_count++;
}

static void add_member(struct symscope_unit *u, Dwarf_Die *die, uint32_t scope)
{
	if (scope == NO_SCOPE)
		return;
	if (u->member_count == u->member_room) {
		uint32_t room = u->member_room ? u->member_room * 2 : 256;
		struct member *members = reallocarray(u->members, room, sizeof(*members));

		if (!members) {
			u->failed = true;
			return;
		}
		u->members = members;
		u->member_room = room;
	}
	u->members[u->member_count++] = (struct member){ .die = die->addr, .scope = scope };
}

static bool is_function(const struct symscope_unit *u, uint32_t scope)
{
	return dwarf_tag(&u->scopes[scope].die) == DW_TAG_subprogram;
}

static void walk(struct symscope_unit *u, Dwarf_Die *parent, uint32_t scope, unsigned depth)
{
	Dwarf_Die die;

	if (depth > SYMSCOPE_MAX_DEPTH || !symscope_child(parent, &die))
		return;
	do {
		int tag = dwarf_tag(&die);

		/* GNU C's functions inside functions are known by their own name. */
		if (tag == DW_TAG_subprogram && (scope == NO_SCOPE || !is_function(u, scope)))
			add_member(u, &die, scope);
		if (symscope_holds_functions(tag) && dwarf_haschildren(&die) > 0)
			walk(u, &die, add_scope(u, &die, tag, scope), depth + 1);
	} while (symscope_next(&die) && !u->failed);
}

static struct symscope_unit *find_unit(struct symscope *s, Dwarf_Die *unit_die)
{
	struct symscope_unit *u;
	bool added = true;

	HASH_FIND_PTR(s->units, &unit_die->addr, u);
	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->key = unit_die->addr;
	HASH_ADD_PTR(s->units, key, u);
	if (!added) {
		free(u);
		return NULL;
	}
	walk(u, unit_die, NO_SCOPE, 0);
	return u;
}

/* From a copy of a function to what it is a copy of: only that one is inside its scope. */
static void follow_origin(Dwarf_Die *die)
{
	for (int i = 0; i < LONGEST_ORIGIN; i++) {
		Dwarf_Attribute attribute;
		Dwarf_Die origin;

		if (!dwarf_attr(die, DW_AT_abstract_origin, &attribute) &&
		    !dwarf_attr(die, DW_AT_specification, &attribute))
			return;
		if (!dwarf_formref_die(&attribute, &origin))
			return;
		*die = origin;
	}
}

static uint32_t member_scope(const struct symscope_unit *u, const void *die)
{
	uint32_t low = 0, high = u->member_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if ((char *)u->members[mid].die < (const char *)die)
			low = mid + 1;
		else
			high = mid;
	}
	return low < u->member_count && u->members[low].die == die ? u->members[low].scope
								   : NO_SCOPE;
}

/* Puts `text` in front of what *start points to; false when it would begin before `buffer`. */
static bool prepend(const char *buffer, char **start, const char *text)
{
	size_t size = strlen(text);

	if (size > (size_t)(*start - buffer))
		return false;
	for (*start -= size; size-- > 0;)
		(*start)[size] = text[size];
	return true;
}

/* Writes "a::b::name" so that it ends at the buffer's end; returns its start. */
static char *write_backwards(const struct symscope_unit *u, uint32_t scope, const char *name,
			     char *buffer, size_t size)
{
	char *start = buffer + size;

	if (!prepend(buffer, &start, name))
		return NULL;
	for (; scope != NO_SCOPE; scope = u->scopes[scope].parent) {
		char *whole = start;

		name = scope_name(&u->scopes[scope].die, name);
		if (!prepend(buffer, &start, "::") || !prepend(buffer, &start, name))
			return whole;
	}
	return start;
}

const char *symscope_name(struct symscope *s, Dwarf_Die *function, const char *plain)
{
	char buffer[LONGEST_NAME], *start;
	Dwarf_Die die = *function, unit;
	struct symscope_unit *u;
	uint32_t scope;

	if (!plain)
		return NULL;
	follow_origin(&die);
	u = dwarf_diecu(&die, &unit, NULL, NULL) ? find_unit(s, &unit) : NULL;
	scope = u ? member_scope(u, die.addr) : NO_SCOPE;
	if (scope == NO_SCOPE)
		return plain;
	start = write_backwards(u, scope, plain, buffer, sizeof(buffer));
	return start ? symtext_keep(s->text, start, buffer + sizeof(buffer) - start) : plain;
}

void symscope_free(struct symscope *s)
{
	struct symscope_unit *u, *next;

	HASH_ITER (hh, s->units, u, next) {
		HASH_DEL(s->units, u);
		free(u->scopes);
		free(u->members);
		free(u);
	}
}
