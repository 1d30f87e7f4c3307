/* SPDX-License-Identifier: MIT */
/*
 * What the reporting commands share: each trace through the models and out as text, JSON or CSV.
 */
#ifndef LARIAT_REPORT_H
#define LARIAT_REPORT_H

#include "analysis.h"

/*
 * Reports `parts` of every trace of the context; the exit code. A trace that cannot be read is
 * named on c->err and passed over.
 */
int report_command(const struct cmd_context *c, unsigned parts);

#endif
