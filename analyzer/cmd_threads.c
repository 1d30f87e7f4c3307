/* SPDX-License-Identifier: MIT */
/* `lariat threads`: threads and what each did. */
#include "report.h"

int cmd_threads(const struct cmd_context *c)
{
	return report_command(c, PART_THREADS);
}
