/* SPDX-License-Identifier: MIT */
/* How many processors there are for us. Any thread. */
#ifndef LARIAT_PROCESSORS_H
#define LARIAT_PROCESSORS_H

#include <stdbool.h>

/* Are there two or more, so that a second thread gains something? */
bool processors_several(void);

#endif
