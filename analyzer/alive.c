/* SPDX-License-Identifier: MIT */
/* Looks in /proc for the recorded process; see alive.h. */
#include "alive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLACK_NS 2000000000ull /* start times in /proc are in ticks, and clocks get set */

/* Does the process map the file's inode? -1 when its maps cannot be read. */
static int maps_file(uint32_t pid, ino_t inode)
{
	char path[64], *line = NULL;
	size_t room = 0;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (!found && getline(&line, &room, f) > 0) {
		unsigned long long ino;

		/* the device is not compared: overlay and btrfs show another than stat does */
		if (sscanf(line, "%*x-%*x %*4c %*x %*x:%*x %llu", &ino) == 1)
			found = ino == (unsigned long long)inode;
	}
	free(line);
	fclose(f);
	return found;
}

uint64_t alive_started(uint32_t pid)
{
	unsigned long long ticks = 0;
	char path[64], text[1024], state;
	const char *p;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	/* the command may hold spaces and brackets: fields are counted from the last one */
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1,
			 " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			 "%*s %llu",
			 &state, &ticks) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : ticks;
}

/* Start of a process as nanoseconds of the wall clock; 0 when unknown. */
static uint64_t start_of(uint32_t pid)
{
	uint64_t ticks = alive_started(pid);
	struct timespec boot, wall;

	if (!ticks)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (uint64_t)wall.tv_sec * 1000000000u - (uint64_t)boot.tv_sec * 1000000000u +
	       ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

bool alive_check(const struct ringfile *rf)
{
	const struct lar_header *h = &rf->header;
	uint64_t start;
	int mapped;

	if (!h->pid || h->end == LAR_END_EXIT || h->end == LAR_END_SIGNAL || h->end == LAR_END_EXEC)
		return false;
	mapped = maps_file(h->pid, rf->ino);
	if (mapped >= 0)
		return mapped;
	start = start_of(h->pid);
	return start && start < h->start_unix_ns + SLACK_NS;
}
