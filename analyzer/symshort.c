/* SPDX-License-Identifier: MIT */
/*
 * Short forms of demangled names for narrow tables. A name is read once from left to right; what is
 * no name in C++ or Rust comes out as it went in.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "symbols.h"

#define LONGEST_SHORT 1024

struct shortener {
	const char *in;
	char out[LONGEST_SHORT];
	size_t size;
	size_t name_start; /* after the return type */
	unsigned kept;	   /* open '<' that were copied, as in "<A as B>::f" */
	bool parameters;
	bool in_operator; /* what follows "operator " is its name, spaces too */
};

static void put(struct shortener *s, const char *text, size_t size)
{
	if (size > sizeof(s->out) - s->size)
		size = sizeof(s->out) - s->size;
	memcpy(s->out + s->size, text, size);
	s->size += size;
}

static bool ends_with(const struct shortener *s, const char *text)
{
	size_t size = strlen(text);

	return s->size >= size && memcmp(s->out + s->size - size, text, size) == 0;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The end of a bracketed group: just behind its closing bracket, or the end of the text. */
static const char *group_end(const char *p)
{
	unsigned round = 0, angle = 0;

	for (; *p; p++) {
		if (*p == '(' || *p == '{' || *p == '[')
			round++;
		else if ((*p == ')' || *p == '}' || *p == ']') && round > 0)
			round--;
		else if (*p == '<' && round == 0)
			angle++;
		else if (*p == '>' && round == 0 && p[-1] != '-' && angle > 0)
			angle--;
		if (round == 0 && angle == 0)
			return p + 1;
	}
	return p;
}

/* "<A as B>" and "<impl A for B>" are parts of a Rust name, not arguments. */
static bool is_rust_path(const struct shortener *s)
{
	const char *end = group_end(s->in), *as = strstr(s->in, " as ");

	if (s->size > 0 && !ends_with(s, "::") && !ends_with(s, "<") && !ends_with(s, " "))
		return false;
	if (s->size > 0 && starts_with(end, "::") == false && s->kept == 0 && *end)
		return false;
	return starts_with(s->in, "<impl ") || (as && as < end) || (s->size == 0 && *end);
}

static void angle(struct shortener *s)
{
	if (is_rust_path(s)) {
		put(s, s->in++, 1);
		s->kept++;
		return;
	}
	if (ends_with(s, "::"))
		s->size -= 2;
	s->in = group_end(s->in);
}

/* A parenthesis: part of a name, or parameters, behind which the name may go on. */
static void parenthesis(struct shortener *s)
{
	const char *end = group_end(s->in);

	if (starts_with(s->in, "(anonymous") || s->in[1] == '*' || s->in[1] == '&' || s->kept) {
		put(s, s->in, end - s->in);
		s->in = end;
		return;
	}
	s->parameters = true;
	s->in_operator = false;
	s->in = end;
	if (starts_with(end, " const::"))
		s->in += strlen(" const");
	else if (starts_with(end, " const") || *end == '&' || starts_with(end, " &") ||
		 starts_with(end, " volatile"))
		s->in = end + strlen(end);
}

/* "{lambda(int)#1}", "{closure#0}": copied without the parameters. */
static void brace(struct shortener *s)
{
	const char *end = group_end(s->in);

	while (s->in < end) {
		if (*s->in == '(')
			s->in = group_end(s->in);
		else
			put(s, s->in++, 1);
	}
}

static bool operator(struct shortener *s)
{
	const char *p = s->in + strlen("operator");
	bool starts = s->size == 0 ||
		      !(isalnum((unsigned char)s->out[s->size - 1]) || s->out[s->size - 1] == '_');

	if (!starts || !starts_with(s->in, "operator") || isalnum((unsigned char)*p) || *p == '_')
		return false;
	if (starts_with(p, "()") || starts_with(p, "[]"))
		p += 2;
	else
		p += strspn(p, "<>=-+*/%^&|~!,");
	/* "operator<< <int>": the space only parts the two. */
	s->in_operator = *p == ' ' && p[1] != '<';
	put(s, s->in, p - s->in);
	s->in = *p == ' ' && p[1] == '<' ? p + 1 : p;
	return true;
}

static void step(struct shortener *s)
{
	char c = *s->in;

	if (c == 'o' && operator(s))
		return;
	if (c == '<') {
		angle(s);
	} else if (c == '>' && s->kept) {
		s->kept--;
		put(s, s->in++, 1);
	} else if (c == '(') {
		parenthesis(s);
	} else if (c == '{') {
		brace(s);
	} else if (starts_with(s->in, "[abi:")) {
		s->in = group_end(s->in);
	} else {
		put(s, s->in++, 1);
		if (c == ' ' && !s->kept && !s->in_operator)
			s->name_start = s->size;
	}
}

const char *symbols_short_name(const char *function, char *buf, size_t n)
{
	struct shortener s = { .in = function };
	const char *text = s.out;

	if (n == 0)
		return buf;
	while (*s.in && s.size < sizeof(s.out))
		step(&s);
	/* Spaces before a name without parameters are no return type: "my library.so+0x12". */
	if (s.parameters && s.name_start < s.size) {
		text += s.name_start;
		s.size -= s.name_start;
	}
	if (s.size < n) {
		memcpy(buf, text, s.size);
		buf[s.size] = '\0';
	} else if (n > 4) {
		memcpy(buf, "...", 3);
		memcpy(buf + 3, text + s.size - (n - 4), n - 4);
		buf[n - 1] = '\0';
	} else {
		buf[0] = '\0';
	}
	return buf;
}
