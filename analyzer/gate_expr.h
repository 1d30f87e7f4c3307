/* SPDX-License-Identifier: MIT */
/*
 * Assertions over the fields of a JSON report: PATH OPERATOR VALUE, such as
 * "leaks.definitely_lost.bytes == 0" or "io.totals.write.latency_ns.p99 < 5ms". No state.
 */
#ifndef LARIAT_GATE_EXPR_H
#define LARIAT_GATE_EXPR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum gate_operator { GATE_EQ, GATE_NE, GATE_LE, GATE_GE, GATE_LT, GATE_GT };
enum gate_unit { GATE_PLAIN, GATE_BYTES, GATE_NS, GATE_S };

#define GATE_TEXT 256

struct gate_expr {
	char text[GATE_TEXT]; /* as given, without blanks around it */
	char path[GATE_TEXT];
	enum gate_operator op;
	enum gate_unit unit; /* of the field, from its name */
	bool is_text;	     /* the value is a word, else a number */
	char word[GATE_TEXT];
	double number; /* in the field's unit */
};

/* Returns 0, or -EINVAL with what is wrong in `why`. */
int gate_expr_parse(struct gate_expr *e, const char *text, char *why, size_t why_size);

/*
 * The field, or NULL: there is no such field. [N] behind a name is an element of a list, "count"
 * behind one its length, in *count, and the list itself is returned.
 */
const json_t *gate_expr_field(const struct gate_expr *e, const json_t *report, bool *count);

/* Does the assertion hold for this value? Numbers only, and words by gate_expr_holds_word(). */
bool gate_expr_holds(const struct gate_expr *e, double value);
bool gate_expr_holds_word(const struct gate_expr *e, const char *value);

/* A value in the field's unit, as people read it. Returns buf. */
const char *gate_expr_format(const struct gate_expr *e, double value, char *buf, size_t size);

#endif
