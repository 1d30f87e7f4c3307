/* SPDX-License-Identifier: MIT */
/* Death at a chosen place; see fault.h. */
#include "fault.h"

#ifdef LAR_FAULT

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

/* The loader's note of where the program's arguments stand on its first stack. */
extern void *__libc_stack_end;

static char wanted[64];
static unsigned wanted_pass;
static _Atomic unsigned passed, looked_up;

/* libc's environ may not be set yet. */
static const char *environment_value(const char *name)
{
	uint64_t *argc = __libc_stack_end;
	char **env = (char **)(argc + 1 + *argc + 1);
	size_t n = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return "";
}

/* Two threads that do so at once write the same. */
static void look_up(void)
{
	const char *value = environment_value("LARIAT_FAULT");
	size_t n = strcspn(value, ":");
	unsigned pass = 0;

	if (n < sizeof(wanted) && value[n]) {
		for (const char *p = value + n + 1; *p >= '0' && *p <= '9'; p++)
			pass = 10 * pass + (unsigned)(*p - '0');
		memcpy(wanted, value, n);
		wanted_pass = pass;
	}
	atomic_store(&looked_up, 1);
}

static long raw_call(long nr, long a, long b)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b)
			 : "rcx", "r11", "memory");
	return result;
}

void fault_pass(struct fault_site *site)
{
	if (!site->state) {
		if (!atomic_load(&looked_up))
			look_up();
		site->state = strcmp(site->name, wanted) ? -1 : 1;
	}
	if (site->state < 0 || atomic_fetch_add(&passed, 1) + 1 != wanted_pass)
		return;
	for (;;) /* nothing of this thread runs on */
		raw_call(SYS_kill, raw_call(SYS_getpid, 0, 0), 9);
}

#endif
