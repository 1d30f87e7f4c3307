/* SPDX-License-Identifier: MIT */
/*
 * Signals' actions, where threads are sampled (cpu.h): our signal is answered for as the program
 * would find it without us. All else goes straight through.
 */
#include <signal.h>
#include <string.h>

#include "cpu.h"
#include "hook.h"

#define OURS(signal) unlikely(cpu_signal && (signal) == cpu_signal)

/* Ours is unused, as far as the program can see. */
static int answer(struct sigaction *old)
{
	if (old)
		memset(old, 0, sizeof(*old));
	return 0;
}

#define SIGACTION(symbol)                                                                          \
	LAR_EXPORT int symbol(int number, const struct sigaction *action, struct sigaction *old)   \
	{                                                                                          \
		if (OURS(number)) {                                                                \
			if (!action)                                                               \
				return answer(old);                                                \
			cpu_give_way();                                                            \
		}                                                                                  \
		return REAL(symbol)(number, action, old);                                          \
	}

SIGACTION(sigaction)
SIGACTION(__sigaction)

#define SIGNAL(symbol)                                                                             \
	LAR_EXPORT __sighandler_t symbol(int number, __sighandler_t handler)                       \
	{                                                                                          \
		if (OURS(number))                                                                  \
			cpu_give_way();                                                            \
		return REAL(symbol)(number, handler);                                              \
	}

SIGNAL(signal)
SIGNAL(bsd_signal)
SIGNAL(ssignal)
SIGNAL(__sysv_signal)
SIGNAL(sysv_signal)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
SIGNAL(sigset)

LAR_EXPORT int sigignore(int number)
{
	if (OURS(number))
		cpu_give_way();
	return REAL(sigignore)(number);
}
#pragma GCC diagnostic pop

LAR_EXPORT int sigaltstack(const stack_t *stack, stack_t *old)
{
	if (unlikely(cpu_signal && stack))
		cpu_signal_stack(stack);
	return REAL(sigaltstack)(stack, old);
}

/* A thread that blocks it may have ours pending. */
LAR_EXPORT int sigpending(sigset_t *set)
{
	int result = REAL(sigpending)(set);
	uint64_t bits;

	if (likely(!cpu_signal) || result)
		return result;
	memcpy(&bits, set, sizeof(bits));
	bits &= ~(1ull << (cpu_signal - 1));
	memcpy(set, &bits, sizeof(bits));
	return 0;
}
