/* SPDX-License-Identifier: MIT */
/* Names of sites across builds; see site_key.h. */
#include "site_key.h"

#include <stdbool.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The length of a name without what compilers put behind clones: .part.0, .cold, .constprop.1 */
static size_t plain_length(const char *name)
{
	static const char *const marks[] = { ".part", ".cold",	   ".constprop",
					     ".isra", ".lto_priv", ".llvm" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		const char *at = strstr(name, marks[i]);

		if (at && at > name && (size_t)(at - name) < n)
			n = (size_t)(at - name);
	}
	return n;
}

struct out {
	char *buf;
	size_t size, used;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (n > o->size - 1 - o->used)
		n = o->size - 1 - o->used;
	memcpy(o->buf + o->used, s, n);
	o->used += n;
	o->buf[o->used] = '\0';
}

/* A name with an address in it ("libfoo.so+0x12") stands for its module only. */
static void put_frame(struct out *o, const json_t *frame)
{
	const char *name = text_of(frame, "function"), *module = text_of(frame, "module");
	const char *base = basename(module);
	size_t n = strlen(base);

	if (*base && !strncmp(name, base, n) && name[n] == '+')
		put(o, base, n);
	else
		put(o, name, plain_length(name));
}

const char *site_key(const json_t *site, const char *prefix, char *buf, size_t size)
{
	const json_t *stack = json_object_get(site, "stack"), *frame;
	struct out o = { buf, size, 0 };
	size_t i, last = 0;

	*buf = '\0';
	put(&o, prefix, strlen(prefix));
	if (!json_is_array(stack)) {
		put(&o, text_of(site, "function"), plain_length(text_of(site, "function")));
		put(&o, text_of(site, "file"), strlen(text_of(site, "file")));
		return buf;
	}
	json_array_foreach (stack, i, frame) {
		size_t start = o.used;

		put(&o, ";", 1);
		put_frame(&o, frame);
		/* recursion as deep as it may be is one frame */
		if (i && o.used - start == start - last &&
		    !memcmp(buf + start, buf + last, o.used - start)) {
			o.used = start;
			buf[start] = '\0';
			continue;
		}
		last = start;
		if (!strcmp(text_of(frame, "function"), "main"))
			break;
	}
	return buf;
}
