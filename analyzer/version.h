/* SPDX-License-Identifier: MIT */
/* The release that this source is of. */
#ifndef LARIAT_VERSION_H
#define LARIAT_VERSION_H

#define LARIAT_VERSION "0.1.0"

#endif
