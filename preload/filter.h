/* SPDX-License-Identifier: MIT */
/*
 * A filter of system calls (seccomp) that was there before this image: of a service manager, of a
 * sandbox's program that has started this one. It may kill for calls that only the recorder makes.
 */
#ifndef LARIAT_FILTER_H
#define LARIAT_FILTER_H

#include <stdbool.h>

enum filter_leaves {
	FILTER_LEAVES_ALL,	    /* or there is none */
	FILTER_LEAVES_ALL_BUT_SCAN, /* the leak scan's are not to be made */
	FILTER_LEAVES_NOTE,	    /* nothing but the write of a note */
	FILTER_LEAVES_UNKNOWN, /* no process could be made to look; the same is to be made of it */
	FILTER_LEAVES_NOTHING,
};

/*
 * What it leaves of the recorder's system calls. Where there is one, they are made in a process
 * that is its own end: without effect, and nobody else waits for it. Makes no system call that the
 * loader has not made before, but for that process. cpu: CPU time is to be sampled. To be called
 * once, before any other system call of ours.
 */
enum filter_leaves filter_look(bool cpu);

struct sock_fprog;

/*
 * Whether a filter that the program has just installed kills for the clone(2) with which
 * filter_look() begins, in programs that are started under it. Any context.
 */
bool filter_kills_look(const struct sock_fprog *program);

#endif
