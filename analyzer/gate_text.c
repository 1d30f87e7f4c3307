/* SPDX-License-Identifier: MIT */
/* A gate's results as text, as JSON, and as annotations where a CI shows them. */
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "report_json.h"
#include "table.h"
#include "utf8.h"

#define MESSAGE	    500
#define ANNOTATIONS 10 /* of an assertion: more are not shown there */

static const char *const marks[] = { "PASS", "FAIL", "UNDECIDED" };

static int shown_of(const struct cmd_context *c, const struct gate_result *r)
{
	return (uint64_t)r->sites < c->limit ? r->sites : (int)c->limit;
}

static void print_sites(const struct cmd_context *c, const struct gate_result *r)
{
	int shown = shown_of(c, r);
	char amount[120];

	for (int i = 0; i < shown; i++) {
		struct gate_place p = gate_place(&r->site[i]);

		fprintf(c->out,
			"            %s: ", gate_amount(&r->site[i], amount, sizeof(amount)));
		utf8_put(c->out, p.function ? p.function : "?");
		if (p.file) {
			fputs("  ", c->out);
			utf8_put(c->out, p.file);
		}
		if (p.file && p.line)
			fprintf(c->out, ":%d", p.line);
		fputc('\n', c->out);
	}
	if (shown < r->sites)
		fprintf(c->out, "            and %d more\n", r->sites - shown);
}

/* What a workflow command takes for its own is escaped (%, newlines; in properties : and , too). */
static void put_escaped(FILE *out, const char *s, bool property)
{
	while (*s) {
		if (strchr("%\r\n", *s) || (property && strchr(":,", *s)))
			fprintf(out, "%%%02X", *s++);
		else
			s += utf8_put_one(out, s);
	}
}

/* Where GitHub's runner reads along, sites at fault show up at their lines. */
static void annotate(const struct cmd_context *c, const struct gate_result *r)
{
	char message[MESSAGE];

	gate_message(r, message, sizeof(message));
	for (int i = 0; i < (r->sites ? r->sites : 1) && i < ANNOTATIONS; i++) {
		struct gate_place p = r->sites ? gate_place(&r->site[i]) : (struct gate_place){ 0 };

		fputs("::error ", c->out);
		if (p.file) {
			fputs("file=", c->out);
			put_escaped(c->out, gate_path_in_workspace(p.file), true);
			if (p.line)
				fprintf(c->out, ",line=%d", p.line);
			fputc(',', c->out);
		}
		fputs("title=", c->out);
		put_escaped(c->out, r->expr->text, true);
		fputs("::", c->out);
		put_escaped(c->out, r->expr->path, false);
		fputc(' ', c->out);
		put_escaped(c->out, message, false);
		if (p.function) {
			fputs(", in ", c->out);
			put_escaped(c->out, p.function, false);
		}
		fputc('\n', c->out);
	}
}

/* A line that begins with two colons is a command to GitHub's runner, also behind blanks. */
static void put_trace(const struct cmd_context *c, const char *path)
{
	fputs(*path == ':' || *path == ' ' ? "./" : "", c->out);
	utf8_put(c->out, path);
	fputc('\n', c->out);
}

void gate_print(const struct cmd_context *c, const struct gate *g)
{
	char message[MESSAGE], line[2 * MESSAGE];
	const char *last = NULL;

	for (unsigned i = 0; i < g->results; i++) {
		const struct gate_result *r = &g->result[i];

		if (!last || strcmp(last, r->trace))
			put_trace(c, r->trace);
		last = r->trace;
		snprintf(line, sizeof(line), "  %-9s %s: %s", marks[r->verdict], r->expr->text,
			 gate_message(r, message, sizeof(message)));
		utf8_tame(line);
		style_print(c, r->verdict ? STYLE_ALERT : STYLE_PLAIN, line);
		fputc('\n', c->out);
		if (r->verdict == GATE_FAILED)
			print_sites(c, r);
	}
	snprintf(line, sizeof(line), "gate %s: %u passed, %u failed, %u undecided",
		 gate_verdict_name(gate_verdict(g)), gate_count(g, GATE_PASSED),
		 gate_count(g, GATE_FAILED), gate_count(g, GATE_UNDECIDED));
	style_print(c, STYLE_BOLD, line);
	fputc('\n', c->out);
	for (unsigned i = 0; i < g->results && getenv("GITHUB_ACTIONS"); i++)
		if (g->result[i].verdict)
			annotate(c, &g->result[i]);
}

static json_t *result_json(const struct cmd_context *c, const struct gate_result *r)
{
	json_t *o = json_object(), *sites = json_array();
	int shown = shown_of(c, r);

	json_set(o, "assertion", json_text(r->expr->text));
	json_set(o, "trace", json_text(r->trace));
	json_set(o, "verdict", json_string(gate_verdict_name(r->verdict)));
	json_set(o, "value", r->has_value ? json_real(r->value) : json_null());
	json_set(o, "allowed_by_baseline", r->has_value ? json_real(r->allowed) : json_null());
	json_set(o, "reason", *r->reason ? json_text(r->reason) : json_null());
	for (int i = 0; i < shown; i++) {
		json_t *site = json_deep_copy(r->site[i].site);

		json_set(site, "new_blocks", json_integer(r->site[i].new_blocks));
		json_set(site, "new_bytes", json_integer(r->site[i].new_bytes));
		json_array_append_new(sites, site);
	}
	json_set_u64(o, "site_count", (uint64_t)r->sites);
	json_set(o, "sites", sites);
	return o;
}

void gate_print_json(const struct cmd_context *c, const struct gate *g)
{
	json_t *o = json_object(), *gate = json_object(), *list = json_array();

	json_set(o, "schema", json_string("lariat/1"));
	json_set(gate, "verdict", json_string(gate_verdict_name(gate_verdict(g))));
	json_set_u64(gate, "passed", gate_count(g, GATE_PASSED));
	json_set_u64(gate, "failed", gate_count(g, GATE_FAILED));
	json_set_u64(gate, "undecided", gate_count(g, GATE_UNDECIDED));
	for (unsigned i = 0; i < g->results; i++)
		json_array_append_new(list, result_json(c, &g->result[i]));
	json_set(gate, "assertions", list);
	json_set(o, "gate", gate);
	json_dumpf(o, c->out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	fputc('\n', c->out);
	json_decref(o);
}
