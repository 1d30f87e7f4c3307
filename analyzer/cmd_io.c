/* SPDX-License-Identifier: MIT */
/* `lariat io`: reads, writes and other I/O. */
#include "report.h"

int cmd_io(const struct cmd_context *c)
{
	return report_command(c, PART_IO);
}
