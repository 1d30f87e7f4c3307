/* SPDX-License-Identifier: MIT */
/* The sides of a comparison; see diff_sides.h. */
#include "diff_sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opts.h"

/* Cuts "@TIME" off a name and returns the time. */
static uint64_t cut_time(char *name)
{
	char *at = strrchr(name, '@');
	uint64_t ns;

	if (!at || at == name || !access(name, F_OK) || opts_parse_time(at + 1, &ns))
		return UINT64_MAX;
	*at = '\0';
	return ns;
}

static int add_name(struct diff_sides *s, const char *text, char *why, size_t why_size)
{
	char *name = strdup(text);
	uint64_t until = name ? cut_time(name) : 0, *times;
	struct paths found = { 0 };
	char **all;
	int err = name ? paths_expand(&name, 1, &found, why, why_size) : -ENOMEM;

	free(name);
	if (err)
		return err;
	all = reallocarray(s->paths.path, s->paths.count + found.count, sizeof(*all));
	if (all)
		s->paths.path = all;
	times = reallocarray(s->until_ns, s->paths.count + found.count, sizeof(*times));
	if (times)
		s->until_ns = times;
	if (!all || !times) {
		paths_fini(&found);
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (size_t i = 0; i < found.count; i++) {
		times[s->paths.count] = until;
		all[s->paths.count++] = found.path[i];
	}
	s->paths.unopened += found.unopened;
	free(found.path);
	return 0;
}

int diff_sides_expand(char *const *names, size_t count, size_t second, struct diff_sides *out,
		      char *why, size_t why_size)
{
	size_t first = count - second;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (!second && count == 2)
		first = 1;
	else if (!second || !first) {
		snprintf(why, why_size, "two traces, or two groups with -- in between");
		return -EINVAL;
	}
	for (size_t i = 0; !err && i < count; i++) {
		if (i == first)
			out->first = out->paths.count;
		err = add_name(out, names[i], why, why_size);
	}
	if (err)
		diff_sides_fini(out);
	return err;
}

void diff_sides_fini(struct diff_sides *s)
{
	paths_fini(&s->paths);
	free(s->until_ns);
	memset(s, 0, sizeof(*s));
}
