/* SPDX-License-Identifier: MIT */
/* A gate's results as files that other tools read: JUnit XML, SARIF, Markdown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "report_json.h"
#include "site_key.h"
#include "utf8.h"
#include "version.h"

#define MESSAGE	      500
#define SUMMARY_SITES 10
#define SARIF_SITES   100

static int finish(FILE *f)
{
	int err = ferror(f) ? -EIO : 0;

	if (fclose(f) && !err)
		err = -errno;
	return err;
}

/* ---- JUnit: a test case for each assertion and trace ---- */

/* One character of XML's; U+FFFE and U+FFFF are none. */
static size_t put_xml_one(FILE *f, const char *s)
{
	bool is_none = !strncmp(s, "\xef\xbf\xbe", 3) || !strncmp(s, "\xef\xbf\xbf", 3);

	switch (*s) {
	case '<':
		fputs("&lt;", f);
		return 1;
	case '>':
		fputs("&gt;", f);
		return 1;
	case '&':
		fputs("&amp;", f);
		return 1;
	case '"':
		fputs("&quot;", f);
		return 1;
	}
	if (!is_none)
		return utf8_put_one(f, s);
	fputc('?', f);
	return 3;
}

static void put_xml(FILE *f, const char *s)
{
	while (*s)
		s += put_xml_one(f, s);
}

static void put_site_lines(FILE *f, const struct gate_result *r)
{
	for (int i = 0; i < r->sites; i++) {
		struct gate_place p = gate_place(&r->site[i]);
		char line[500], amount[120];

		snprintf(line, sizeof(line), "%s: %s  %s:%d",
			 gate_amount(&r->site[i], amount, sizeof(amount)),
			 p.function ? p.function : "?", p.file ? p.file : "?", p.line);
		put_xml(f, line);
		fputc('\n', f);
	}
}

static void put_case(FILE *f, const struct gate_result *r)
{
	char message[MESSAGE];

	fputs("    <testcase classname=\"", f);
	put_xml(f, r->trace);
	fputs("\" name=\"", f);
	put_xml(f, r->expr->text);
	if (r->verdict == GATE_PASSED) {
		fputs("\"/>\n", f);
		return;
	}
	fprintf(f, "\">\n      <%s message=\"", r->verdict == GATE_FAILED ? "failure" : "error");
	put_xml(f, gate_message(r, message, sizeof(message)));
	fputs("\">", f);
	if (r->verdict == GATE_FAILED)
		put_site_lines(f, r);
	fprintf(f, "</%s>\n    </testcase>\n", r->verdict == GATE_FAILED ? "failure" : "error");
}

int gate_write_junit(const struct gate *g, const char *path)
{
	FILE *f = fopen(path, "we");
	char counts[100];

	if (!f)
		return -errno;
	snprintf(counts, sizeof(counts), "tests=\"%u\" failures=\"%u\" errors=\"%u\"", g->results,
		 gate_count(g, GATE_FAILED), gate_count(g, GATE_UNDECIDED));
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites %s>\n", counts);
	fprintf(f, "  <testsuite name=\"lariat gate\" %s>\n", counts);
	for (unsigned i = 0; i < g->results; i++)
		put_case(f, &g->result[i]);
	fputs("  </testsuite>\n</testsuites>\n", f);
	return finish(f);
}

/* ---- SARIF 2.1.0: a result for each site at fault ---- */

/*
 * A URI (RFC 3986) of a source file: relative to the repository's top where a CI says where that
 * is, which is what a code scanner looks for; else with the scheme that an absolute path needs.
 */
static json_t *sarif_uri(const char *file)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/";
	const char *path = gate_path_in_workspace(file);
	char *uri = malloc(strlen("file://") + 3 * strlen(path) + 1), *to = uri;
	json_t *text;

	if (!uri)
		return NULL;
	if (*path == '/')
		to = stpcpy(to, "file://");
	for (; *path; path++)
		to += strchr(plain, *path) ? sprintf(to, "%c", *path)
					   : sprintf(to, "%%%02X", (unsigned char)*path);
	*to = '\0';
	text = json_string(uri);
	free(uri);
	return text;
}

static json_t *sarif_location(const struct gate_site *s)
{
	struct gate_place p = gate_place(s);
	json_t *region;

	if (!p.file)
		return NULL;
	region = p.line ? json_pack("{s:i}", "startLine", p.line) : json_object();
	return json_pack("{s:{s:{s:o}, s:o}}", "physicalLocation", "artifactLocation", "uri",
			 sarif_uri(p.file), "region", region);
}

