/* SPDX-License-Identifier: MIT */
/* Trace files from what the user names; see paths.h. */
#include "paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../preload/format/trace_format.h"

/* A trace in a folder and whose it is. */
struct found {
	char *path;
	struct path_process process; /* all 0 of one that cannot be read */
	bool chosen;
};

struct folder {
	struct found *found;
	size_t count, size;
	size_t unopened; /* files of other names that may be traces, and cannot be looked at */
};

static int path_add(struct paths *p, const char *path)
{
	char **grown = reallocarray(p->path, p->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	p->path = grown;
	grown[p->count] = strdup(path);
	return grown[p->count++] ? 0 : -ENOMEM;
}

void paths_fini(struct paths *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->path[i]);
	free(p->path);
	memset(p, 0, sizeof(*p));
}

static bool named_as_trace(const char *path)
{
	static const char suffix[] = ".lariat";
	size_t n = strlen(path);

	return n > strlen(suffix) && !strcmp(path + n - strlen(suffix), suffix);
}

/* 1: a trace, with its header in *h; 0: no regular file, or gone; -EINVAL: not a trace, or not any
 * more; or -errno of opening or reading it. */
static int look_at(const char *path, struct lar_header *h)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = 0;
	ssize_t got = 0;
	struct stat st;

	if (fd < 0)
		err = -errno;
	if (fd < 0 ? stat(path, &st) || !S_ISREG(st.st_mode)
		   : fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	if (!err)
		got = pread(fd, h, sizeof(*h), 0);
	if (!err && got < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		return err;
	return got == sizeof(*h) && !memcmp(h->magic, LAR_MAGIC, LAR_MAGIC_SIZE) ? 1 : -EINVAL;
}

/*
 * Looks at a file. One that is named as a trace and cannot be read as one is found like any other,
 * so that who reads it says why: a process that left nothing readable is not one without a fault.
 * Takes the path over.
 */
static int folder_add(struct folder *f, char *path)
{
	struct path_process process = { 0 };
	struct lar_header h;
	int what = look_at(path, &h);

	if (what > 0)
		process = (struct path_process){ h.pid, h.parent_pid, h.start_unix_ns,
						 h.parent_start_ns, h.end == LAR_END_EXEC };
	else if (!what || !named_as_trace(path)) {
		f->unopened += what && what != -EINVAL;
		free(path);
		return 0;
	}
	if (f->count == f->size) {
		size_t size = f->size ? f->size * 2 : 16;
		struct found *grown = reallocarray(f->found, size, sizeof(*grown));

		if (!grown) {
			free(path);
			return -ENOMEM;
		}
		f->found = grown;
		f->size = size;
	}
	f->found[f->count++] = (struct found){ .path = path, .process = process };
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->process.start_ns != y->process.start_ns)
		return x->process.start_ns < y->process.start_ns ? -1 : 1;
	return strcmp(x->path, y->path);
}

static void folder_fini(struct folder *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->found[i].path);
	free(f->found);
}

/* The traces of a folder, the first started first. */
static int folder_read(const char *name, struct folder *f)
{
	DIR *dir = opendir(name);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		char *path;

		if (entry->d_name[0] == '.')
			continue;
		if (!strcmp(name, "."))
			path = strdup(entry->d_name);
		else if (asprintf(&path, "%s/%s", name, entry->d_name) < 0)
			path = NULL;
		err = path ? folder_add(f, path) : -ENOMEM;
	}
	closedir(dir);
	if (f->count)
		qsort(f->found, f->count, sizeof(*f->found), by_start);
	return err;
}

/* A trace that does not say when its parent started is told by pid and order alone. */
int path_descends(const struct path_process *p, const struct path_process *before)
{
	if (p->parent_start_ns)
		return p->parent_start_ns == before->start_ns;
	if (p->start_ns < before->start_ns)
		return 0;
	if (p->pid == before->pid && before->execed)
		return 2;
	return p->parent_pid == before->pid;
}

/* Adds to what is chosen, as long as there are more, the traces of children. */
static void choose_children(struct folder *f)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < f->count; i++) {
			for (size_t k = 0; !f->found[i].chosen && k < f->count; k++) {
				const struct found *before = &f->found[k];

				if (before->chosen &&
				    path_descends(&f->found[i].process, &before->process))
					f->found[i].chosen = more = true;
			}
		}
	}
}

static void choose_family(struct folder *f, uint32_t pid)
{
	for (size_t i = 0; i < f->count; i++)
		f->found[i].chosen = f->found[i].process.pid == pid;
	choose_children(f);
}

static int add_chosen(const struct folder *f, struct paths *out)
{
	int err = 0;

	for (size_t i = 0; !err && i < f->count; i++)
		if (f->found[i].chosen)
			err = path_add(out, f->found[i].path);
	return err;
}

int paths_family(const char *trace, uint64_t since_unix_ns, struct paths *out)
{
	const char *slash = strrchr(trace, '/');
	char *folder =
		slash ? strndup(trace, slash == trace ? 1 : (size_t)(slash - trace)) : strdup(".");
	struct folder f = { 0 };
	int err = folder ? folder_read(folder, &f) : -ENOMEM;
	uint32_t pid = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < f.count && !pid; i++) {
		const char *own = strrchr(f.found[i].path, '/');

		if (!strcmp(own ? own + 1 : f.found[i].path, slash ? slash + 1 : trace))
			pid = f.found[i].process.pid;
	}
	for (size_t i = 0; i < f.count; i++)
		f.found[i].chosen = pid && f.found[i].process.pid == pid &&
				    f.found[i].process.start_ns >= since_unix_ns;
	choose_children(&f);
	if (!err)
		err = add_chosen(&f, out);
	folder_fini(&f);
	free(folder);
	if (err)
		paths_fini(out);
	return err;
}

static int expand_one(const char *name, struct paths *out, char *why, size_t why_size)
{
	struct folder f = { 0 };
	struct stat st;
	char *end;
	bool is_folder = !stat(name, &st) && S_ISDIR(st.st_mode);
	unsigned long pid = strtoul(name, &end, 10);
	bool is_pid = access(name, F_OK) && *name && !*end && pid && pid <= INT32_MAX;
	size_t before = out->count;
	int err;

	if (!is_folder && !is_pid)
		return path_add(out, name);
	err = folder_read(is_folder ? name : ".", &f);
	if (is_pid)
		choose_family(&f, (uint32_t)pid);
	for (size_t i = 0; i < f.count; i++)
		f.found[i].chosen |= is_folder;
	if (!err)
		err = add_chosen(&f, out);
	if (is_folder)
		out->unopened += f.unopened;
	folder_fini(&f);
	if (err)
		snprintf(why, why_size, "%s: %s", name, strerror(-err));
	else if (out->count == before && is_folder && out->unopened)
		snprintf(why, why_size,
			 "%s: no trace that can be told from other files; some cannot be opened",
			 name);
	else if (out->count == before && is_folder)
		snprintf(why, why_size, "%s: no trace in this folder", name);
	else if (out->count == before)
		snprintf(why, why_size, "%s: no such file, and no trace of a process %s here", name,
			 name);
	return err ? err : out->count == before ? -ENOENT : 0;
}

int paths_expand(char *const *names, size_t count, struct paths *out, char *why, size_t why_size)
{
	int err = 0;

	memset(out, 0, sizeof(*out));
	snprintf(why, why_size, "%s", strerror(ENOMEM));
	for (size_t i = 0; !err && i < count; i++)
		err = expand_one(names[i], out, why, why_size);
	if (err)
		paths_fini(out);
	return err;
}
