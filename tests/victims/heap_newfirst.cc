// SPDX-License-Identifier: MIT
/* build: -O1 -fno-builtin -pthread */
/*
 * Threads whose first act, and the process's first, is operator new: each is one allocation of that
 * operator, also where nothing but the heap is recorded.
 */
#include <new>
#include <pthread.h>

extern "C" {
#include "expect.h"
}

static void *work(void *)
{
	for (int i = 0; i < 100; i++)
		operator delete(operator new(24));
	return nullptr;
}

int main()
{
	pthread_t thread[8];

	for (pthread_t &t : thread)
		pthread_create(&t, nullptr, work, nullptr);
	for (pthread_t &t : thread)
		pthread_join(t, nullptr);
	expect_add("call._Znwm.calls", 800);
	expect_add("call._Znwm.bytes", 800 * 24);
	expect_add("call._ZdlPvm.calls", 0);
	expect_add("call._ZdlPv.calls", 800);
	expect_print();
	return 0;
}
