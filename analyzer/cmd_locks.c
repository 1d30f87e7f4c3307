/* SPDX-License-Identifier: MIT */
/* `lariat locks`: locks: who waits, and for how long. */
#include "report.h"

int cmd_locks(const struct cmd_context *c)
{
	return report_command(c, PART_LOCKS);
}
