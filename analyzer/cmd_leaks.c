/* SPDX-License-Identifier: MIT */
/* `lariat leaks`: what was not freed, and where it came from. */
#include "reach_now.h"
#include "report.h"

int cmd_leaks(const struct cmd_context *c)
{
	int asked = c->now ? reach_now(c) : CMD_DONE, code;

	if (asked == CMD_UNREADABLE)
		return asked;
	code = report_command(c, PART_LEAKS);
	return code ? code : asked;
}
