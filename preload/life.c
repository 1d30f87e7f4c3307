/* SPDX-License-Identifier: MIT */
/* Start and end of recording; see life.h. */
#include "life.h"

#include <fcntl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "apart.h"
#include "cpu.h"
#include "dict.h"
#include "fault.h"
#include "filter.h"
#include "hook.h"
#include "inuse.h"
#include "kernelio.h"
#include "misuse.h"
#include "note.h"
#include "pool.h"
#include "real.h"
#include "recorder.h"
#include "sample.h"
#include "seal.h"
#include "sight.h"
#include "snapshot.h"
#include "stdio_table.h"
#include "sys.h"
#include "thread.h"
#include "tracefile.h"

#define TSC_TIME_SHIFT	8 /* about 100 ns at 2.5 GHz */
#define ARGS_MOST	(16u << 10)
#define COMM_SIZE	17
#define SPIN_MOST	(1u << 20)
#define SANDBOX_RESERVE (4u << 20)

struct recorder *lar;
uint32_t lar_wants = LAR_RECORD_ALL;

/* Not wiped on fork: what a child must drop of its parent's. */
static uint8_t *inherited_base;
static uint64_t inherited_size;
static uint64_t inherited_start_ns; /* of the parent's recording: names it */
/* Options of the first recording: a child's environment may no longer be what ours was. */
static struct config inherited_config;
static bool inherited;
static enum filter_leaves filter_leaves; /* of the image */

bool spin_lock(struct spin *s)
{
	uint64_t me = (uint64_t)&lar_self;

	for (unsigned i = 0; i < SPIN_MOST; i++) {
		uint64_t none = 0;

		if (atomic_compare_exchange_weak_explicit(
			    &s->owner, &none, me, memory_order_acquire, memory_order_relaxed))
			return true;
		if (none == me)
			return false;
		if (i < 100)
			__builtin_ia32_pause();
		else
			sys_yield();
	}
	return false;
}

void spin_unlock(struct spin *s)
{
	atomic_store_explicit(&s->owner, 0, memory_order_release);
}

