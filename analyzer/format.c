/* SPDX-License-Identifier: MIT */
/* Figures as people read them; see format.h. */
#include "format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Three digits that count, unless there are four before the point. */
static void three_digits(char *buf, double value, const char *unit)
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(buf, FORMAT_SIZE, "%.*f %s", decimals, value, unit);
}

const char *format_bytes(char *buf, uint64_t bytes)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	unsigned i = 0;

	if (bytes < 1024) {
		snprintf(buf, FORMAT_SIZE, "%" PRIu64 " B", bytes);
		return buf;
	}
	for (; value >= 1023.5 && i < 5; i++)
		value /= 1024;
	three_digits(buf, value, unit[i]);
	return buf;
}

const char *format_count(char *buf, uint64_t count)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *p = buf;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return buf;
}

const char *format_things(char *buf, uint64_t count, const char *thing)
{
	size_t used = strlen(format_count(buf, count));

	snprintf(buf + used, FORMAT_SIZE - used, " %s%s", thing, count == 1 ? "" : "s");
	return buf;
}

const char *format_time(char *buf, uint64_t ns)
{
	uint64_t seconds = ns / 1000000000;

	if (ns < 1000)
		snprintf(buf, FORMAT_SIZE, "%" PRIu64 " ns", ns);
	else if (ns < 999500)
		three_digits(buf, (double)ns / 1e3, "us");
	else if (ns < 999500000)
		three_digits(buf, (double)ns / 1e6, "ms");
	else if (seconds < 100)
		three_digits(buf, (double)ns / 1e9, "s");
	else if (seconds < 6000)
		snprintf(buf, FORMAT_SIZE, "%" PRIu64 " min %02" PRIu64 " s", seconds / 60,
			 seconds % 60);
	else
		snprintf(buf, FORMAT_SIZE, "%" PRIu64 " h %02" PRIu64 " min", seconds / 3600,
			 seconds / 60 % 60);
	return buf;
}

const char *format_percent(char *buf, uint64_t part, uint64_t whole)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 0;

	if (!whole)
		snprintf(buf, FORMAT_SIZE, "-");
	else if (part && percent < 1)
		snprintf(buf, FORMAT_SIZE, "<1 %%");
	else if (part < whole && percent > 99)
		snprintf(buf, FORMAT_SIZE, ">99 %%");
	else
		snprintf(buf, FORMAT_SIZE, "%.0f %%", percent);
	return buf;
}

const char *format_date(char *buf, uint64_t unix_ns)
{
	time_t t = (time_t)(unix_ns / 1000000000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, FORMAT_SIZE, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, FORMAT_SIZE, "?");
	return buf;
}
