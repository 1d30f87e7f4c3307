/* SPDX-License-Identifier: MIT */
/* `lariat alloc`: where memory was allocated. */
#include "report.h"

int cmd_alloc(const struct cmd_context *c)
{
	return report_command(c, PART_HEAP);
}
