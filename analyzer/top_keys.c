/* SPDX-License-Identifier: MIT */
/* What keys do in the live view; see top_screen.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report_json.h"
#include "top_screen.h"
#include "top_terminal.h"

#define SHORTEST_NS 10000000u
#define LONGEST_NS  3600000000000u

static void say(struct top_screen *s, const char *text)
{
	snprintf(s->message, sizeof(s->message), "%s", text);
}

/* A new file for a report; -errno when there can be none. */
static int report_file(const struct top_process *p, char *name, size_t size)
{
	for (int n = 1; n < 1000; n++) {
		int fd;

		snprintf(name, size, "lariat.%u.%d.json", p->a->facts->header->pid, n);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

/* The whole report, as `lariat report --format json` would give it now. */
static int write_report(const struct top_screen *s, const struct top_process *p, int fd)
{
	struct cmd_context c = *s->set->c;
	struct trace_error error;
	struct analysis *a;
	json_t *json;
	int err;

	c.format = CMD_JSON;
	c.progress = false;
	c.sort = NULL;
	err = analysis_new(&c, p->path, PART_ALL, &a, &error);
	if (err)
		return err;
	json = report_json(a);
	if (!json || json_dumpfd(json, fd, JSON_INDENT(2) | JSON_REAL_PRECISION(17)))
		err = json ? -EIO : -ENOMEM;
	json_decref(json);
	analysis_free(a);
	return err;
}

static void save(struct top_screen *s)
{
	const struct top_process *p = top_screen_entry(s)->process;
	char name[64];
	int fd, err;

	if (!p->a) {
		say(s, "there is nothing to write");
		return;
	}
	fd = report_file(p, name, sizeof(name));
	if (fd < 0) {
		snprintf(s->message, sizeof(s->message), "%s cannot be made: %s", name,
			 strerror(-fd));
		return;
	}
	snprintf(s->message, sizeof(s->message), "writing %s ...", name);
	top_draw(s);
	err = write_report(s, p, fd);
	if (close(fd) && !err)
		err = -errno;
	if (err)
		unlink(name);
	snprintf(s->message, sizeof(s->message), err ? "%s was not written: %s" : "wrote %s", name,
		 err ? strerror(-err) : "");
}

static void show_view(struct top_screen *s, unsigned view)
{
	s->view = (enum top_view)(view % TOP_VIEWS);
	s->page = TOP_PAGE_TABLE;
	s->chosen = s->from = s->count = 0;
	s->ordered = false;
}

static void sort_by(struct top_screen *s, int step)
{
	const struct top_column *first = top_layouts[s->view].column;
	int n = (int)(s->by[s->view] - first) + step;

	s->by[s->view] = &first[(n + TOP_COLUMNS) % TOP_COLUMNS];
	s->ordered = false;
}

static void show_process(struct top_screen *s, size_t entry)
{
	s->entry = entry % s->set->count;
	show_view(s, s->view);
}

static void set_filter(struct top_screen *s)
{
	char why[100];
	int error = 0;

	if (s->filtered)
		regfree(&s->regex);
	s->filtered = false;
	if (*s->filter)
		error = regcomp(&s->regex, s->filter, REG_EXTENDED | REG_NOSUB);
	s->filtered = *s->filter && !error;
	if (error) {
		regerror(error, &s->regex, why, sizeof(why));
		snprintf(s->message, sizeof(s->message), "%.180s: %s", s->filter, why);
	}
	s->ordered = false;
}

static void type(struct top_screen *s, int key)
{
	size_t n = strlen(s->filter);

	if (key == TOP_KEY_ENTER) {
		s->typing = false;
		set_filter(s);
	} else if (key == TOP_KEY_BACK && n) {
		/* a whole character */
		while (n && (s->filter[n - 1] & 0xc0) == 0x80)
			n--;
		s->filter[n ? n - 1 : 0] = 0;
	} else if (key == TOP_KEY_BACK) {
		s->typing = false;
		set_filter(s);
	} else if (key >= ' ' && key < 256 && n + 1 < sizeof(s->filter)) {
		s->filter[n] = (char)key;
		s->filter[n + 1] = 0;
	}
}

/* Through a list or a long page. */
static bool move(struct top_screen *s, int key)
{
	bool list = s->page == TOP_PAGE_TABLE || s->page == TOP_PAGE_PROCESSES;
	uint32_t count = s->page == TOP_PAGE_PROCESSES ? (uint32_t)s->set->count : s->count;
	uint32_t *at = list ? &s->chosen : &s->scroll, page = s->room ? s->room : 1;
	uint32_t last = list ? (count ? count - 1 : 0) : UINT32_MAX / 2;

	switch (key) {
	case 'k':
	case TOP_KEY_UP:
		*at -= *at != 0;
		break;
	case 'j':
	case TOP_KEY_DOWN:
		++*at;
		break;
	case TOP_KEY_PAGE_UP:
		*at -= *at < page ? *at : page;
		break;
	case TOP_KEY_PAGE_DOWN:
		*at += page;
		break;
	case TOP_KEY_HOME:
		*at = 0;
		break;
	case TOP_KEY_END:
		*at = last;
		break;
	default:
		return false;
	}
	if (*at > last)
		*at = last;
	return true;
}

static void enter(struct top_screen *s)
{
	if (s->page == TOP_PAGE_PROCESSES) {
		show_process(s, s->chosen);
	} else if (s->page == TOP_PAGE_TABLE) {
		top_screen_order(s);
		if (s->chosen >= s->count)
			return;
		s->row = s->index[s->chosen];
		s->scroll = 0;
		s->page = TOP_PAGE_ROW;
	} else {
		s->page = s->page == TOP_PAGE_HELP ? s->back : TOP_PAGE_TABLE;
	}
}

static void go_back(struct top_screen *s)
{
	s->page = s->page == TOP_PAGE_HELP ? s->back : TOP_PAGE_TABLE;
	s->scroll = 0;
}

static void change_pace(struct top_screen *s, bool slower)
{
	uint64_t ns = slower ? s->interval_ns * 2 : s->interval_ns / 2;

	s->interval_ns = ns < SHORTEST_NS ? SHORTEST_NS : ns > LONGEST_NS ? LONGEST_NS : ns;
}

static void ask_help(struct top_screen *s)
{
	if (s->page != TOP_PAGE_HELP)
		s->back = s->page;
	s->page = TOP_PAGE_HELP;
	s->scroll = 0;
}

static void show_processes(struct top_screen *s)
{
	s->page = TOP_PAGE_PROCESSES;
	s->chosen = (uint32_t)s->entry;
	s->from = 0;
}

/* Keys that change what is shown; false for others. */
static bool take_view_key(struct top_screen *s, int key)
{
	switch (key) {
	case '1':
	case '2':
	case '3':
	case '4':
		show_view(s, (unsigned)(key - '1'));
		return true;
	case '\t':
		show_view(s, (unsigned)s->view + 1);
		return true;
	case 's':
	case '>':
	case TOP_KEY_RIGHT:
		sort_by(s, 1);
		return true;
	case 'S':
	case '<':
	case TOP_KEY_LEFT:
		sort_by(s, -1);
		return true;
	case 'n':
		show_process(s, s->entry + 1);
		return true;
	case 'N':
		show_process(s, s->entry + s->set->count - 1);
		return true;
	case 'p':
		show_processes(s);
		return true;
	default:
		return false;
	}
}

void top_keys_take(struct top_screen *s, int key)
{
	*s->message = 0;
	if (s->typing) {
		type(s, key);
		return;
	}
	if (move(s, key) || take_view_key(s, key))
		return;
	switch (key) {
	case 'q':
		s->quit = true;
		break;
	case 'h':
	case '?':
		ask_help(s);
		break;
	case '/':
		s->typing = true;
		break;
	case ' ':
		s->paused = !s->paused;
		break;
	case 'r':
		s->again = true;
		break;
	case '+':
	case '-':
		change_pace(s, key == '+');
		break;
	case 'w':
		save(s);
		break;
	case TOP_KEY_ENTER:
		enter(s);
		break;
	case TOP_KEY_BACK:
		go_back(s);
		break;
	default:
		break;
	}
}
