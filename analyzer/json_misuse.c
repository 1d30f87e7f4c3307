/* SPDX-License-Identifier: MIT */
/* Wrong frees of a JSON report. */
#include <inttypes.h>

#include "report_json.h"

static json_t *act_json(struct analysis *a, const struct misuse_act *act, bool made)
{
	json_t *o;

	if (!act->known)
		return json_null();
	o = json_object();
	json_set(o, "at_ns", act->thread ? json_u64(act->time_ns) : json_null());
	json_set(o, "thread", act->thread ? json_u64(act->thread) : json_null());
	json_set(o, "call", act->call ? json_text(call_name(act->call)) : json_null());
	if (made)
		json_set_u64(o, "size_bytes", act->size_bytes);
	if (act->has_stack)
		json_set_stack(a, o, act->stack);
	return o;
}

static json_t *place_json(struct analysis *a, const struct misuse_place *p)
{
	json_t *o = json_object();
	char address[24];

	snprintf(address, sizeof(address), "0x%" PRIx64, p->record->address);
	json_set(o, "kind", json_string(misuse_name(p->kind)));
	json_set_u64(o, "count", p->count);
	json_set_u64(o, "at_ns", trace_ns(a->trace, p->record->ticks));
	json_set_u64(o, "thread", p->record->thread);
	json_set(o, "call", json_text(call_name(p->record->call)));
	json_set(o, "address", json_string(address));
	json_set_stack(a, o, p->stack);
	json_set(o, "first_free", act_json(a, &p->freed, false));
	json_set(o, "allocation", act_json(a, &p->made, true));
	json_set(o, "bytes_inside", p->inside_bytes ? json_u64(p->inside_bytes) : json_null());
	if (p->kind == LAR_MISUSE_MISSIZED)
		json_set_u64(o, "named_bytes", p->record->named_size);
	return o;
}

json_t *json_misuse(struct analysis *a)
{
	const struct misuse_model *m = a->misuse;
	json_t *o = json_object(), *list = json_array();
	uint32_t places = 0;

	json_set_u64(o, "double_frees", m->total[LAR_MISUSE_DOUBLE]);
	json_set_u64(o, "foreign_frees", m->total[LAR_MISUSE_FOREIGN]);
	json_set_u64(o, "mismatched_frees", m->total[LAR_MISUSE_MISMATCHED]);
	json_set_u64(o, "dead_reallocations", m->total[LAR_MISUSE_REALLOC]);
	json_set_u64(o, "missized_frees", m->total[LAR_MISUSE_MISSIZED]);
	json_set(o, "counts_exact", json_boolean(m->counts_exact));
	for (uint32_t i = 0; i < m->places; i++)
		if (m->place[i].kind != LAR_MISUSE_NONE && places++ < a->context->limit)
			json_array_append_new(list, place_json(a, &m->place[i]));
	json_set_u64(o, "site_count", places);
	json_set(o, "sites", list);
	return o;
}
