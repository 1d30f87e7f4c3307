/* SPDX-License-Identifier: MIT */
/* The live view's terminal, by ncurses; see top_terminal.h. */
#include "top_terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 27

/* What the signal handler needs, made before. */
static struct {
	struct termios mode;
	bool mode_known;
	char words[256]; /* put an end to all modes of the screen */
	size_t size;
} restore;

static SCREEN *screen;
static volatile sig_atomic_t continued; /* after a stop: nothing of the screen is as it was */
static bool utf8, colored;

/* Appends what the terminal is told to do something, its pauses left out. */
static void add_words(const char *name)
{
	const char *s = tigetstr(name);

	if (!s || s == (const char *)-1)
		return;
	for (; *s && restore.size < sizeof(restore.words); s++) {
		if (s[0] == '$' && s[1] == '<' && strchr(s, '>')) {
			s = strchr(s, '>');
			continue;
		}
		restore.words[restore.size++] = *s;
	}
}

static void give_back(void)
{
	ssize_t unused = write(STDOUT_FILENO, restore.words, restore.size);

	(void)unused;
	if (restore.mode_known)
		tcsetattr(STDIN_FILENO, TCSANOW, &restore.mode);
}

static void ended_by_signal(int number)
{
	give_back();
	_exit(128 + number);
}

/*
 * ncurses' own handler is switched off while it draws: a Ctrl-Z then would do nothing. Stops as
 * without a handler, which does not happen where nobody could continue it.
 */
static void stopped_by_signal(int number)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, own;
	sigset_t one, mask;
	struct termios mode;
	bool known = !tcgetattr(STDIN_FILENO, &mode);
	int keep = errno;

	give_back();
	sigaction(number, &dfl, &own);
	sigemptyset(&one);
	sigaddset(&one, number);
	kill(getpid(), number);
	sigprocmask(SIG_UNBLOCK, &one, &mask);
	/* stopped here */
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(number, &own, NULL);
	if (known)
		tcsetattr(STDIN_FILENO, TCSANOW, &mode);
	continued = 1;
	errno = keep;
}

static void catch_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction sa = { .sa_handler = ended_by_signal }, before;

	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaction(ends[i], &sa, NULL);
	/* a shell without job control has it ignored */
	sa.sa_handler = stopped_by_signal;
	sigemptyset(&sa.sa_mask);
	if (!sigaction(SIGTSTP, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGTSTP, &sa, NULL);
}

static void start_colors(void)
{
	colored = has_colors() && start_color() == OK && use_default_colors() == OK;
	if (!colored)
		return;
	init_pair(1, COLOR_CYAN, -1);
	init_pair(2, COLOR_YELLOW, -1);
}

bool top_terminal_open(bool color)
{
	restore.mode_known = !tcgetattr(STDIN_FILENO, &restore.mode);
	/* before ncurses, which then leaves them alone */
	catch_signals();
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return false;
	add_words("sgr0");
	add_words("cnorm");
	add_words("rmkx");
	add_words("rmcup");
	/* there is no way to draw on a terminal whose cursor only goes forth */
	if (!cursor_address || !clear_screen) {
		top_terminal_close();
		return false;
	}
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	intrflush(stdscr, FALSE);
	set_escdelay(50);
	curs_set(0);
	if (color)
		start_colors();
	return true;
}

void top_terminal_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

void top_terminal_size(unsigned *width, unsigned *height)
{
	int y, x;

	getmaxyx(stdscr, y, x);
	*width = x > 1 ? (unsigned)x : 1;
	*height = y > 1 ? (unsigned)y : 1;
}

void top_terminal_clear(void)
{
	if (continued) {
		continued = 0;
		endwin();
		clearok(curscr, TRUE);
		refresh();
	}
	erase();
}

void top_terminal_show(void)
{
	refresh();
}

/* Without UTF-8 one question mark for each character. */
static void make_plain(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if ((*s & 0xc0) == 0x80)
			continue;
		*to++ = *s & 0x80 ? '?' : *s;
	}
	*to = 0;
}

static attr_t attributes(enum style style)
{
	switch (style) {
	case STYLE_BOLD:
		return A_BOLD;
	case STYLE_DIM:
		return A_DIM;
	case STYLE_TITLE:
		return A_BOLD | (colored ? (attr_t)COLOR_PAIR(1) : A_UNDERLINE);
	case STYLE_ALERT:
		return A_BOLD | (colored ? (attr_t)COLOR_PAIR(2) : A_NORMAL);
	default:
		return A_NORMAL;
	}
}

void top_terminal_line(unsigned y, enum style style, unsigned lead, const char *text, bool chosen)
{
	char *copy = strdup(text);
	unsigned width, height;

	top_terminal_size(&width, &height);
	if (!copy || y >= height) {
		free(copy);
		return;
	}
	if (!utf8)
		make_plain(copy);
	if (lead > strlen(copy))
		lead = (unsigned)strlen(copy);
	move((int)y, 0);
	attrset(chosen ? A_REVERSE : A_NORMAL);
	addnstr(copy, (int)lead);
	attrset(attributes(style) | (chosen ? A_REVERSE : A_NORMAL));
	addstr(copy + lead);
	attrset(A_NORMAL);
	free(copy);
}

static int key_of(int key)
{
	static const struct {
		int curses, ours;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_LEFT, TOP_KEY_LEFT },	{ KEY_RIGHT, TOP_KEY_RIGHT },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP }, { KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },	{ KEY_END, TOP_KEY_END },
		{ KEY_ENTER, TOP_KEY_ENTER },	{ '\r', TOP_KEY_ENTER },
		{ '\n', TOP_KEY_ENTER },	{ KEY_BACKSPACE, TOP_KEY_BACK },
		{ 127, TOP_KEY_BACK },		{ 8, TOP_KEY_BACK },
		{ ESCAPE, TOP_KEY_BACK },	{ KEY_RESIZE, TOP_KEY_RESIZE },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].curses == key)
			return keys[i].ours;
	return key > 0 && key < 256 ? key : TOP_KEY_NONE;
}

int top_terminal_key(int wait_ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int key = getch(), n;

	if (key != ERR)
		return key_of(key);
	n = poll(&in, 1, wait_ms);
	key = getch();
	if (key != ERR)
		return key_of(key);
	return n > 0 && in.revents & (POLLHUP | POLLERR | POLLNVAL) ? TOP_KEY_CLOSED : TOP_KEY_NONE;
}
