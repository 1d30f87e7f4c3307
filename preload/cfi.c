/* SPDX-License-Identifier: MIT */
/*
 * Call frame information; see cfi.h. The parser trusts the loaded object as much as the program's
 * own exception handling does, but bounds every loop.
 */
#include "cfi.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "attr.h"
#include "dwarfread.h"

enum { REG_RBP = 6, REG_RSP = 7, REG_RA = 16 };
enum { MAX_REMEMBER = 8, MAX_OPS = 1 << 20 /* one function of cc1 has 12,000 */ };

bool cfi_find_object(uint64_t pc, struct cfi_object *object)
{
	struct dl_find_object found;

	if (_dl_find_object((void *)pc, &found))
		return false;
	object->start = (uint64_t)found.dlfo_map_start;
	object->end = (uint64_t)found.dlfo_map_end;
	object->bias = found.dlfo_link_map->l_addr;
	object->name = found.dlfo_link_map->l_name;
	object->eh_frame_hdr = found.dlfo_eh_frame;
	return true;
}

/* The frame description entry for pc through .eh_frame_hdr's sorted table, or NULL. */
static const uint8_t *find_fde(const struct cfi_object *object, uint64_t pc)
{
	const uint8_t *hdr = object->eh_frame_hdr;
	struct reader r = { hdr + 4, (const uint8_t *)object->end };
	uint64_t base = (uint64_t)hdr, count, low = 0;
	int64_t offset = (int64_t)(pc - base);
	const int32_t(*table)[2];

	if (!hdr || hdr[0] != 1 || hdr[2] == DW_EH_PE_OMIT ||
	    hdr[3] != (DW_EH_PE_DATAREL | DW_EH_PE_SDATA4))
		return NULL;
	read_encoded(&r, hdr[1], base);
	count = read_encoded(&r, hdr[2], base);
	table = (const int32_t(*)[2])r.p;
	if (!count || offset < table[0][0])
		return NULL;
	/* which half it is in cannot be predicted: no branch on it */
	for (uint64_t half; count > 1; count -= half) {
		half = count / 2;
		__builtin_prefetch(table[low + half / 2]);
		__builtin_prefetch(table[low + half + (count - half) / 2]);
		low += half & -(uint64_t)(offset >= table[low + half][0]);
	}
	return (const uint8_t *)(base + (uint64_t)(int64_t)table[low][1]);
}

/* How a register's value in the caller is found. */
enum how { HOW_SAME, HOW_OFFSET, HOW_UNDEFINED, HOW_AT_RBP, HOW_OTHER };

/* The two registers whose rules matter; all others are skipped over. */
enum { KEEP_RBP, KEEP_RA, KEEP_REGS, KEEP_NONE = -1 };

struct row {
	enum { CFA_REGISTER, CFA_DRAP, CFA_PLT, CFA_OTHER } cfa;
	uint32_t cfa_reg;
	int64_t cfa_offset;
	enum how how[KEEP_REGS];
	int64_t offset[KEEP_REGS];
};

static inline int kept(uint64_t reg)
{
	return reg == REG_RBP ? KEEP_RBP : reg == REG_RA ? KEEP_RA : KEEP_NONE;
}

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	uint8_t pointer_encoding;
	bool has_augmentation;
	bool signal_frame;
	struct reader program;
};

static bool read_cie(const uint8_t *p, struct cie *cie)
{
	uint32_t length;
	struct reader r;
	const char *augmentation;
	const uint8_t *data_end = NULL;

	length = read_word(p);
	if (!length || length == 0xffffffff)
		return false;
	r = (struct reader){ p + 8, p + 4 + length };
	if (read_fixed(&r, 1) > 4)
		return false;
	augmentation = (const char *)r.p;
	r.p += strnlen(augmentation, (size_t)(r.end - r.p)) + 1;
	*cie = (struct cie){ 0 };
	cie->code_align = read_uleb(&r);
	cie->data_align = read_sleb(&r);
	cie->ra_reg = read_uleb(&r);
	for (const char *a = augmentation; *a && r.p < r.end; a++) {
		if (*a == 'z') {
			uint64_t n = read_uleb(&r);

			cie->has_augmentation = true;
			data_end = r.p + n;
		} else if (*a == 'R') {
			cie->pointer_encoding = (uint8_t)read_fixed(&r, 1);
		} else if (*a == 'P') {
			uint8_t encoding = (uint8_t)read_fixed(&r, 1);

			read_encoded(&r, encoding, 0);
		} else if (*a == 'L') {
			read_fixed(&r, 1);
		} else if (*a == 'S') {
			cie->signal_frame = true;
		} else if (*a != 'B') {
			return false;
		}
	}
	if (data_end)
		r.p = data_end;
	cie->program = r;
	return r.p <= r.end;
}

