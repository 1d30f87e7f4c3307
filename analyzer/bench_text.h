/* SPDX-License-Identifier: MIT */
/* A benchmark's figures as text and JSON. */
#ifndef LARIAT_BENCH_TEXT_H
#define LARIAT_BENCH_TEXT_H

#include "bench_stats.h"
#include "opts.h"

/* One or two sets; of two the second is compared with the first. */
void bench_print(const struct cmd_context *c, struct bench_set *set, unsigned sets);
void bench_print_json(const struct cmd_context *c, struct bench_set *set, unsigned sets);

#endif
