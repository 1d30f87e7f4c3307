/* SPDX-License-Identifier: MIT */
/* Names of calls and kinds of events, made from calls.def and events.def. */
#include "trace.h"

static const struct {
	const char *name;
	uint8_t family, operation;
} call_rows[LAR_CALL_MAX] = {
#define CALL(symbol, number, family, operation)                                                    \
	[number] = { #symbol, LAR_FAMILY_##family, LAR_OP_##operation },
#define PART CALL
#include "../preload/format/calls.def"
#undef CALL
};

static const char *const kind_names[LAR_EV_MAX] = {
#define EVENT(name, number, ...) [number] = #name,
#include "../preload/format/events.def"
#undef EVENT
};

const char *call_name(unsigned call)
{
	return call < LAR_CALL_MAX && call_rows[call].name ? call_rows[call].name : "";
}

enum lar_family call_family(unsigned call)
{
	return call < LAR_CALL_MAX ? call_rows[call].family : LAR_FAMILY_NONE;
}

enum lar_operation call_operation(unsigned call)
{
	return call < LAR_CALL_MAX ? call_rows[call].operation : LAR_OP_NONE;
}

const char *event_kind_name(unsigned kind)
{
	return kind < LAR_EV_MAX && kind_names[kind] ? kind_names[kind] : "";
}
