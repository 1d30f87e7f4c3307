/* SPDX-License-Identifier: MIT */
/* A report as text for a person. One thread at a time. */
#ifndef LARIAT_REPORT_TEXT_H
#define LARIAT_REPORT_TEXT_H

#include <stdio.h>

#include "alike.h"
#include "analysis.h"
#include "format.h"
#include "table.h"

/* The report of one trace, short where several parts were asked for. */
void text_report(struct analysis *a, bool apart);

/* Which process started which, and sums. */
struct family;
void text_family(const struct cmd_context *c, const struct family *f);

/* One part each. `brief`: a few lines for the overview. */
void text_heap(struct analysis *a, bool brief);
void text_leaks(struct analysis *a, bool brief);
void text_growth(struct analysis *a, bool brief);
void text_io(struct analysis *a, bool brief);
void text_locks(struct analysis *a, bool brief);
void text_threads(struct analysis *a, bool brief);

/* ---- helpers of the parts ---- */

/* A part's heading, behind a blank line. */
void text_heading(const struct analysis *a, const char *title);

/* Words up to the width; lines but the first are indented by two columns. */
void text_wrapped(const struct cmd_context *c, enum style style, const char *first,
		  const char *text);

#define CLOCK_STEP_NS 200 /* times in a trace are not finer */

/* A sentence, indented, wrapped to the width. */
void text_say(const struct analysis *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "What, the first 5 of 231" above a table. `what` starts a sentence. */
void text_caption(const struct analysis *a, const char *what, uint32_t shown, uint32_t count);

/* Entries to show of a list of `count`. */
uint32_t text_shown(const struct analysis *a, bool brief, uint32_t count);

/* The lines of a site: its telling frame, then up to `callers` frames further out. */
void text_site(struct analysis *a, struct table *t, const struct sites *sites, uint32_t site,
	       unsigned callers);
/* ... and what tells it apart from others of the list that `alike` is of. */
void text_site_apart(struct analysis *a, struct table *t, const struct sites *sites, uint32_t site,
		     unsigned callers, const struct alike *alike);
/* For alike_free(), or NULL. */
struct alike *text_alike(struct analysis *a, const struct sites *sites, const uint32_t *site,
			 uint32_t count, unsigned callers);
void text_stack(struct analysis *a, struct table *t, uint32_t stack, unsigned callers);
/* The same, all of them less prominent: what a row's first line is not about. */
void text_callers(struct analysis *a, struct table *t, uint32_t stack, unsigned count);

/* Which sites' memory keeps growing, and of other trends; and the candidates for pools and so on.
 */
void text_trends(struct analysis *a, bool brief);
void text_leak_classes(struct analysis *a);
void text_churn(struct analysis *a);

/* I/O: when calls took how long, what threads spent their time with, what is worth a change. */
void text_io_heat(struct analysis *a);
void text_io_kept(struct analysis *a, const char *what);
void text_io_threads(struct analysis *a);
void text_io_findings(struct analysis *a, bool brief);

/* Wrong frees, if there were any. */
void text_misuse(struct analysis *a, bool brief);

/* What is worth a change; takes them over. brief: how many. */
struct work_findings;
void text_findings(struct analysis *a, bool brief, struct work_findings *all);

/* Where CPU samples were taken; where each of these threads' time went. */
void text_cpu(struct analysis *a, bool brief);
void text_cpu_split(struct analysis *a, const struct ranking *threads, uint32_t shown);

/* Who waited for whom and who waits now; in what orders locks are taken. */
void text_lock_waits(struct analysis *a, bool brief);

/* Cells. */
void cell_bytes(struct table *t, uint64_t v);
void cell_count(struct table *t, uint64_t v);
void cell_time(struct table *t, uint64_t ns);
void cell_ticks(const struct analysis *a, struct table *t, uint64_t ticks);

/* format_time() of a length of time. */
const char *text_ticks(const struct analysis *a, char buf[FORMAT_SIZE], uint64_t ticks);

/* A target's name as people say it. */
const char *text_target(const struct analysis *a, uint32_t id);

#define TEXT_CALLERS 5 /* of a site, in a part's own report */

#endif
