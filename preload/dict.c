/* SPDX-License-Identifier: MIT */
/* The dictionary; see dict.h. */
#include "dict.h"

#include <string.h>

#include "fault.h"
#include "recorder.h"
#include "sys.h"
#include "tracefile.h"

/* Disk is taken in steps: small ones at first, for short programs. */
#define DICT_STEP_LEAST (8u << 10)
#define DICT_STEP_MOST	(64u << 10)

/* Called with the lock held. Names of targets leave room for modules, without which no stack has
 * functions. */
static bool append(enum lar_dict_type type, uint32_t id, const void *payload, size_t size)
{
	struct lar_section *section = tracefile_section(LAR_SECTION_DICT);
	uint64_t used = section->used;
	uint64_t total = (sizeof(struct lar_dict_record) + size + LAR_DICT_ALIGN - 1) &
			 ~(uint64_t)(LAR_DICT_ALIGN - 1);
	uint64_t step = used < DICT_STEP_MOST ? DICT_STEP_LEAST : DICT_STEP_MOST;
	struct lar_dict_record *r;

	if (used + total > lar->dict_size - (type == LAR_DICT_TARGET ? lar->dict_size / 16 : 0) ||
	    !tracefile_extend(lar->dict, &lar->dict_ready, used + total, lar->dict_size, step))
		return false;
	r = (struct lar_dict_record *)(lar->dict + used);
	FAULT_POINT(dict_room);
	r->size = (uint32_t)total;
	r->type = (uint16_t)type;
	r->reserved = 0;
	r->payload_size = (uint32_t)size;
	r->id = id;
	FAULT_POINT(dict_header);
	memcpy(r + 1, payload, size);
	FAULT_POINT(dict_payload);
	__atomic_store_n(&section->used, used + total, __ATOMIC_RELEASE);
	FAULT_POINT(dict_used);
	/* what is full is seldom looked at again */
	if (used / DICT_STEP_MOST != (used + total) / DICT_STEP_MOST)
		tracefile_leave(lar->dict, used);
	return true;
}

bool dict_append_blocked(enum lar_dict_type type, uint32_t id, const void *payload, size_t size)
{
	bool done;

	if (!spin_lock(&lar->dict_lock))
		return false;
	done = append(type, id, payload, size);
	spin_unlock(&lar->dict_lock);
	return done;
}

bool dict_append(enum lar_dict_type type, uint32_t id, const void *payload, size_t size)
{
	uint64_t mask;
	bool done;

	sys_block_signals(&mask);
	done = dict_append_blocked(type, id, payload, size);
	sys_restore_signals(&mask);
	return done;
}
