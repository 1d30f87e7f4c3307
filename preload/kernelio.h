/* SPDX-License-Identifier: MIT */
/*
 * The bytes that the kernel has counted for this process, beside which those that were seen can be
 * held, in the file's header. Any thread; the recorder's own reads are taken off.
 */
#ifndef LARIAT_KERNELIO_H
#define LARIAT_KERNELIO_H

#include <stdint.h>

/* Counts from here on. */
void kernelio_begin(void);

/* Writes down what has been counted by now. */
void kernelio_sample(void);

/* The program has one thread and is about to start another. */
void kernelio_second_thread(void);

#endif
