/* SPDX-License-Identifier: MIT */
/* A refresh of the live view as JSON, with the report's keys where the same is meant. */
#ifndef LARIAT_TOP_JSON_H
#define LARIAT_TOP_JSON_H

#include <jansson.h>

#include "top_set.h"

/* One process; NULL = no memory. */
json_t *top_json(struct top_entry *e, const struct cmd_context *c);

#endif
