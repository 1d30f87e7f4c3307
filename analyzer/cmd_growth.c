/* SPDX-License-Identifier: MIT */
/* `lariat growth`: the heap over time, and what keeps growing. */
#include "report.h"

int cmd_growth(const struct cmd_context *c)
{
	return report_command(c, PART_GROWTH);
}
