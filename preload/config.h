/* SPDX-License-Identifier: MIT */
/* The recorder's options, read from the environment once per process image. */
#ifndef LARIAT_CONFIG_H
#define LARIAT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct config {
	char output[512];
	uint64_t size; /* bytes, 0 = no bound */
	uint32_t depth;
	uint32_t record; /* enum lar_record */
	uint64_t interval_ns;
	uint64_t sample_bytes; /* 0 = every allocation */
	bool follow;
	bool quiet;
};

#define CONFIG_SIZE_MIN (1ull << 20)

/*
 * Fills *c from the environment block `env` (NULL = all defaults). A value that makes no sense is
 * said once and its default used.
 */
void config_read(struct config *c, char **env);

/* The value of `name` in `env`, or NULL. */
const char *config_get(char **env, const char *name);

#endif
