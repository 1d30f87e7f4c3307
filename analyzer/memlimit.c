/* SPDX-License-Identifier: MIT */
/* Limits of memory; see memlimit.h. */
#include "memlimit.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number in a file; "max", a missing file and what is beyond any machine are no limit. */
static uint64_t read_limit(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t v = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &v) != 1 || v >= UINT64_C(1) << 60)
		v = 0;
	fclose(f);
	return v;
}

/* The lowest limit of a group and those around it; the path is cut on the way. */
static uint64_t lowest_limit(const char *root, const char *mount, char *group, const char *file)
{
	char path[2 * PATH_MAX];
	uint64_t lowest = 0;

	for (;;) {
		char *slash = strrchr(group, '/');
		uint64_t limit;

		snprintf(path, sizeof(path), "%s%s%s/%s", root, mount, group, file);
		limit = read_limit(path);
		if (limit && (!lowest || limit < lowest))
			lowest = limit;
		if (!slash)
			return lowest;
		*slash = '\0';
	}
}

static uint64_t cgroup_limit(const char *root, uint32_t pid)
{
	char path[PATH_MAX], line[PATH_MAX];
	uint64_t lowest = 0;
	FILE *f;

	if (pid)
		snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/cgroup", root, pid);
	else
		snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *group = NULL;
		uint64_t limit = 0;

		line[strcspn(line, "\n")] = '\0';
		if (controllers)
			group = strchr(++controllers, ':');
		if (!group)
			continue;
		*group++ = '\0';
		if (!*controllers)
			limit = lowest_limit(root, "/sys/fs/cgroup", group, "memory.max");
		else if (strstr(controllers, "memory"))
			limit = lowest_limit(root, "/sys/fs/cgroup/memory", group,
					     "memory.limit_in_bytes");
		if (limit && (!lowest || limit < lowest))
			lowest = limit;
	}
	fclose(f);
	return lowest;
}

static uint64_t machine_memory(const char *root)
{
	char path[PATH_MAX], line[256];
	uint64_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!kib && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemTotal: %" SCNu64, &kib) != 1)
			kib = 0;
	fclose(f);
	return kib * 1024;
}

struct memlimit memlimit_find(const char *root, uint32_t pid)
{
	struct memlimit l = { cgroup_limit(root, pid), "cgroup" };
	uint64_t machine = machine_memory(root);

	if (machine && (!l.bytes || machine < l.bytes))
		l = (struct memlimit){ machine, "machine" };
	if (!l.bytes)
		l.source = "none";
	return l;
}
