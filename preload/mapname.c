/* SPDX-License-Identifier: MIT */
/* Paths of mapped files; see mapname.h. */
#include "mapname.h"

#include <fcntl.h>
#include <stdbool.h>

#include "sys.h"

#define PIECE 512 /* bytes read at a time: the caller's stack may be small */

/* "start-end permissions offset device inode   path" */
enum { FIELD_START, FIELD_END, FIELD_PATH = 6 };

struct line {
	uint64_t limit[2]; /* where the mapping starts and ends */
	unsigned field;
	bool space; /* between two fields */
	size_t length;
};

static uint64_t digit_of(char c)
{
	return (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
}

/* One character more of a line. The path is kept, as far as there is room, and counted. */
static void line_take(struct line *l, char c, char *to, size_t size)
{
	if (l->field <= FIELD_END && c != '-' && c != ' ') {
		l->limit[l->field] = l->limit[l->field] << 4 | digit_of(c);
		return;
	}
	if (l->field < FIELD_PATH && (c == ' ' || (c == '-' && l->field == FIELD_START))) {
		l->field += !l->space;
		l->space = c == ' ';
		return;
	}
	l->space = false;
	if (l->field != FIELD_PATH || (c == ' ' && !l->length))
		return;
	if (l->length < size)
		to[l->length] = c;
	l->length++;
}

size_t mapname_find(uint64_t address, char *to, size_t size)
{
	int fd = sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	struct line line = { .field = FIELD_START };
	size_t found = 0;
	bool done = false;
	char piece[PIECE];
	ssize_t n;

	if (fd < 0)
		return 0;
	while (!done && (n = sys_read(fd, piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < n && !done; i++) {
			if (piece[i] != '\n') {
				line_take(&line, piece[i], to, size);
				continue;
			}
			done = address >= line.limit[0] && address < line.limit[1];
			if (done && line.length < size && to[0] == '/')
				found = line.length;
			line = (struct line){ .field = FIELD_START };
		}
	sys_close(fd);
	to[found] = '\0';
	return found;
}
