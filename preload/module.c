/* SPDX-License-Identifier: MIT */
/* Loaded objects in the dictionary; see module.h. */
#include "module.h"

#include <elf.h>
#include <string.h>

#include "cfi.h"
#include "dict.h"
#include "mapname.h"
#include "note.h"
#include "recorder.h"
#include "rules.h"
#include "sys.h"

#define BUILD_ID_MAX 64

/* The build-id note in the object's mapped program headers; 0 when there is none. */
static uint32_t build_id_find(const struct cfi_object *object, const uint8_t **id)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)object->start;
	const Elf64_Phdr *ph;

	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_phoff > 4096 ||
	    eh->e_phentsize != sizeof(*ph) || eh->e_phnum > 64)
		return 0;
	ph = (const Elf64_Phdr *)(object->start + eh->e_phoff);
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		const uint8_t *p = (const uint8_t *)(object->bias + ph[i].p_vaddr);
		const uint8_t *end = p + ph[i].p_memsz;

		if (ph[i].p_type != PT_NOTE || ph[i].p_memsz > 1 << 20)
			continue;
		while (end - p >= (long)sizeof(Elf64_Nhdr)) {
			const Elf64_Nhdr *n = (const Elf64_Nhdr *)p;
			const uint8_t *desc = p + sizeof(*n) + ((n->n_namesz + 3) & ~3u);

			if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
			    !memcmp(n + 1, "GNU", 4) && n->n_descsz <= BUILD_ID_MAX) {
				*id = desc;
				return n->n_descsz;
			}
			p = desc + ((n->n_descsz + 3) & ~3u);
		}
	}
	return 0;
}

static uint64_t self_address(void)
{
	return (uint64_t)&module_register;
}

/* Under the lock, with signals blocked: what is large is not on the program's stack, which may be
 * as small as the system lets it be. */
static void module_write(const struct cfi_object *object, uint32_t id)
{
	static struct {
		struct lar_dict_module m;
		char tail[BUILD_ID_MAX + 1024];
	} record;
	static char exe[1024];
	const uint8_t *build_id = NULL;
	const char *name = object->name;
	size_t n, used;

	memset(&record.m, 0, sizeof(record.m));
	record.m.start = object->start;
	record.m.end = object->end;
	record.m.bias = object->bias;
	record.m.first_seen_ticks = lar_ticks();
	record.m.build_id_size = build_id_find(object, &build_id);
	if (self_address() >= object->start && self_address() < object->end)
		record.m.flags |= LAR_MODULE_SELF;
	if (!*name) {
		ssize_t len = sys_readlink("/proc/self/exe", exe, sizeof(exe) - 1);

		record.m.flags |= LAR_MODULE_MAIN;
		exe[len > 0 ? len : 0] = 0;
		name = exe;
	} else if (!strncmp(name, "linux-vdso", 10) || !strncmp(name, "linux-gate", 10)) {
		record.m.flags |= LAR_MODULE_VDSO;
	} else if (*name != '/' && mapname_find(object->start, exe, sizeof(exe))) {
		/* opened by a relative path, which is of a folder that nobody knows later */
		name = exe;
	}
	used = record.m.build_id_size;
	if (used)
		memcpy(record.tail, build_id, used);
	n = strnlen(name, sizeof(record.tail) - used - 1);
	memcpy(record.tail + used, name, n);
	record.tail[used + n] = 0;
	if (!dict_append_blocked(LAR_DICT_MODULE, id, &record, sizeof(record.m) + used + n + 1))
		lar_lost_add(LAR_LOST_MODULE, 1);
}

static bool module_known(const struct cfi_object *object)
{
	uint32_t n = __atomic_load_n(&lar->module_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++)
		if (lar->module[i].id && lar->module[i].start == object->start &&
		    lar->module[i].end == object->end)
			return true;
	return false;
}

/* With the lock held: takes the place of an unloaded module, or a new one. */
static void module_enter(const struct cfi_object *object)
{
	uint32_t n = 0;

	while (n < lar->module_count && lar->module[n].id)
		n++;
	if (n == RECORDER_MAX_MODULES) {
		lar_lost_add(LAR_LOST_MODULE, 1);
		return;
	}
	lar->module[n].start = object->start;
	lar->module[n].end = object->end;
	lar->module[n].bias = object->bias;
	module_write(object, ++lar->module_ids);
	__atomic_store_n(&lar->module[n].id, lar->module_ids, __ATOMIC_RELEASE);
	if (n == lar->module_count)
		__atomic_store_n(&lar->module_count, n + 1, __ATOMIC_RELEASE);
}

void module_register(const struct cfi_object *object)
{
	uint64_t mask;

	if (module_known(object))
		return;
	sys_block_signals(&mask);
	if (spin_lock(&lar->module_lock)) {
		if (!module_known(object))
			module_enter(object);
		spin_unlock(&lar->module_lock);
	} else {
		lar_lost_add(LAR_LOST_MODULE, 1);
	}
	sys_restore_signals(&mask);
}

/* Whether the module's first address still belongs to the object that was registered. */
static bool module_loaded(const struct module *m)
{
	struct cfi_object object;

	return cfi_find_object(m->start, &object) && object.start == m->start &&
	       object.end == m->end && object.bias == m->bias;
}

static void note_unload(void)
{
	uint32_t n = atomic_load(&lar->unloads);

	if (n < RECORDER_UNLOADS)
		lar->unload_ticks[n] = lar_ticks();
	atomic_store(&lar->unloads, n + 1);
}

void module_check_unloaded(void)
{
	uint64_t mask;
	bool gone = false;

	sys_block_signals(&mask);
	if (spin_lock(&lar->module_lock)) {
		for (uint32_t i = 0; i < lar->module_count; i++) {
			struct lar_dict_unload unload;

			if (!lar->module[i].id || module_loaded(&lar->module[i]))
				continue;
			if (!gone)
				rules_new_generation();
			gone = true;
			rules_forget(lar->module[i].start, lar->module[i].end);
			unload.ticks = lar_ticks();
			dict_append_blocked(LAR_DICT_UNLOAD, lar->module[i].id, &unload,
					    sizeof(unload));
			__atomic_store_n(&lar->module[i].id, 0, __ATOMIC_RELEASE);
		}
		if (gone)
			note_unload();
		spin_unlock(&lar->module_lock);
	} else {
		rules_new_generation();
		rules_forget(0, ~RULES_EXACT);
	}
	sys_restore_signals(&mask);
}
