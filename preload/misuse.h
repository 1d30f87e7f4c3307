/* SPDX-License-Identifier: MIT */
/*
 * Wrong frees: of what is no block in use, by what does not belong to how the block was made. Each
 * goes to the dictionary with its stack before the real function is called. Cold.
 */
#ifndef LARIAT_MISUSE_H
#define LARIAT_MISUSE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A block is about to be given back by `call`, whose wrapper's frame address is `frame`, and the
 * shadow said `was`: looks whether that is wrong, and if so records it. Leaves errno alone.
 */
void misuse_look(unsigned call, const void *p, uint64_t was, uint64_t frame);

/* The same of a block in use that operator new made, where the delete names another size. */
void misuse_look_size(unsigned call, const void *p, uint64_t was, size_t size, uint64_t frame);

/* The process ends: brings the counts up to date. */
void misuse_finish(void);

#endif
