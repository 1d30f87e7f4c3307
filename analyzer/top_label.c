/* SPDX-License-Identifier: MIT */
/* What rows of the live view are about; see top_label.h. */
#include "top_label.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lock_name.h"
#include "report_text.h"
#include "symbols.h"
#include "top_rows.h"
#include "utf8.h"

#define NAME_SIZE 200
#define CALLERS	  4

struct words {
	char text[1024];
	size_t used;
};

static void __attribute__((format(printf, 2, 3))) add(struct words *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->used, sizeof(w->text) - w->used, format, args);
	va_end(args);
	if (n > 0)
		w->used += (size_t)n;
	if (w->used > sizeof(w->text) - 1)
		w->used = sizeof(w->text) - 1;
}

static void add_frame(struct words *w, const struct frame *f)
{
	char name[NAME_SIZE];

	add(w, "%s", symbols_short_name(f->function, name, sizeof(name)));
	if (f->file && f->line)
		add(w, "  %s:%" PRIu32, basename(f->file), f->line);
	else if (f->real && strncmp(f->function, f->module, strlen(f->module)))
		add(w, "  %s", f->module);
}

/* The frame that tells most, then who called it, as far as a line may hold. */
static void add_stack(struct words *w, struct analysis *a, uint32_t stack)
{
	const struct frame *frame;
	uint32_t n = frames_of_stack(a->frames, stack, &frame);
	uint32_t lead = frames_lead(frame, n);
	char name[NAME_SIZE];

	add_frame(w, &frame[lead]);
	for (uint32_t i = lead + 1; i < n && i <= lead + CALLERS; i++) {
		if (frames_is_start(&frame[i]) || !strcmp(frame[i - 1].function, "main"))
			break;
		add(w, " < %s", symbols_short_name(frame[i].function, name, sizeof(name)));
	}
}

static void add_lock(struct words *w, struct analysis *a, uint32_t index, uint32_t stack)
{
	const struct lock_one *l = &a->locks->lock[index];
	char name[LOCK_NAME];

	if (!l->address) {
		add(w, "(others)");
		return;
	}
	add(w, "%s %s  ", lock_kind(l->call), lock_short_name(a->frames, l->address, name));
	if (stack)
		add_stack(w, a, stack);
}

static void add_thread(struct words *w, struct analysis *a, uint32_t index)
{
	const struct thread_figures *t = &a->threads->thread[index];
	const char *name = analysis_thread(a, t->number)->name;

	add(w, "%" PRIu32, t->number);
	if (t->number == 1)
		add(w, " main");
	if (*name)
		add(w, " %s", name);
	add(w, "  tid %" PRIu32 "%s", t->tid, t->ended ? ", ended" : "");
}

static char *finish(struct words *w)
{
	utf8_tame(w->text);
	return strdup(w->text);
}

char *top_label_frame(const struct frame *f)
{
	struct words w = { .used = 0 };

	add_frame(&w, f);
	return finish(&w);
}

char *top_label(struct top_process *p, unsigned view, uint32_t index, uint32_t stack)
{
	struct words w = { .used = 0 };

	switch (view) {
	case TOP_IO:
		add(&w, "%s", text_target(p->a, p->a->io->target[index].id));
		break;
	case TOP_LOCKS:
		add_lock(&w, p->a, index, stack);
		break;
	case TOP_THREADS:
		add_thread(&w, p->a, index);
		break;
	default:
		add_stack(&w, p->a, stack);
	}
	return finish(&w);
}