uint64_t lar_ticks_slow(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

/*
 * The counter runs evenly on all cores: the kernel takes its own time from it. Asking the processor
 * as well would tell nothing more and is slow in virtual machines, some 20 us.
 */
static bool tsc_usable(bool child)
{
	static bool usable; /* of the parent: it is the same machine */
	char source[8] = "";
	int fd;

	if (child)
		return usable;
	fd = sys_openat(AT_FDCWD,
			"/sys/devices/system/clocksource/clocksource0/current_clocksource",
			O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	sys_read(fd, source, sizeof(source) - 1);
	sys_close(fd);
	usable = !strncmp(source, "tsc", 3);
	return usable;
}

/* The loader's note of where the program's arguments stand on its first stack. */
extern void *__libc_stack_end;

/* Text with its NUL behind what is there; cut when it does not fit. */
static size_t put_text(char *buf, size_t at, size_t size, const char *s, size_t n)
{
	if (at >= size)
		return at;
	if (n > size - at - 1)
		n = size - at - 1;
	memcpy(buf + at, s, n);
	buf[at + n] = 0;
	return at + n + 1;
}

static size_t put_link(char *buf, size_t at, size_t size, const char *link)
{
	char target[1024];
	ssize_t n = sys_readlink(link, target, sizeof(target));

	return put_text(buf, at, size, target, n > 0 ? (size_t)n : 0);
}

/* Like /proc/self/cwd, which takes the system longer. */
static size_t put_cwd(char *buf, size_t at, size_t size)
{
	char path[1024];
	long n = sys_call3(SYS_getcwd, (long)path, sizeof(path), 0);

	if (n <= 0 || path[0] != '/')
		return put_link(buf, at, size, "/proc/self/cwd");
	return put_text(buf, at, size, path, (size_t)n - 1);
}

/* The arguments of a program that has not run yet lie where the kernel put them, one behind
 * another. */
static size_t put_fresh_args(char *buf, size_t at, size_t size)
{
	const uint64_t *argc = __libc_stack_end;
	char *const *argv;
	const char *end;

	if (!argc || !*argc)
		return at;
	argv = (char *const *)(argc + 1);
	if (!argv[0])
		return at;
	end = argv[*argc - 1];
	end += strlen(end) + 1;
	if (end < argv[0] || (size_t)(end - argv[0]) > size - at)
		return at;
	memcpy(buf + at, argv[0], (size_t)(end - argv[0]));
	return at + (size_t)(end - argv[0]);
}

/* The process's name; the system tells a thread its own in a shorter way. */
static void read_command(char *comm)
{
	ssize_t n;
	int fd;

	memset(comm, 0, COMM_SIZE);
	if (sys_gettid() == sys_getpid()) {
		sys_call6(SYS_prctl, PR_GET_NAME, (long)comm, 0, 0, 0, 0);
		return;
	}
	fd = sys_openat(AT_FDCWD, "/proc/self/comm", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	n = sys_read(fd, comm, COMM_SIZE - 1);
	comm[n > 1 ? n - 1 : 0] = 0; /* a newline ends it */
	sys_close(fd);
}

static size_t put_args(char *buf, size_t at, size_t size, bool fresh)
{
	size_t start = at;
	ssize_t n;
	int fd;

	if (fresh && (at = put_fresh_args(buf, at, size)) > start)
		return at;
	fd = sys_openat(AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
	while (fd >= 0 && at < size && (n = sys_read(fd, buf + at, size - at)) > 0)
		at += (size_t)n;
	if (fd >= 0)
		sys_close(fd);
	if (at > start)
		buf[at - 1] = 0;
	return at;
}

/* fresh: the program has not run yet. */
static void describe_process(bool fresh)
{
	static struct {
		struct lar_dict_process p;
		char text[ARGS_MOST + 4096];
	} description, *record = &description;
	size_t at = 0, size, start;
	struct utsname host;
	char comm[COMM_SIZE];

	record->p = (struct lar_dict_process){ 0 };
	size = sizeof(record->text);
	read_command(comm);
	at = put_text(record->text, at, size, comm, strlen(comm));
	at = put_link(record->text, at, size, "/proc/self/exe");
	memset(&host, 0, sizeof(host));
	sys_call3(SYS_uname, (long)&host, 0, 0);
	at = put_text(record->text, at, size, host.nodename, strlen(host.nodename));
	at = put_cwd(record->text, at, size);
	start = at;
	at = put_args(record->text, at, size, fresh);
	for (size_t i = start; i < at; i++)
		record->p.argc += !record->text[i];
	record->p.uid = (uint32_t)sys_call3(SYS_getuid, 0, 0, 0);
	dict_append(LAR_DICT_PROCESS, 0, record, sizeof(record->p) + at);
}

static void describe_notes(void)
{
	for (int i = 0; i < NOTE_KINDS; i++) {
		const char *text = note_text((enum note)i);

		if (text)
			dict_append(LAR_DICT_NOTE, (uint32_t)i, text, strlen(text) + 1);
	}
}

static const char *error_text(int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		return "permission denied";
	case ENOENT:
		return "no such folder";
	case EROFS:
		return "read-only file system";
	case ENOSPC:
		return "no space left";
	case EFBIG:
		return "the file size limit (RLIMIT_FSIZE) or address space limit is too low";
	case EMFILE:
	case ENFILE:
		return "too many open files";
	case ELOOP:
		return "a symbolic link is in the way";
	case ENOMEM:
		return "no memory";
	case ENAMETOOLONG:
		return "the name is too long";
	case ENOTBLK: /* file_open()'s own */
		return "something else than a file has this name";
	default:
		return "refused by the system";
	}
}

/*
 * Children shall not be recorded: takes the recorder out of LD_PRELOAD in the environment, for the
 * programs that this one starts. The other entries stay.
 */
static void environment_leave(char **env)
{
	static const char name[] = "LD_PRELOAD=", self[] = "liblariat.so";
	char *value, *out;

	while (*env && strncmp(*env, name, sizeof(name) - 1))
		env++;
	if (!*env)
		return;
	value = out = *env + sizeof(name) - 1;
	while (*value) {
		size_t n = strcspn(value, ": "), tail = n < sizeof(self) - 1 ? n : sizeof(self) - 1;

		if (tail < sizeof(self) - 1 || memcmp(value + n - tail, self, tail)) {
			if (out > *env + sizeof(name) - 1)
				*out++ = ':';
			memmove(out, value, n);
			out += n;
		}
		value += n + (value[n] != 0);
	}
	*out = 0;
	if (out == *env + sizeof(name) - 1)
		for (; *env; env++)
			env[0] = env[1];
}

/*
 * Before libc's own constructor has run (the program allocates in .preinit_array) environ is not
 * set; the environment is then found where the kernel put it: behind argc, argv and its NULL.
 */
static char **environment(void)
{
	uint64_t *argc = __libc_stack_end;

	if (environ || !argc)
		return environ;
	return (char **)(argc + 1 + *argc + 1);
}

/* With signals blocked, phase STARTING. child: of a recorded process, by fork. */
static bool start(bool child)
{
	const char *what;
	int result;

	real_resolve();
	sys_look_emulated();
	lar->first_break = (uint64_t)sys_call3(SYS_brk, 0, 0, 0);
	apart_alone = child;
	if (child)
		lar->config = inherited_config;
	else
		config_read(&lar->config, environment());
	if (filter_leaves == FILTER_LEAVES_ALL_BUT_SCAN &&
	    lar->config.leak_scan != CONFIG_LEAK_SCAN_OFF) {
		lar->config.leak_scan = CONFIG_LEAK_SCAN_OFF;
		note_once(NOTE_FILTERED, "the program was started under a filter of system calls "
					 "that kills for a leak scan's; there is none");
	}
	inherited_config = lar->config;
	lar_wants = lar->config.record;
	if (sample_period) /* of the parent: else it is untouched, and stays out of memory */
		memset(sample_filter, 0, sizeof(sample_filter));
	sample_period = hook_wants(LAR_RECORD_HEAP) ? lar->config.sample_bytes : 0;
	if (!lar->config.follow) {
		if (child) {
			cpu_leave();
			return false;
		}
		environment_leave(environment());
	}
	lar->pid = (uint32_t)sys_getpid();
	lar->cpu_before_ns = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	lar->tsc = tsc_usable(child);
	lar->time_shift = lar->tsc ? TSC_TIME_SHIFT : 6;
	result = tracefile_create(&what);
	if (result) {
		note_once(NOTE_NO_FILE, "%s: %s: %s; nothing is recorded", lar->trace_path, what,
			  error_text(result));
		return false;
	}
	lar->header->parent_start_ns = inherited_start_ns;
	inherited_start_ns = lar->header->start_unix_ns;
	inherited_base = lar->base;
	inherited_size = lar->map_size;
	describe_process(!child);
	tracefile_publish();
	seal_prepare();
	describe_notes();
	if (lar_wants & LAR_RECORD_HEAP)
		sight_begin();
	if (lar_wants & LAR_RECORD_IO) {
		stdio_table_patch();
		kernelio_begin();
	}
	if (lar_wants & LAR_RECORD_CPU)
		cpu_start();
	snapshot_listen();
	snapshot_offer();
	FAULT_POINT(started);
	return true;
}

/* Whether a filter of system calls that was there before lets us be; else we are out of its way. */
static bool filter_passes(void)
{
	const char *record = config_get(environment(), "LARIAT_RECORD");

	sys_look_emulated();
	filter_leaves = filter_look(record && strstr(record, "cpu"));
	if (filter_leaves <= FILTER_LEAVES_ALL_BUT_SCAN)
		return true;
	if (filter_leaves != FILTER_LEAVES_NOTHING) {
		config_read(&inherited_config, environment());
		note_once(
			NOTE_FILTERED,
			filter_leaves == FILTER_LEAVES_NOTE
				? "the program was started under a filter of system calls "
				  "that kills for some of the recorder's; nothing is recorded"
				: "the program was started under a filter of system calls, and no "
				  "process could be made to look whether it kills for the "
				  "recorder's; nothing is recorded");
	}
	sys_forbidden = 1;
	return false;
}

static bool reserve(void)
{
	static _Atomic uint32_t reserving;
	uint32_t none = 0;

	if (lar)
		return true;
	if (!atomic_compare_exchange_strong(&reserving, &none, 1))
		return false;
	if (!filter_passes())
		return false;
	if (!sys_filtered)
		note_learn_err();
	lar = pool_map(sizeof(*lar));
	if (!lar)
		note_once(NOTE_NO_MEMORY, "no memory for the recorder; nothing is recorded");
	return lar != NULL;
}

/* A sanitizer's runtime replaces memcpy and kin too, by functions that crash until its own
 * constructor has run; that runs before ours. */
extern char __asan_init[] __attribute__((weak));
extern char __tsan_init[] __attribute__((weak));
extern char __msan_init[] __attribute__((weak));
static bool constructed;

static bool too_early(void)
{
	return !constructed && (__asan_init || __tsan_init || __msan_init);
}

bool life_start(void)
{
	uint32_t phase = PHASE_NONE;
	uint64_t mask;
	bool on, child;

	if (too_early() || !reserve())
		return false;
	if (!atomic_compare_exchange_strong(&lar->phase, &phase, PHASE_STARTING)) {
		if (phase == PHASE_STARTING)
			lar_lost_add(LAR_LOST_EARLY, 1);
		return phase == PHASE_ON;
	}
	sys_block_signals(&mask);
	child = inherited;
	if (child) {
		pool_forked();
		sys_locks_future = 0;
	}
	inherited = true;     /* as far as this process's children are concerned */
	if (inherited_base) { /* the mapping is of the parent's trace */
		sys_munmap(inherited_base, inherited_size);
		inherited_base = NULL;
	}
	on = start(child);
	atomic_store(&lar->phase, on ? PHASE_ON : PHASE_OFF);
	sys_restore_signals(&mask);
	return on;
}

uint64_t hook_ticks_slow(void)
{
	if (!lar || atomic_load(&lar->phase) != PHASE_ON) {
		if (!life_start())
			return 0;
	}
	return lar_ticks();
}

bool life_own_process(void)
{
	return lar && lar->pid == (uint32_t)sys_getpid();
}

void life_stop(void)
{
	if (!lar)
		return;
	cpu_stop();
	atomic_store(&lar->phase, PHASE_OFF);
	for (uint32_t i = 0; i < RECORDER_MAX_SLOTS; i++)
		if (lar->thread[i])
			lar->thread[i]->gate = GATE_CLOSED;
}

void life_blind(void)
{
	if (!life_start() || !life_own_process())
		return;
	note_once(NOTE_SANDBOX, "the program takes the processor's clock from itself: from now on "
				"nothing is recorded");
	describe_notes();
	life_stop();
}

/* Says in the trace how the process ended. `seal`: and brings what is in the slots into the ring.
 */
static bool end_write(enum lar_end end, int code, bool seal)
{
	struct lar_header *h;

	if (!lar || atomic_load(&lar->phase) != PHASE_ON || !life_own_process())
		return false;
	h = lar->header;
	FAULT_POINT(end_begin);
	cpu_thread_clock((uint64_t)__builtin_frame_address(0));
	if (seal)
		thread_seal_all();
	misuse_finish();
	if (lar_wants & LAR_RECORD_HEAP)
		sight_bypassed(false);
	tracefile_clock_pair();
	if (lar_wants & LAR_RECORD_IO)
		kernelio_sample();
	FAULT_POINT(end_sealed);
	h->exit_code = code;
	FAULT_POINT(end_code);
	h->end_ticks = lar_ticks();
	FAULT_POINT(end_time);
	__atomic_store_n(&h->end, end, __ATOMIC_RELEASE);
	FAULT_POINT(end_commit);
	return true;
}

void life_end(enum lar_end end, int code)
{
	end_write(end, code, true);
}

void life_not_ended(void)
{
	if (lar && atomic_load(&lar->phase) == PHASE_ON && life_own_process())
		__atomic_store_n(&lar->header->end, LAR_END_NONE, __ATOMIC_RELEASE);
}

static bool sandbox_prepare(uint64_t frame)
{
	/* a forked child that has had no event yet could not start any more */
	if (!life_start())
		return !lar || atomic_load(&lar->phase) == PHASE_OFF;
	if (!life_own_process())
		return false;
	note_once(NOTE_SANDBOX, "the program filters its system calls: from now on only what needs "
				"none is recorded");
	describe_notes();
	cpu_stop();
	tracefile_reserve(SANDBOX_RESERVE);
	thread_prepare(frame);
	sys_keep_tids();
	return true;
}

/* Of sys_forbidden, what is for a child that is in this process's memory. */
static int lent;

bool life_sandboxed(uint64_t frame)
{
	if (!__atomic_load_n(&sys_forbidden, __ATOMIC_RELAXED) && !sandbox_prepare(frame)) {
		/* a vfork child, or nothing is recorded anyway; it does not come to an answer */
		__atomic_fetch_add(&lent, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&sys_forbidden, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&sys_forbidden, 1, __ATOMIC_RELAXED);
	return true;
}

void life_filtered(const struct sock_fprog *program)
{
	if (program && filter_kills_look(program))
		environment_leave(environment());
}

void life_unsandboxed(void)
{
	__atomic_fetch_sub(&sys_forbidden, 1, __ATOMIC_RELAXED);
}

int life_child_leaves(void)
{
	int n = __atomic_exchange_n(&lent, 0, __ATOMIC_RELAXED);

	if (n)
		__atomic_fetch_sub(&sys_forbidden, n, __ATOMIC_RELAXED);
	return n;
}

void life_child_stays(int n)
{
	__atomic_fetch_add(&lent, n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&sys_forbidden, n, __ATOMIC_RELAXED);
}

/* The leak scan reads what is in the slots at less cost than what has been sealed. */
void life_exit(int code, bool scan, uint64_t frame)
{
	if (!end_write(LAR_END_EXIT, code, !scan) || !scan)
		return;
	snapshot_at_exit(frame);
	inuse_stop();
	thread_seal_all();
}

static bool at_exit_comes;

/* The last of the handlers: after the destructors of all objects, too. */
static void at_exit(int code, void *unused)
{
	(void)unused;
	life_exit(code, true, (uint64_t)__builtin_frame_address(0));
}

__attribute__((constructor(101))) static void lariat_begin(void)
{
	constructed = true;
	if (!life_start())
		return;
	cpu_thread_enter((uint64_t)__builtin_frame_address(0));
	at_exit_comes = !on_exit(at_exit, NULL);
}

/* After the destructors of all that was loaded before us: late events are in the slots. */
__attribute__((destructor(101))) static void lariat_finish(void)
{
	if (!at_exit_comes && lar && atomic_load(&lar->phase) == PHASE_ON && life_own_process())
		thread_seal_all();
}
