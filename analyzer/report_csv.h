/* SPDX-License-Identifier: MIT */
/* A report as comma-separated values (RFC 4180), made from its JSON. */
#ifndef LARIAT_REPORT_CSV_H
#define LARIAT_REPORT_CSV_H

#include <jansson.h>
#include <stdbool.h>

#include "opts.h"

/*
 * One part: a row for each entry of its list, keys of nested objects joined by dots, stacks by
 * semicolons (innermost function first). Several parts: rows of key and value of all that is no
 * list. `header` asks for the row of names.
 */
void csv_report(const struct cmd_context *c, json_t *report, unsigned parts, bool header);

#endif
