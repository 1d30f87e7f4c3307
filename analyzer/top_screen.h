/* SPDX-License-Identifier: MIT */
/* The live view on a terminal: what is shown, and what keys do. One thread. */
#ifndef LARIAT_TOP_SCREEN_H
#define LARIAT_TOP_SCREEN_H

#include "top_paint.h"
#include "top_set.h"

enum top_page { TOP_PAGE_TABLE, TOP_PAGE_ROW, TOP_PAGE_HELP, TOP_PAGE_PROCESSES };

struct top_screen {
	struct top_set *set;
	size_t entry; /* the process shown */
	enum top_view view;
	enum top_page page, back; /* back: from the help */
	const struct top_column *by[TOP_VIEWS];
	char filter[200];
	regex_t regex;
	bool filtered; /* regex is set */
	bool typing;   /* a filter is being typed */
	bool paused, quit;
	bool again; /* a refresh is asked for */
	uint64_t interval_ns;
	/* the table: rows in order, made again when something has changed */
	uint32_t *index;
	uint32_t count;
	bool ordered;
	uint32_t chosen, from; /* places in it: the chosen row, the first on the screen */
	uint32_t row;	       /* of the page of one row */
	uint32_t scroll;       /* lines of that page, or of the help */
	uint32_t room;	       /* rows that fit */
	char message[300];     /* until the next key */
};

/* Runs until the user ends it; the exit code. The set has been refreshed once. */
int top_screen_run(struct top_set *set);

/* Draws it. */
void top_draw(struct top_screen *s);

/* What to do with a key. */
void top_keys_take(struct top_screen *s, int key);

/* The process shown and the table of it. */
static inline struct top_entry *top_screen_entry(const struct top_screen *s)
{
	return s->set->entry[s->entry < s->set->count ? s->entry : 0];
}

/* Puts the rows in order where that is not done; keeps the chosen one but for the first. */
void top_screen_order(struct top_screen *s);

#endif