/* DW_CFA_def_cfa_expression: the two forms that linkers and compilers emit. */
static void cfa_expression(struct row *row, const uint8_t *e, uint64_t n)
{
	/* DW_OP_breg6 (rbp) off; DW_OP_deref: the stack was realigned */
	if (n >= 3 && e[0] == 0x76 && e[n - 1] == 0x06) {
		struct reader r = { e + 1, e + n - 1 };

		row->cfa = CFA_DRAP;
		row->cfa_offset = read_sleb(&r);
		if (r.p == e + n - 1)
			return;
	}
	/* breg7 (rsp) 8; breg16 (rip) 0; lit15; and; lit11; ge; lit3; shl; plus: lazy PLT */
	if (n == 11 && e[0] == 0x77 && e[2] == 0x80 && e[4] == 0x3f) {
		row->cfa = CFA_PLT;
		row->cfa_offset = e[1];
		return;
	}
	row->cfa = CFA_OTHER;
}

static void set_register(struct row *row, uint64_t reg, enum how how, int64_t offset)
{
	int k = kept(reg);

	if (k != KEEP_NONE) {
		row->how[k] = how;
		row->offset[k] = offset;
	}
}

static void register_expression(struct row *row, uint64_t reg, const uint8_t *e, uint64_t n)
{
	struct reader r = { e + 1, e + n };
	int64_t offset;

	/* DW_OP_breg6 off: saved at rbp + off */
	offset = n >= 2 && e[0] == 0x76 ? read_sleb(&r) : 0;
	set_register(row, reg, n >= 2 && e[0] == 0x76 && r.p == e + n ? HOW_AT_RBP : HOW_OTHER,
		     offset);
}

struct machine {
	const uint8_t *fde;
	const uint8_t *cie_at; /* where `cie` and `initial` were read, or NULL */
	struct cie cie;
	struct reader program; /* instructions not yet run */
	struct row row, initial, saved[MAX_REMEMBER];
	unsigned saved_count;
	uint64_t begin, size; /* of the function */
	uint64_t loc, pc;
};

static void restore(struct machine *m, uint64_t reg)
{
	int k = kept(reg);

	if (k != KEEP_NONE) {
		m->row.how[k] = m->initial.how[k];
		m->row.offset[k] = m->initial.offset[k];
	}
}

/* The instructions whose opcode carries an operand in its low six bits. */
static bool run_packed(struct machine *m, struct reader *r, uint8_t op)
{
	uint64_t reg = op & 0x3f;

	if (op >> 6 == 1) { /* advance_loc */
		uint64_t next = m->loc + reg * m->cie.code_align;

		if (next > m->pc)
			return false;
		m->loc = next;
	} else if (op >> 6 == 2) { /* offset */
		set_register(&m->row, reg, HOW_OFFSET, (int64_t)read_uleb(r) * m->cie.data_align);
	} else { /* restore */
		restore(m, reg);
	}
	return true;
}

static bool advance(struct machine *m, uint64_t delta)
{
	uint64_t next = m->loc + delta * m->cie.code_align;

	if (next > m->pc)
		return false;
	m->loc = next;
	return true;
}

static void run_cfa(struct machine *m, struct reader *r, uint8_t op)
{
	struct row *row = &m->row;

	switch (op) {
	case 0x0c: /* def_cfa */
	case 0x12: /* def_cfa_sf */
		row->cfa = CFA_REGISTER;
		row->cfa_reg = (uint32_t)read_uleb(r);
		row->cfa_offset =
			op == 0x0c ? (int64_t)read_uleb(r) : read_sleb(r) * m->cie.data_align;
		break;
	case 0x0d: /* def_cfa_register */
		row->cfa = CFA_REGISTER;
		row->cfa_reg = (uint32_t)read_uleb(r);
		break;
	case 0x0e: /* def_cfa_offset */
		row->cfa_offset = (int64_t)read_uleb(r);
		break;
	case 0x13: /* def_cfa_offset_sf */
		row->cfa_offset = read_sleb(r) * m->cie.data_align;
		break;
	}
}

static void run_block(struct machine *m, struct reader *r, uint8_t op)
{
	uint64_t reg = op == 0x0f ? 0 : read_uleb(r);
	uint64_t n = read_uleb(r);

	if (n > (uint64_t)(r->end - r->p)) {
		r->p = r->end;
		m->row.cfa = CFA_OTHER;
		return;
	}
	if (op == 0x0f)
		cfa_expression(&m->row, r->p, n);
	else if (op == 0x10)
		register_expression(&m->row, reg, r->p, n);
	else
		set_register(&m->row, reg, HOW_OTHER, 0);
	r->p += n;
}

