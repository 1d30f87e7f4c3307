/* SPDX-License-Identifier: MIT */
/*
 * Writes a JSON document as json_dumpf() does with JSON_INDENT(2) | JSON_REAL_PRECISION(17), but
 * without its search for circles, of which our documents have none, and in large pieces.
 */
#ifndef LARIAT_JSON_WRITE_H
#define LARIAT_JSON_WRITE_H

#include <jansson.h>
#include <stdio.h>

/* No newline follows. 0, or -1: there is no document, or stdio failed. */
int json_write(const json_t *document, FILE *out);

#endif
