/* SPDX-License-Identifier: MIT */
/* Charts for a terminal; see chart.h. */
#include "chart.h"

#include <langinfo.h>
#include <stdbool.h>
#include <string.h>

#include "format.h"
#include "table.h"

#define MOST_COLUMNS 200
#define SCALE_WIDTH  10 /* of the figures on the left */

/* Fills of a cell from an eighth to all; plain characters where the terminal is not for UTF-8. */
static const char *const eighths[2][9] = {
	{ " ", "_", "_", ".", ".", "o", "o", "#", "#" },
	{ " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" },
};
static const char *const shades[2] = { ":", "░" };

/* The chart's columns: each stands for the figures of some slots, or several for one. */
struct columns {
	uint64_t low[MOST_COLUMNS], high[MOST_COLUMNS], most;
	unsigned count;
};

static void make_columns(const struct chart *chart, unsigned room, struct columns *out)
{
	unsigned each = (chart->count + room - 1) / room; /* slots to a column */
	unsigned wide = chart->count < room ? room / chart->count : 1;

	out->count = 0;
	out->most = 0;
	for (uint32_t i = 0; i < chart->count; i += each) {
		uint64_t low = chart->low[i], high = chart->high[i];

		for (uint32_t k = i; k < i + each && k < chart->count; k++) {
			low = chart->low[k] < low ? chart->low[k] : low;
			high = chart->high[k] > high ? chart->high[k] : high;
		}
		for (unsigned k = 0; k < wide && out->count < room; k++) {
			out->low[out->count] = low;
			out->high[out->count++] = high;
		}
		if (high > out->most)
			out->most = high;
	}
}

/* Eighths of a cell that a value fills, in a row counted from below. */
static unsigned fill_of(uint64_t value, uint64_t most, unsigned rows, unsigned row)
{
	double eights = most ? (double)value / (double)most * rows * 8 - 8.0 * row : 0;

	return eights <= 0 ? 0 : eights >= 8 ? 8 : (unsigned)eights;
}

static void print_row(const struct cmd_context *c, const struct chart *chart,
		      const struct columns *columns, unsigned row, bool utf8)
{
	const char *(*format)(char *, uint64_t) = chart->format ? chart->format : format_bytes;
	unsigned rows = chart->rows;
	char line[MOST_COLUMNS * 4 + 64], scale[FORMAT_SIZE] = "";
	size_t n;

	if (row == rows - 1)
		format(scale, columns->most);
	else if (row == 0)
		format(scale, 0);
	n = (size_t)snprintf(line, sizeof(line), "  %*s ", SCALE_WIDTH, scale);
	for (unsigned i = 0; i < columns->count; i++) {
		unsigned low = fill_of(columns->low[i], columns->most, rows, row);
		unsigned high = fill_of(columns->high[i], columns->most, rows, row);
		const char *cell = low ? eighths[utf8][low] : high ? shades[utf8] : " ";

		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s", cell);
	}
	while (n && line[n - 1] == ' ')
		line[--n] = '\0';
	fprintf(c->out, "%s\n", line);
}

void chart_print(const struct cmd_context *c, const struct chart *chart)
{
	unsigned room = c->width - SCALE_WIDTH - 3;
	char from[FORMAT_SIZE], to[FORMAT_SIZE];
	struct columns columns;
	bool utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");

	make_columns(chart, room < MOST_COLUMNS ? room : MOST_COLUMNS, &columns);
	for (unsigned row = chart->rows; row-- > 0;)
		print_row(c, chart, &columns, row, utf8);
	format_time(from, chart->start_ns);
	format_time(to, chart->end_ns);
	fprintf(c->out, "  %*s %s%*s\n", SCALE_WIDTH, "", from,
		(int)(columns.count > strlen(from) ? columns.count - strlen(from) : 1), to);
}