/* One extended instruction; false = behind pc. Unknown ones make the row unusable. */
static bool run_extended(struct machine *m, struct reader *r, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		m->loc = read_encoded(r, m->cie.pointer_encoding, 0);
		return m->loc <= m->pc;
	case 0x02:
	case 0x03:
	case 0x04: /* advance_loc1, 2, 4 */
		return advance(m, read_fixed(r, 1u << (op - 2)));
	case 0x05: /* offset_extended */
		reg = read_uleb(r);
		set_register(&m->row, reg, HOW_OFFSET, (int64_t)read_uleb(r) * m->cie.data_align);
		break;
	case 0x11: /* offset_extended_sf */
		reg = read_uleb(r);
		set_register(&m->row, reg, HOW_OFFSET, read_sleb(r) * m->cie.data_align);
		break;
	case 0x06: /* restore_extended */
		restore(m, read_uleb(r));
		break;
	case 0x07: /* undefined */
		set_register(&m->row, read_uleb(r), HOW_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_register(&m->row, read_uleb(r), HOW_SAME, 0);
		break;
	case 0x09: /* register */
		set_register(&m->row, read_uleb(r), HOW_OTHER, 0);
		read_uleb(r);
		break;
	case 0x0a: /* remember_state */
		if (m->saved_count < MAX_REMEMBER)
			m->saved[m->saved_count] = m->row;
		m->saved_count++;
		break;
	case 0x0b: /* restore_state */
		if (m->saved_count && --m->saved_count < MAX_REMEMBER)
			m->row = m->saved[m->saved_count];
		break;
	case 0x0c:
	case 0x0d:
	case 0x0e:
	case 0x12:
	case 0x13:
		run_cfa(m, r, op);
		break;
	case 0x0f: /* def_cfa_expression */
	case 0x10: /* expression */
	case 0x16: /* val_expression */
		run_block(m, r, op);
		break;
	case 0x2e: /* GNU_args_size */
		read_uleb(r);
		break;
	default:
		m->row.cfa = CFA_OTHER;
		r->p = r->end;
		break;
	}
	return true;
}

/*
 * The instructions that most descriptions are made of, with operands of one byte: where they end,
 * or in front of the first that is none of them. *stop: that one holds only behind m->pc.
 */
static const uint8_t *run_common(struct machine *m, const uint8_t *p, const uint8_t *end,
				 bool *stop)
{
	uint64_t loc = m->loc;
	int64_t cfa_offset = m->row.cfa_offset;

	for (; end - p >= 2; p++) {
		uint8_t op = p[0], operand = p[1];

		if (op >> 6 == 1) { /* advance_loc */
			uint64_t next = loc + (op & 0x3f) * m->cie.code_align;

			*stop = next > m->pc;
			if (*stop)
				break;
			loc = next;
		} else if (operand & 0x80) {
			break;
		} else if (op == 0x0e) { /* def_cfa_offset */
			cfa_offset = operand;
			p++;
		} else if (op >> 6 == 2) { /* offset */
			set_register(&m->row, op & 0x3f, HOW_OFFSET, operand * m->cie.data_align);
			p++;
		} else {
			break;
		}
	}
	m->loc = loc;
	m->row.cfa_offset = cfa_offset;
	return p;
}

/* Runs what holds at m->pc or before; stops in front of the first instruction behind. */
static void run(struct machine *m)
{
	struct reader r = m->program;
	bool stop = false;

	for (int ops = 0; ops < MAX_OPS; ops++) {
		const uint8_t *at = r.p = run_common(m, r.p, r.end, &stop);
		uint8_t op;

		if (stop || r.p >= r.end)
			break;
		op = *r.p++;
		if (op >> 6 ? !run_packed(m, &r, op) : !run_extended(m, &r, op)) {
			r.p = at;
			break;
		}
	}
	m->program = r;
}

static uint64_t rule_pack(const struct row *row, uint64_t pc)
{
	enum rule_kind kind;
	int64_t offset = row->cfa_offset, rbp_offset = 0;
	uint64_t flags = 0;

	if (row->how[KEEP_RA] == HOW_UNDEFINED)
		return RULE_END;
	if (row->how[KEEP_RA] != HOW_OFFSET || row->offset[KEEP_RA] != -8)
		return RULE_NONE;
	if (row->cfa == CFA_REGISTER && row->cfa_reg == REG_RSP) {
		kind = RULE_RSP;
	} else if (row->cfa == CFA_REGISTER && row->cfa_reg == REG_RBP) {
		kind = RULE_RBP;
	} else if (row->cfa == CFA_DRAP) {
		kind = RULE_DRAP;
	} else if (row->cfa == CFA_PLT) {
		kind = RULE_RSP;
		offset += (pc & 15) >= 11 ? 8 : 0;
	} else {
		return RULE_NONE;
	}
	if (row->how[KEEP_RBP] == HOW_OFFSET || row->how[KEEP_RBP] == HOW_AT_RBP) {
		rbp_offset = row->offset[KEEP_RBP];
		flags = RULE_RBP_SAVED | (row->how[KEEP_RBP] == HOW_AT_RBP ? RULE_RBP_AT_RBP : 0);
	} else if (row->how[KEEP_RBP] == HOW_OTHER) {
		return RULE_NONE;
	}
	if (offset != (int32_t)offset || rbp_offset < -(1 << 23) || rbp_offset >= 1 << 23)
		return RULE_NONE;
	return (uint64_t)kind | flags | ((uint64_t)rbp_offset & 0xffffff) << 8 |
	       (uint64_t)offset << 32;
}

