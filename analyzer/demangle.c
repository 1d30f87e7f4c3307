/* SPDX-License-Identifier: MIT */
/*
 * Demangling: see demangle.h.
 *
 * libiberty refuses C++ names above about 1000 characters, as its parser keeps two records per
 * character on the stack and recurses. Such names are common in template libraries: they are
 * demangled on a thread with a stack of its own that is large enough for LONGEST_NAME. A short name
 * can expand without bound through substitutions; the output stops at LONGEST_RESULT by a jump
 * out of libiberty's callback form, which holds no memory.
 */
#include "demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_NAME     1000
#define LONGEST_NAME   (16 * 1024)
#define LONGEST_RESULT (64 * 1024)
#define STACK_BYTES    (64 * 1024 * 1024)

struct output {
	char *text;
	size_t size, room;
	jmp_buf overflow;
};

struct request {
	const char *name;
	int options;
	char *result;
};

bool demangle_is_mangled(const char *name)
{
	if (name[0] != '_')
		return false;
	if (name[1] == 'Z' || name[1] == '_')
		return strncmp(name, "_Z", 2) == 0 || strncmp(name, "__Z", 3) == 0;
	return name[1] == 'R' &&
	       (isdigit((unsigned char)name[2]) || isupper((unsigned char)name[2]));
}

static void collect(const char *text, size_t size, void *arg)
{
	struct output *out = arg;

	if (size >= LONGEST_RESULT - out->size)
		longjmp(out->overflow, 1);
	if (out->size + size >= out->room) {
		size_t room = (out->size + size + 1) * 2;
		char *grown = realloc(out->text, room);

		if (!grown)
			longjmp(out->overflow, 1);
		out->text = grown;
		out->room = room;
	}
	memcpy(out->text + out->size, text, size);
	out->size += size;
	out->text[out->size] = '\0';
}

/* Fills out->text; false when libiberty cannot read the name or gave too much. */
static bool run(struct output *out, const char *name, int options)
{
	if (setjmp(out->overflow))
		return false;
	/* Rust's older names are C++ names with a hash: Rust first, as cplus_demangle() does. */
	if (rust_demangle_callback(name, options, collect, out))
		return true;
	out->size = 0;
	return cplus_demangle_v3_callback(name, options, collect, out);
}

static char *demangle(const char *name, int options)
{
	struct output out = { 0 };

	if (run(&out, name, options) && out.size > 0)
		return out.text;
	free(out.text);
	return NULL;
}

static void *demangle_thread(void *arg)
{
	struct request *r = arg;

	r->result = demangle(r->name, r->options);
	return NULL;
}

static char *demangle_long(const char *name, int options)
{
	struct request r = { .name = name, .options = options | DMGL_NO_RECURSE_LIMIT };
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr) != 0)
		return NULL;
	if (pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 &&
	    pthread_create(&thread, &attr, demangle_thread, &r) == 0)
		pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	return r.result;
}

/* Ends a demangled name before libiberty's " [clone .isra.0]". */
static void drop_clone(char *text)
{
	char *clone = strstr(text, " [clone ");

	if (clone)
		*clone = '\0';
}

char *demangle_name(const char *name)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;
	size_t length;
	char *text;

	if (!demangle_is_mangled(name))
		return NULL;
	length = strnlen(name, LONGEST_NAME + 1);
	if (length > LONGEST_NAME)
		return NULL;
	text = length > SHORT_NAME ? demangle_long(name, options) : demangle(name, options);
	if (text)
		drop_clone(text);
	return text;
}
