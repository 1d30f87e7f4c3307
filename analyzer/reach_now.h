/* SPDX-License-Identifier: MIT */
/* Asks running processes for a leak scan. */
#ifndef LARIAT_REACH_NOW_H
#define LARIAT_REACH_NOW_H

#include "opts.h"

/*
 * Asks the process of each of the context's traces for a scan, and waits until it is done. Prints
 * what does not answer. CMD_DONE, CMD_UNDECIDED when one did not, CMD_UNREADABLE when a trace is
 * none of a running process.
 */
int reach_now(const struct cmd_context *c);

#endif
