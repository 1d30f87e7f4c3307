// SPDX-License-Identifier: MIT
// Locks of the C++ library, inlined as they are: one thread has each for a while that another
// waits for.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;

static std::mutex mutex;
static std::timed_mutex timed;
static std::atomic<bool> held;

template <class Lock> static __attribute__((noinline)) void hold_it(Lock &lock)
{
	std::lock_guard<Lock> guard(lock);

	held = true;
	std::this_thread::sleep_for(40ms);
}

static __attribute__((noinline)) void want_it()
{
	std::lock_guard<std::mutex> guard(mutex);
}

static __attribute__((noinline)) void try_it()
{
	std::unique_lock<std::timed_mutex> guard(timed, std::defer_lock);

	guard.try_lock_for(5ms);
}

template <class Lock> static void both(Lock &lock, void (*other)())
{
	held = false;
	std::thread holder([&] { hold_it(lock); });

	// a try that takes it would itself be waited for now and then
	while (!held)
		std::this_thread::yield();
	other();
	holder.join();
}

int main()
{
	both(mutex, want_it);
	both(timed, try_it);
}
