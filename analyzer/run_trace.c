/* SPDX-License-Identifier: MIT */
/* Finds the trace that a run left and completes its header; see run_trace.h. */
#include "run_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../preload/format/trace_format.h"
#include "launch.h"

#define ENDING ".lariat"

/* A clock that is set while the program runs must not hide its trace. */
#define CLOCK_SLACK_NS 1000000000ull

static void put_escaped(FILE *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strchr("*?[\\", s[i]))
			fputc('\\', out);
		fputc(s[i], out);
	}
}

/* The pattern as one for glob(): what only the process knows becomes a star. */
static char *glob_pattern(const char *pattern, pid_t pid)
{
	char *text = NULL, host[256] = "";
	size_t size;
	FILE *out = open_memstream(&text, &size);
	size_t length = strlen(pattern), ending = strlen(ENDING);

	if (!out)
		return NULL;
	/* Where a name is taken the recorder puts a number in front of the ending. */
	if (length > ending && !strcmp(pattern + length - ending, ENDING))
		length -= ending;
	gethostname(host, sizeof(host) - 1);
	for (const char *s = pattern; s < pattern + length; s++) {
		if (*s != '%' || !s[1]) {
			put_escaped(out, s, 1);
			continue;
		}
		switch (*++s) {
		case 'p':
			fprintf(out, "%d", (int)pid);
			break;
		case 'h':
			put_escaped(out, host, strlen(host));
			break;
		case '%':
			fputc('%', out);
			break;
		default:
			fputc('*', out);
		}
	}
	fputc('*', out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Opens a trace of process `pid` and reads its header; the descriptor or -errno. */
static int open_trace(const char *path, int flags, pid_t pid, struct lar_header *h)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) &&
	    !memcmp(h->magic, LAR_MAGIC, LAR_MAGIC_SIZE) && h->version == LAR_VERSION &&
	    h->pid == (uint32_t)pid)
		return fd;
	close(fd);
	return -EINVAL;
}

int run_trace_find(const char *pattern, pid_t pid, uint64_t since_unix_ns, char **path)
{
	char *text = glob_pattern(pattern, pid);
	const char *best = NULL;
	uint64_t newest = since_unix_ns - CLOCK_SLACK_NS;
	glob_t found = { 0 };
	int err = -ENOENT;

	*path = NULL;
	if (!text)
		return -ENOMEM;
	if (!glob(text, GLOB_NOSORT, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			struct lar_header h;
			int fd = open_trace(found.gl_pathv[i], O_RDONLY, pid, &h);

			if (fd < 0)
				continue;
			close(fd);
			if (h.start_unix_ns < newest)
				continue;
			newest = h.start_unix_ns;
			best = found.gl_pathv[i];
		}
	}
	if (best) {
		*path = strdup(best);
		err = *path ? 0 : -ENOMEM;
	}
	globfree(&found);
	free(text);
	return err;
}

static bool put(int fd, size_t offset, const void *data, size_t size)
{
	return pwrite(fd, data, size, (off_t)offset) == (ssize_t)size;
}

int run_trace_finish(const char *path, const struct launch *l)
{
	struct lar_header h;
	int fd = open_trace(path, O_RDWR, l->pid, &h), ret = 0;
	int32_t code;
	uint32_t end;
	uint64_t ticks;

	if (fd < 0)
		return fd;
	if (h.end == LAR_END_NONE) {
		end = WIFSIGNALED(l->wait_status) ? LAR_END_SIGNAL : LAR_END_EXIT;
		code = WIFSIGNALED(l->wait_status) ? WTERMSIG(l->wait_status)
						   : WEXITSTATUS(l->wait_status);
		ticks = h.clock_source == LAR_CLOCK_TSC ? l->end_tsc : l->end_mono_ns;
		/* `end` is the commit word of the other two: last. */
		if (put(fd, offsetof(struct lar_header, exit_code), &code, sizeof(code)) &&
		    put(fd, offsetof(struct lar_header, end_ticks), &ticks, sizeof(ticks)) &&
		    put(fd, offsetof(struct lar_header, end), &end, sizeof(end)))
			ret = 1;
		else
			ret = -EIO;
	}
	close(fd);
	return ret;
}

char *run_trace_folder(const char *pattern)
{
	const char *slash = strrchr(pattern, '/');
	char *folder, *to;

	if (!slash)
		return strdup(".");
	folder = strndup(pattern, slash == pattern ? 1 : (size_t)(slash - pattern));
	if (!folder)
		return NULL;
	/* Undo "%%"; any other escape is the process's to fill in. */
	to = folder;
	for (const char *s = folder; *s; s++, to++) {
		if (*s == '%' && *++s != '%') {
			free(folder);
			return NULL;
		}
		*to = *s;
	}
	*to = '\0';
	return folder;
}
