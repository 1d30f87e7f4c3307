/* SPDX-License-Identifier: MIT */
/* Thresholds of findings; see io_thresholds.h. */
#include "io_thresholds.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const struct io_threshold_row io_threshold_rows[IO_THRESHOLD_COUNT] = {
#define ROW(name, value, what) { #name, what, value },
	IO_THRESHOLDS(ROW)
#undef ROW
};

static struct {
	bool given;
	uint64_t value;
} changed[IO_THRESHOLD_COUNT];

uint64_t io_threshold(enum io_threshold which)
{
	return changed[which].given ? changed[which].value : io_threshold_rows[which].value;
}

static int number_of(const char *text, uint64_t *value)
{
	static const char units[] = "KMG";
	const char *unit;
	unsigned shift;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		return -EINVAL;
	if (!*end)
		return 0;
	unit = strchr(units, *end);
	if (!unit || end[1])
		return -EINVAL;
	shift = 10 * (unsigned)(unit - units + 1);
	if (*value >> (64 - shift))
		return -EINVAL;
	*value <<= shift;
	return 0;
}

int io_threshold_set(const char *text)
{
	const char *is = strchr(text, '=');
	uint64_t value;

	for (unsigned i = 0; is && i < IO_THRESHOLD_COUNT; i++) {
		const char *name = io_threshold_rows[i].name;

		if (strlen(name) != (size_t)(is - text) || strncmp(name, text, strlen(name)))
			continue;
		if (number_of(is + 1, &value))
			return -EINVAL;
		changed[i].given = true;
		changed[i].value = value;
		return 0;
	}
	return -EINVAL;
}
