/* SPDX-License-Identifier: MIT */
/* `lariat leaks`: what was not freed, and where it came from. */
#include "report.h"

int cmd_leaks(const struct cmd_context *c)
{
	return report_command(c, PART_LEAKS);
}
