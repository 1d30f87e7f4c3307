/* SPDX-License-Identifier: MIT */
/* `lariat report`: everything in short. */
#include "report.h"

int cmd_report(const struct cmd_context *c)
{
	return report_command(c, PART_ALL);
}
