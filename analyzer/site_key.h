/* SPDX-License-Identifier: MIT */
/*
 * What a site of a JSON report is called across builds: its functions from the innermost outwards,
 * without lines, addresses and the marks of compilers' clones. No state.
 */
#ifndef LARIAT_SITE_KEY_H
#define LARIAT_SITE_KEY_H

#include <jansson.h>
#include <stddef.h>

#define SITE_KEY 4096

/*
 * Writes the key of a site (an object with "stack", or one of a folded list) behind a `prefix`,
 * cut at size - 1 bytes. Returns buf.
 */
const char *site_key(const json_t *site, const char *prefix, char *buf, size_t size);

#endif