static json_t *sarif_result(const struct gate_result *r, const struct gate_site *s)
{
	char message[MESSAGE], text[3 * MESSAGE], key[SITE_KEY], amount[120];
	json_t *o = json_object(), *location;

	gate_message(r, message, sizeof(message));
	if (s)
		snprintf(text, sizeof(text), "%s%s in %s; %s %s (assertion: %s)",
			 gate_amount(s, amount, sizeof(amount)),
			 json_object_get(s->site, "first_free") ? "" : ", allocated",
			 gate_place(s).function ? gate_place(s).function : "?", r->expr->path,
			 message, r->expr->text);
	else
		snprintf(text, sizeof(text), "%s %s (assertion: %s)", r->expr->path, message,
			 r->expr->text);
	json_set(o, "ruleId", json_text(r->expr->path));
	json_set(o, "level", json_string(r->verdict == GATE_FAILED ? "error" : "warning"));
	json_set(o, "message", json_pack("{s:o}", "text", json_text(text)));
	location = s ? sarif_location(s) : NULL;
	json_set(o, "locations", location ? json_pack("[o]", location) : json_array());
	/* stays the same over builds, so that a known result is not new again */
	if (s)
		json_set(o, "partialFingerprints",
			 json_pack("{s:o}", "lariatSite/v1",
				   json_text(site_key(s->site, r->expr->path, key, sizeof(key)))));
	return o;
}

static json_t *sarif_results(const struct gate *g, json_t *rules)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < g->results; i++) {
		const struct gate_result *r = &g->result[i];

		if (i < g->exprs)
			json_array_append_new(rules,
					      json_pack("{s:o}", "id", json_text(r->expr->path)));
		if (r->verdict == GATE_PASSED)
			continue;
		for (int k = 0; k < r->sites && k < SARIF_SITES; k++)
			json_array_append_new(list, sarif_result(r, &r->site[k]));
		if (!r->sites)
			json_array_append_new(list, sarif_result(r, NULL));
	}
	return list;
}

int gate_write_sarif(const struct gate *g, const char *path)
{
	json_t *rules = json_array(), *results = sarif_results(g, rules), *o;
	FILE *f = fopen(path, "we");
	int err = 0;

	o = json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema",
		      "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs",
		      "tool", "driver", "name", "lariat", "version", LARIAT_VERSION, "rules", rules,
		      "results", results);
	if (!f)
		err = -errno;
	else if (!o || json_dumpf(o, f, JSON_INDENT(1)))
		err = -EIO;
	json_decref(o);
	if (f) {
		int closed = finish(f);

		err = err ? err : closed;
	}
	return err;
}

/* ---- Markdown ---- */

static void put_markdown(FILE *f, const char *s)
{
	while (*s) {
		if (strchr("\\`*_[]<>|", *s))
			fputc('\\', f);
		s += utf8_put_one(f, s);
	}
}

static void put_summary_sites(FILE *f, const struct gate_result *r)
{
	char amount[120];

	if (r->verdict != GATE_FAILED || !r->sites)
		return;
	fputs("\n", f);
	put_markdown(f, r->expr->text);
	fputs(":\n\n| what | where |\n|---|---|\n", f);
	for (int i = 0; i < r->sites && i < SUMMARY_SITES; i++) {
		struct gate_place p = gate_place(&r->site[i]);

		fprintf(f, "| %s | ", gate_amount(&r->site[i], amount, sizeof(amount)));
		put_markdown(f, p.function ? p.function : "?");
		if (p.file) {
			fputs(" ", f);
			put_markdown(f, p.file);
			fprintf(f, ":%d", p.line);
		}
		fputs(" |\n", f);
	}
	if (r->sites > SUMMARY_SITES)
		fprintf(f, "\nand %d more\n", r->sites - SUMMARY_SITES);
}

int gate_write_summary(const struct gate *g, const char *path)
{
	FILE *f = fopen(path, "ae");
	char message[MESSAGE];

	if (!f)
		return -errno;
	fprintf(f, "## lariat gate: %s\n\n| | assertion | | trace |\n|---|---|---|---|\n",
		gate_verdict_name(gate_verdict(g)));
	for (unsigned i = 0; i < g->results; i++) {
		const struct gate_result *r = &g->result[i];

		fprintf(f, "| %s | ", gate_verdict_name(r->verdict));
		put_markdown(f, r->expr->text);
		fputs(" | ", f);
		put_markdown(f, gate_message(r, message, sizeof(message)));
		fputs(" | ", f);
		put_markdown(f, r->trace);
		fputs(" |\n", f);
	}
	for (unsigned i = 0; i < g->results; i++)
		put_summary_sites(f, &g->result[i]);
	fputs("\n", f);
	return finish(f);
}