/* Reads the common part and runs it, unless it is the one of before: an object has few. */
static bool machine_common(struct machine *m, const uint8_t *at)
{
	if (m->cie_at == at)
		return true;
	m->cie_at = NULL;
	if (!read_cie(at, &m->cie) || m->cie.ra_reg != REG_RA)
		return false;
	m->row = m->initial = (struct row){ 0 };
	m->saved_count = 0;
	m->loc = 0;
	m->pc = 0;
	m->program = m->cie.program;
	run(m);
	m->initial = m->row;
	m->cie_at = at;
	return true;
}

/* Reads the entry up to its instructions. False when it cannot be used. */
static bool machine_start(struct machine *m, const uint8_t *fde)
{
	uint32_t length = read_word(fde), back = read_word(fde + 4);
	struct reader r = { fde + 8, fde + 4 + length };

	if (!length || length == 0xffffffff || !back || !machine_common(m, fde + 4 - back))
		return false;
	m->begin = read_encoded(&r, m->cie.pointer_encoding, 0);
	m->size = read_encoded(&r, m->cie.pointer_encoding & 0x0f, 0);
	if (m->cie.has_augmentation) {
		uint64_t n = read_uleb(&r);

		r.p += n;
	}
	m->row = m->initial;
	m->saved_count = 0;
	m->program = r;
	m->loc = m->begin;
	m->fde = fde;
	return true;
}

/*
 * The last function looked at by a thread: the next return address is often a little further on in
 * it, and the descriptions of some functions have ten thousand instructions. Threads share a few,
 * which are not the threads' own variables: those would take of every thread's stack. `epoch` tells
 * one library from another at the same address. `busy`: used by a thread, or by what a signal
 * handler has interrupted; one that a fork or a cancellation leaves so is used no more.
 */
#define LAST_BITS 4
static struct last {
	struct machine machine;
	uint32_t epoch;
	bool busy;
} last_of[1 << LAST_BITS];
static uint32_t epoch_now;

void cfi_forget(void)
{
	__atomic_fetch_add(&epoch_now, 1, __ATOMIC_RELAXED);
}

static uint64_t machine_rule(struct machine *m, const uint8_t *fde, uint64_t look)
{
	if (m->fde != fde || m->loc > look) {
		m->fde = NULL;
		if (!machine_start(m, fde))
			return RULE_NONE;
	}
	/* the trampoline that returns from a signal handler is entered at its first byte, and its
	 * description starts one byte earlier for the sake of "pc - 1" look-ups */
	if (look - m->begin >= m->size)
		return RULE_GUESS;
	if (m->cie.signal_frame)
		return RULE_SIGNAL;
	m->pc = look;
	run(m);
	return rule_pack(&m->row, look);
}

/* With a machine of its own: apart, since it is as large as many a stack's rest. */
static lar_noinline uint64_t rule_apart(const struct cfi_object *object, uint64_t look)
{
	struct machine m = { .fde = NULL };
	const uint8_t *fde = find_fde(object, look);

	return fde ? machine_rule(&m, fde, look) : RULE_GUESS;
}

uint64_t cfi_rule(const struct cfi_object *object, uint64_t pc, bool call)
{
	uint32_t epoch = __atomic_load_n(&epoch_now, __ATOMIC_RELAXED);
	uint64_t self = (uint64_t)__builtin_thread_pointer() * 0x9e3779b97f4a7c15ull;
	struct last *last = &last_of[self >> (64 - LAST_BITS)];
	uint64_t look = call ? pc - 1 : pc, rule;
	const uint8_t *fde;

	if (__atomic_exchange_n(&last->busy, true, __ATOMIC_ACQUIRE))
		return rule_apart(object, look);
	if (last->epoch != epoch) {
		last->epoch = epoch;
		last->machine.fde = last->machine.cie_at = NULL;
	}
	fde = last->machine.fde;
	if (!fde || look - last->machine.begin >= last->machine.size)
		fde = find_fde(object, look);
	rule = fde ? machine_rule(&last->machine, fde, look) : RULE_GUESS;
	__atomic_store_n(&last->busy, false, __ATOMIC_RELEASE);
	return rule;
}
