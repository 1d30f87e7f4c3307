/* SPDX-License-Identifier: MIT */
/* Runs the reporting commands; see report.h. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "json_write.h"
#include "report_csv.h"
#include "report_json.h"
#include "report_text.h"

static void complain(const struct cmd_context *c, const char *path, const struct trace_error *e)
{
	if (e->offset)
		fprintf(c->err, "lariat: %s: offset %" PRIu64 ": %s\n", path, e->offset, e->text);
	else
		fprintf(c->err, "lariat: %s: %s\n", path, e->text);
}

static int json_print(const struct cmd_context *c, json_t *document)
{
	if (json_write(document, c->out))
		return CMD_UNREADABLE; /* whoever called fflush() says why */
	fputc('\n', c->out);
	return CMD_DONE;
}

/* One trace: its report itself. Several: all of them under "traces", and their family. */
static int json_finish(const struct cmd_context *c, json_t *reports, const struct family *family)
{
	json_t *document;
	int code;

	if (c->path_count == 1 && json_array_size(reports) == 1)
		return json_print(c, json_array_get(reports, 0));
	if (!json_array_size(reports))
		return CMD_DONE;
	document = json_pack("{s:s, s:O, s:o}", "schema", "lariat/1", "traces", reports, "family",
			     json_family(family));
	code = document ? json_print(c, document) : CMD_UNREADABLE;
	json_decref(document);
	return code;
}

struct run {
	const struct cmd_context *c;
	unsigned parts;
	json_t *reports; /* JSON only */
	struct family family;
	bool no_family; /* no memory for it */
	size_t done;
};

static int report_one(struct run *run, const char *path)
{
	const struct cmd_context *c = run->c;
	struct trace_error error;
	struct analysis *a;
	json_t *json = NULL;

	if (analysis_new(c, path, run->parts, &a, &error)) {
		complain(c, path, &error);
		return CMD_UNREADABLE;
	}
	if (c->path_count > 1 && family_add(&run->family, a))
		run->no_family = true;
	if (c->format == CMD_TEXT) {
		text_report(a, run->done > 0);
	} else {
		json = report_json(a);
	}
	if (json && c->format == CMD_CSV)
		csv_report(c, json, run->parts, run->done == 0);
	else if (json)
		json_array_append(run->reports, json);
	json_decref(json);
	analysis_free(a);
	run->done++;
	return CMD_DONE;
}

int report_command(const struct cmd_context *c, unsigned parts)
{
	struct run run = { .c = c, .parts = parts, .reports = json_array() };
	int code = CMD_DONE;

	if (!run.reports)
		return CMD_UNREADABLE;
	for (size_t i = 0; i < c->path_count && !ferror(c->out); i++) {
		int one = report_one(&run, c->paths[i]);

		code = one ? one : code;
	}
	if (run.no_family || family_link(&run.family))
		family_fini(&run.family);
	if (c->format == CMD_TEXT && run.family.count > 1)
		text_family(c, &run.family);
	if (c->format == CMD_JSON) {
		int one = json_finish(c, run.reports, &run.family);

		code = one ? one : code;
	}
	family_fini(&run.family);
	json_decref(run.reports);
	return code;
}
