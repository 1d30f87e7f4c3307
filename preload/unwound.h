/* SPDX-License-Identifier: MIT */
/*
 * A wrapper that is never returned to: its thread is cancelled in the real call, or a signal
 * handler leaves it by pthread_exit() or an exception. Whoever unwinds a stack asks the personality
 * function of each frame; that of a wrapper is told so, records, and says that the frame has
 * nothing to do. A frame without one is passed the same way. Nothing is executed for it where
 * nothing is unwound: it is a word in the tables of .eh_frame.
 *
 *	int wrapper(...)
 *	{
 *		UNWOUND_TELLS(wait_unwound);
 *		...
 */
#ifndef LARIAT_UNWOUND_H
#define LARIAT_UNWOUND_H

#include <errno.h>
#include <unwind.h>

/* An address of four bytes, relative to its place. */
#define UNWOUND_TELLS(personality) __asm__ volatile(".cfi_personality 0x1b, " #personality)

/* A personality that calls function() when the frame is about to go away; on the way through it
 * first, handlers of exceptions are looked for. */
#define UNWOUND_PERSONALITY(personality, function)                                                 \
	_Unwind_Reason_Code personality(                                                           \
		int version, _Unwind_Action actions, _Unwind_Exception_Class kind,                 \
		struct _Unwind_Exception *exception, struct _Unwind_Context *context);             \
	__attribute__((used)) _Unwind_Reason_Code personality(                                     \
		int version, _Unwind_Action actions, _Unwind_Exception_Class kind,                 \
		struct _Unwind_Exception *exception, struct _Unwind_Context *context)              \
	{                                                                                          \
		int e = errno;                                                                     \
                                                                                                   \
		(void)version, (void)kind, (void)exception, (void)context;                         \
		if (actions & _UA_CLEANUP_PHASE)                                                   \
			function();                                                                \
		errno = e;                                                                         \
		return _URC_CONTINUE_UNWIND;                                                       \
	}

#endif
