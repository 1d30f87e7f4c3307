/* SPDX-License-Identifier: MIT */
/*
 * The terminal of the live view. It is given back as it was, whether by top_terminal_close() or by
 * a signal that ends the program at whatever moment. One thread.
 */
#ifndef LARIAT_TOP_TERMINAL_H
#define LARIAT_TOP_TERMINAL_H

#include <stdbool.h>

#include "table.h"

/* False when it cannot be used: it is of no known kind, or has no way to move the cursor. */
bool top_terminal_open(bool color);
void top_terminal_close(void);

void top_terminal_size(unsigned *width, unsigned *height);

/* One line, in a style from column `lead` on; what the terminal cannot show becomes "?". */
void top_terminal_line(unsigned y, enum style style, unsigned lead, const char *text, bool chosen);

void top_terminal_clear(void);
void top_terminal_show(void);

/* Keys that are no characters. */
enum top_key {
	TOP_KEY_NONE = -1,
	TOP_KEY_CLOSED = -2, /* the terminal is gone */
	TOP_KEY_UP = 1000,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_BACK,
	TOP_KEY_RESIZE,
};

/* The next key; waits for at most so long. */
int top_terminal_key(int wait_ms);

#endif
