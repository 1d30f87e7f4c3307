/* SPDX-License-Identifier: MIT */
/* Assertions; see gate_expr.h. */
#include "gate_expr.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "opts.h"

static bool ends_with(const char *s, size_t n, const char *end)
{
	size_t k = strlen(end);

	return n >= k && !memcmp(s + n - k, end, k);
}

/* The innermost name with a unit in it says: latency_ns.p99 is in nanoseconds. */
static enum gate_unit unit_of(const char *path)
{
	const char *end = path + strlen(path);

	while (end > path) {
		const char *name = end;
		size_t n;

		while (name > path && name[-1] != '.')
			name--;
		n = (size_t)(end - name);
		if (ends_with(name, n, "_ns"))
			return GATE_NS;
		if (ends_with(name, n, "_per_s"))
			return GATE_PLAIN;
		if (ends_with(name, n, "_s"))
			return GATE_S;
		if (ends_with(name, n, "bytes"))
			return GATE_BYTES;
		end = name > path ? name - 1 : path;
	}
	return GATE_PLAIN;
}

static int parse_operator(const char **text, enum gate_operator *op)
{
	static const struct {
		const char *text;
		enum gate_operator op;
	} operators[] = { { "==", GATE_EQ }, { "!=", GATE_NE }, { "<=", GATE_LE },
			  { ">=", GATE_GE }, { "<", GATE_LT },	{ ">", GATE_GT } };

	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		size_t n = strlen(operators[i].text);

		if (strncmp(*text, operators[i].text, n))
			continue;
		*text += n;
		*op = operators[i].op;
		return 0;
	}
	return -EINVAL;
}

/* A number, with a unit where the field has one of that kind. */
static int parse_value(struct gate_expr *e, const char *text)
{
	uint64_t whole;
	char *end;

	errno = 0;
	e->number = strtod(text, &end);
	if (end != text && !*end && !errno && isfinite(e->number))
		return 0;
	if (e->unit == GATE_BYTES && !opts_parse_size(text, &whole)) {
		e->number = (double)whole;
		return 0;
	}
	if ((e->unit == GATE_NS || e->unit == GATE_S) && !opts_parse_time(text, &whole)) {
		e->number = e->unit == GATE_NS ? (double)whole : (double)whole / 1e9;
		return 0;
	}
	if (isdigit((unsigned char)*text) || !*text)
		return -EINVAL;
	e->is_text = true;
	snprintf(e->word, sizeof(e->word), "%s", text);
	return e->op == GATE_EQ || e->op == GATE_NE ? 0 : -EINVAL;
}

/* Is each [ followed by digits and ]? */
static bool indexes_closed(const char *path)
{
	while ((path = strchr(path, '['))) {
		size_t digits = strspn(++path, "0123456789");

		if (!digits || path[digits] != ']')
			return false;
	}
	return true;
}

int gate_expr_parse(struct gate_expr *e, const char *text, char *why, size_t why_size)
{
	size_t n = strcspn(text += strspn(text, " \t"), " \t=!<>"), length;
	const char *p = text + n;

	memset(e, 0, sizeof(*e));
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	if (length >= sizeof(e->text)) {
		snprintf(why, why_size, "longer than %d characters", GATE_TEXT - 1);
		return -EINVAL;
	}
	memcpy(e->text, text, length);
	memcpy(e->path, text, n);
	e->unit = unit_of(e->path);
	p += strspn(p, " \t");
	if (!n || !indexes_closed(e->path) || parse_operator(&p, &e->op)) {
		snprintf(why, why_size, "not FIELD OPERATOR VALUE, as in heap.peak_bytes < 64M");
		return -EINVAL;
	}
	p += strspn(p, " \t");
	if (parse_value(e, e->text + (p - text))) {
		snprintf(why, why_size, "%s is no value to compare %s with", *p ? p : "nothing",
			 e->path);
		return -EINVAL;
	}
	return 0;
}

const json_t *gate_expr_field(const struct gate_expr *e, const json_t *report, bool *count)
{
	char path[GATE_TEXT], *rest = path, *name;
	const json_t *at = report;

	*count = false;
	memcpy(path, e->path, sizeof(path));
	while (at && (name = strsep(&rest, "."))) {
		char *index = strchr(name, '[');

		if (json_is_array(at) && !rest && !strcmp(name, "count")) {
			*count = true;
			return at;
		}
		if (index)
			*index++ = '\0';
		at = json_object_get(at, name);
		while (at && index) {
			at = json_array_get(at, strtoul(index, NULL, 10));
			index = strchr(index, '[');
			index = index ? index + 1 : NULL;
		}
	}
	return at;
}

bool gate_expr_holds(const struct gate_expr *e, double value)
{
	switch (e->op) {
	case GATE_EQ:
		return value == e->number;
	case GATE_NE:
		return value != e->number;
	case GATE_LE:
		return value <= e->number;
	case GATE_GE:
		return value >= e->number;
	case GATE_LT:
		return value < e->number;
	default:
		return value > e->number;
	}
}

bool gate_expr_holds_word(const struct gate_expr *e, const char *value)
{
	return !strcmp(e->word, value) == (e->op == GATE_EQ);
}

const char *gate_expr_format(const struct gate_expr *e, double value, char *buf, size_t size)
{
	char text[FORMAT_SIZE];
	bool natural = value >= 0 && value < 9e18;

	if (natural && e->unit == GATE_BYTES)
		snprintf(buf, size, "%s", format_bytes(text, (uint64_t)value));
	else if (natural && (e->unit == GATE_NS || e->unit == GATE_S))
		snprintf(buf, size, "%s",
			 format_time(text, (uint64_t)(e->unit == GATE_S ? value * 1e9 : value)));
	else if (natural && value == floor(value))
		snprintf(buf, size, "%s", format_count(text, (uint64_t)value));
	else
		snprintf(buf, size, "%.6g", value);
	return buf;
}
