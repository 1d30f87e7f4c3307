// SPDX-License-Identifier: MIT
/* build: -std=c++17 -fno-builtin */
/*
 * Stacks that are unwound through wrapped calls of C++: threads cancelled in waits, and left from a
 * signal handler in them, with destructors, handlers that pass the cancellation on, pthread_once()
 * whose function throws or is cancelled. Prints what ran, in which order.
 */
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <cxxabi.h>
#include <mutex>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdexcept>
#include <sys/syscall.h>
#include <thread>
#include <time.h>
#include <unistd.h>

#include "asleep.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static std::mutex cxx_mutex;
static std::condition_variable cxx_cond;
static pthread_once_t once;
static pthread_t sleeper;
static sem_t sem;
static volatile int tid;
static char order[200];
static int value, ends[2];

struct Note {
	const char *name;
	explicit Note(const char *n) : name(n) {}
	~Note() { strcat(order, name); }
};

static void waits_once()
{
	Note inner("<once");
	sem_wait(&sem);
}

static void blocks(int way)
{
	timespec late = {};

	switch (way) {
	case 0:
		pthread_mutex_lock(&mutex);
		pthread_cond_wait(&cond, &mutex);
		break;
	case 1: {
		std::unique_lock<std::mutex> lock(cxx_mutex);
		Note inner("<held");
		cxx_cond.wait(lock);
		break;
	}
	case 2:
		sem_wait(&sem);
		break;
	case 3:
		clock_gettime(CLOCK_REALTIME, &late);
		late.tv_sec += 1000;
		sem_timedwait(&sem, &late);
		break;
	case 4:
		pthread_join(sleeper, nullptr);
		break;
	case 5: {
		char c;
		Note inner("<reads");
		if (read(ends[0], &c, 1) == 1)
			break;
		break;
	}
	case 6:
		for (;;)
			pause();
	default:
		once = PTHREAD_ONCE_INIT;
		pthread_once(&once, waits_once);
	}
}

static void *work(void *arg)
{
	Note outer("<outer");

	tid = static_cast<int>(syscall(SYS_gettid));
	try {
		Note inner("<inner");
		blocks(static_cast<int>(reinterpret_cast<long>(arg)));
	} catch (const abi::__forced_unwind &) {
		strcat(order, "<caught");
		throw;
	}
	return nullptr;
}

static void leave(int)
{
	pthread_exit(&value);
}

static void throws()
{
	throw std::runtime_error("<thrown");
}

static void *sleeps(void *)
{
	for (;;)
		pause();
}

int main()
{
	signal(SIGUSR1, leave);
	sem_init(&sem, 0, 0);
	if (pipe(ends))
		return 1;
	pthread_create(&sleeper, nullptr, sleeps, nullptr);
	for (long i = 0; i < 32; i++) {
		pthread_t thread;
		void *result;

		tid = 0;
		order[0] = 0;
		pthread_create(&thread, nullptr, work, reinterpret_cast<void *>(i % 8));
		while (!tid || !asleep(tid))
			usleep(200);
		if (i % 16 < 8)
			pthread_cancel(thread);
		else
			pthread_kill(thread, SIGUSR1);
		pthread_join(thread, &result);
		printf("%ld: %s%s, once %d, mutexes %d %d\n", i, order,
		       result == PTHREAD_CANCELED ? ", cancelled"
		       : result == &value	  ? ", left"
						  : "",
		       once, pthread_mutex_trylock(&mutex), cxx_mutex.try_lock());
		pthread_mutex_unlock(&mutex);
		cxx_mutex.unlock();
	}
	for (int i = 0; i < 3; i++) {
		try {
			once = PTHREAD_ONCE_INIT;
			pthread_once(&once, throws);
		} catch (const std::runtime_error &e) {
			printf("%s, once %d\n", e.what(), once);
		}
	}
	return 0;
}
