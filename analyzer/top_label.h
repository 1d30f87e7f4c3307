/* SPDX-License-Identifier: MIT */
/* What rows of the live view are about, in words on one line. */
#ifndef LARIAT_TOP_LABEL_H
#define LARIAT_TOP_LABEL_H

#include "top_process.h"

/*
 * `view` is an enum top_view, `index` the place in its model, `stack` the row's stack. Allocated;
 * NULL = no memory.
 */
char *top_label(struct top_process *p, unsigned view, uint32_t index, uint32_t stack);

/* A frame as "function  file:line" or "function  module". Allocated; NULL = no memory. */
char *top_label_frame(const struct frame *f);

#endif
