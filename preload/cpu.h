/* SPDX-License-Identifier: MIT */
/*
 * Samples of threads at work (--record cpu): a timer for each thread on its own CPU clock, and a
 * real-time signal that the program does not use.
 *
 * The program does not see the signal: it is answered for as unused, waits for signals do not name
 * it, and system calls are not ended by it. The kernel looks at such timers on its clock's tick but
 * sends the signal where a thread is about to go back to its own code (Linux 5.9 and later; before,
 * nothing is sampled), so a call that blocks is never interrupted; only one that opens the signal
 * mask while the signal is already pending would be, and those get masks with the signal in them.
 * When the program asks for this very signal it gets it, and another one takes its place.
 *
 * A handler takes little of the program's stack: it goes on with one of the recorder's own. A
 * sample that finds the thread inside the recorder is counted, without a stack, by the next one.
 */
#ifndef LARIAT_CPU_H
#define LARIAT_CPU_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

/* The signal that our handler is installed for in this process; 0 = none. Outlives a fork. */
extern int cpu_signal;

/* Chooses the signal; when the recording starts. */
void cpu_start(void);

/* The calling thread's timer. Does nothing where it runs, or where nothing is sampled. With its
 * gate not CLOSED. */
void cpu_thread_begin(void);

/* Makes sure that the calling thread is recorded and sampled, before its first event. */
void cpu_thread_enter(uint64_t frame);

/* Records what CPU time the calling thread has had. */
void cpu_thread_clock(uint64_t frame);

/* The calling thread is about to end. */
void cpu_thread_end(uint64_t frame);

/* No more samples in this process. */
void cpu_stop(void);

/* In a forked child that is not recorded: as if nothing had been sampled. */
void cpu_leave(void);

/*
 * The program is about to have signals handled on this stack. Where the frame of one does not fit
 * there, ours come on the thread's own stack from then on.
 */
void cpu_signal_stack(const stack_t *stack);

/* The program wants cpu_signal for itself: another one takes its place. */
void cpu_give_way(void);

/* A set of signals to wait for, without ours, and a mask to wait with, with ours. `copy` is room. A
 * set that names ours and not its neighbours means it. */
const sigset_t *cpu_set_without(const sigset_t *set, sigset_t *copy);
const sigset_t *cpu_mask_with(const sigset_t *mask, sigset_t *copy);

#define CPU_WITHOUT(set)                                                                           \
	(likely(!cpu_signal) ? (set) : cpu_set_without((set), &(sigset_t){ .__val = { 0 } }))
#define CPU_WITH(mask)                                                                             \
	(likely(!cpu_signal) ? (mask) : cpu_mask_with((mask), &(sigset_t){ .__val = { 0 } }))

#endif
