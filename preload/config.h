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
	uint64_t sample_bytes;	     /* 0 = every allocation */
	int32_t leak_scan;	     /* CONFIG_LEAK_SCAN_*, or the signal that asks for one */
	uint64_t leak_scan_limit_ns; /* that the end of the process waits for it */
	bool follow;
	bool quiet;
};

enum {
	CONFIG_LEAK_SCAN_MAIN =
		-2, /* as EXIT, but not where the process is a fork of a recorded one */
	CONFIG_LEAK_SCAN_OFF = -1,
	CONFIG_LEAK_SCAN_EXIT = 0
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
