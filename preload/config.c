/* SPDX-License-Identifier: MIT */
/* The recorder's options; see config.h. No libc parsing: this runs before the program's main. */
#include "config.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "format/trace_format.h"
#include "note.h"

enum option {
#define OPTION(id, ...) OPTION_##id,
#include "format/options.def"
#undef OPTION
	OPTIONS
};

static const struct {
	const char *env, *fallback;
} option_table[OPTIONS] = {
#define OPTION(id, name, letter, env, arg, fallback, help) [OPTION_##id] = { env, fallback },
#include "format/options.def"
#undef OPTION
};

const char *config_get(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (**env == *name && !strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* Digits, then nothing else than one of the suffixes; false when it is not that. */
static bool read_number(const char *s, const char *const *suffix, const uint64_t *factor,
			uint64_t *v)
{
	uint64_t n = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > (1ull << 56) / 10)
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	for (; *suffix; suffix++, factor++) {
		if (strcmp(s, *suffix))
			continue;
		if (n && *factor > (1ull << 62) / n)
			return false;
		*v = n * *factor;
		return true;
	}
	return false;
}

static bool read_size(const char *s, uint64_t *v)
{
	static const char *const suffix[] = { "",    "B", "k", "K",   "KiB", "M",   "m",
					      "MiB", "G", "g", "GiB", "T",   "TiB", NULL };
	static const uint64_t factor[] = { 1,	    1,		1 << 10,   1 << 10, 1 << 10,
					   1 << 20, 1 << 20,	1 << 20,   1 << 30, 1 << 30,
					   1 << 30, 1ull << 40, 1ull << 40 };

	return read_number(s, suffix, factor, v);
}

static bool read_time(const char *s, uint64_t *v)
{
	static const char *const suffix[] = { "ns", "us", "ms", "s", "", "m", "h", NULL };
	static const uint64_t factor[] = { 1,	       1000,	       1000000,		1000000000,
					   1000000000, 60000000000ull, 3600000000000ull };

	return read_number(s, suffix, factor, v);
}

static bool read_list(const char *s, uint32_t *mask)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} words[] = { { "heap", LAR_RECORD_HEAP },   { "io", LAR_RECORD_IO },
		      { "locks", LAR_RECORD_LOCKS }, { "threads", LAR_RECORD_THREADS },
		      { "cpu", LAR_RECORD_CPU },     { "all", LAR_RECORD_ALL } };
	uint32_t found = 0;

	while (*s) {
		size_t n = strcspn(s, ","), i;

		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strlen(words[i].name) == n && !strncmp(s, words[i].name, n))
				break;
		if (i == sizeof(words) / sizeof(words[0]))
			return false;
		found |= words[i].bit;
		s += n + (s[n] == ',');
	}
	if (found)
		*mask = found;
	return found != 0;
}

static bool read_bool(const char *s, bool *v)
{
	if (!strcmp(s, "yes") || !strcmp(s, "1"))
		*v = true;
	else if (!strcmp(s, "no") || !strcmp(s, "0"))
		*v = false;
	else
		return false;
	return true;
}

/* "exit", "main", "off", or the name of a signal that asks for a scan. */
static bool read_leak_scan(const char *s, int32_t *v)
{
	static const struct {
		const char *name;
		int32_t value;
	} words[] = {
		{ "exit", CONFIG_LEAK_SCAN_EXIT },
		{ "main", CONFIG_LEAK_SCAN_MAIN },
		{ "off", CONFIG_LEAK_SCAN_OFF },
#define SCAN_SIGNAL(name) { #name, SIG##name },
#include "format/scan_signals.def"
#undef SCAN_SIGNAL
	};

	if (!strncmp(s, "SIG", 3))
		s += 3;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].name, s)) {
			*v = words[i].value;
			return true;
		}
	return false;
}

/* One option's text into *c; false when it makes no sense. */
static bool option_set(struct config *c, enum option option, const char *s)
{
	static const char *const none[] = { "", NULL };
	static const uint64_t one[] = { 1 };
	uint64_t n;

	switch (option) {
	case OPTION_OUTPUT:
		if (!*s || strlen(s) >= sizeof(c->output))
			return false;
		strcpy(c->output, s);
		return true;
	case OPTION_SIZE:
		if (!read_size(s, &n) || (n && n < CONFIG_SIZE_MIN))
			return false;
		c->size = n;
		return true;
	case OPTION_DEPTH:
		if (!read_number(s, none, one, &n) || n < 8 || n > LAR_MAX_DEPTH)
			return false;
		c->depth = (uint32_t)n;
		return true;
	case OPTION_RECORD:
		return read_list(s, &c->record);
	case OPTION_INTERVAL:
		if (!read_time(s, &n) || !n)
			return false;
		c->interval_ns = n;
		return true;
	case OPTION_SAMPLE:
		return read_size(s, &c->sample_bytes) && c->sample_bytes <= 1ull << 40;
	case OPTION_LEAK_SCAN:
		return read_leak_scan(s, &c->leak_scan);
	case OPTION_LEAK_SCAN_LIMIT:
		return read_time(s, &c->leak_scan_limit_ns);
	case OPTION_FOLLOW:
		return read_bool(s, &c->follow);
	case OPTION_QUIET:
		c->quiet = *s && strcmp(s, "0") && strcmp(s, "no");
		return true;
	default:
		return false;
	}
}

void config_read(struct config *c, char **env)
{
	const char *quiet = config_get(env, option_table[OPTION_QUIET].env);

	/* first, so that what follows keeps silent too */
	note_set_quiet(quiet && option_set(c, OPTION_QUIET, quiet) && c->quiet);
	for (int i = 0; i < OPTIONS; i++) {
		const char *value = config_get(env, option_table[i].env);

		option_set(c, (enum option)i, option_table[i].fallback);
		if (value && !option_set(c, (enum option)i, value))
			note_once(NOTE_CONFIG, "%s=%s makes no sense, using %s",
				  option_table[i].env, value, option_table[i].fallback);
	}
}
