// SPDX-License-Identifier: MIT
/* build: -std=c++20 */
// What C++'s library waits with: the main thread sees another one asleep in each, then lets it go
// on. Most of it are futexes by syscall(), some are libc's functions.
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <functional>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>

#include "asleep.h"
#include "expect.h"

using namespace std::chrono_literals;

static std::atomic<int> waiter_tid;
static int wrong;

// Runs `wait` in a thread, and `release` when it is asleep. Spinning before the sleep (the library
// does) takes no futex.
static void see_wait(const std::function<void()> &wait, const std::function<void()> &release)
{
	waiter_tid = 0;
	std::thread thread([&] {
		waiter_tid = static_cast<int>(syscall(SYS_gettid));
		wait();
	});

	while (!waiter_tid || !asleep(waiter_tid))
		std::this_thread::sleep_for(500us);
	release();
	thread.join();
	expect_add("threads.created", 1);
}

// One wait on a futex of the library's own.
static void see_futex(const std::function<void()> &wait, const std::function<void()> &release)
{
	see_wait(wait, release);
	expect_add("locks.totals.other_waits", 1);
}

static void futexes()
{
	std::counting_semaphore<5> counting(0);
	std::binary_semaphore binary(0);
	std::latch latch(1);
	std::atomic<int> number(1);
	std::atomic<char> small('a');
	std::atomic_flag flag = ATOMIC_FLAG_INIT;

	see_futex([&] { counting.acquire(); }, [&] { counting.release(); });
	see_futex([&] { binary.acquire(); }, [&] { binary.release(); });
	see_futex([&] { latch.wait(); }, [&] { latch.count_down(); });
	see_futex([&] { number.wait(1); }, [&] { number = 2, number.notify_one(); });
	see_futex([&] { small.wait('a'); }, [&] { small = 'b', small.notify_all(); });
	see_futex([&] { flag.wait(false); }, [&] { flag.test_and_set(), flag.notify_all(); });
}

static void conditions()
{
	std::mutex mutex;
	std::condition_variable condition;
	bool go = false;
	auto each = [&](auto &&wait) {
		go = false;
		see_wait(
			[&] {
				std::unique_lock<std::mutex> guard(mutex);
				while (!go) {
					wait(guard);
					expect_add("locks.totals.condition_waits", 1);
				}
			},
			[&] {
				mutex.lock();
				go = true;
				mutex.unlock();
				condition.notify_one();
			});
		expect_add("locks.totals.acquisitions", 2);
		expect_add("locks.totals.signals", 1);
	};

	each([&](auto &guard) { condition.wait(guard); });
	each([&](auto &guard) { condition.wait_for(guard, 1000s); });
	each([&](auto &guard) {
		condition.wait_until(guard, std::chrono::system_clock::now() + 1000s);
	});
	std::unique_lock<std::mutex> guard(mutex);
	wrong += condition.wait_for(guard, 2ms) != std::cv_status::timeout;
	expect_add("locks.totals.acquisitions", 1);
	expect_add("locks.totals.condition_waits", 1);
	expect_add("locks.totals.condition_timeouts", 1);
}

// One thread has it, the other one waits for it.
template <class Lock, class Wait> static void see_lock(Lock &lock, Wait wait, bool reads)
{
	lock.lock();
	see_wait([&] { wait(); }, [&] { lock.unlock(); });
	expect_add("locks.totals.acquisitions", 2);
	expect_add("locks.totals.read_acquisitions", reads);
	expect_add("locks.totals.contended", 1);
}

static void locks()
{
	std::mutex mutex;
	std::recursive_mutex recursive;
	std::timed_mutex timed;
	std::recursive_timed_mutex recursive_timed;
	std::shared_mutex shared;
	std::shared_timed_mutex shared_timed;

	see_lock(
		mutex, [&] { std::lock_guard guard(mutex); }, false);
	see_lock(
		recursive, [&] { std::lock_guard guard(recursive); }, false);
	see_lock(
		timed, [&] { timed.try_lock_for(1000s), timed.unlock(); }, false);
	see_lock(
		recursive_timed,
		[&] {
			recursive_timed.try_lock_until(std::chrono::system_clock::now() + 1000s);
			recursive_timed.unlock();
		},
		false);
	see_lock(
		shared, [&] { std::shared_lock guard(shared); }, true);
	see_lock(
		shared, [&] { std::unique_lock guard(shared); }, false);
	see_lock(
		shared_timed,
		[&] {
			shared_timed.try_lock_shared_for(1000s);
			shared_timed.unlock_shared();
		},
		true);
	see_lock(
		shared_timed, [&] { shared_timed.try_lock_for(1000s), shared_timed.unlock(); },
		false);
}

// What is done once waits for nobody, left by an exception or not, within another or not.
static void once()
{
	std::once_flag thrown, outer, inner;
	int runs = 0;

	for (int i = 0; i < 3; i++) {
		try {
			std::call_once(thrown, [&] { throw 1; });
		} catch (int) {
			runs++;
		}
		std::call_once(outer, [&] {
			std::call_once(inner, [&] { runs++; });
			runs++;
		});
	}
	std::call_once(thrown, [&] { runs++; });
	wrong += runs != 6;
}

int main()
{
	once();
	futexes();
	conditions();
	locks();
	expect_print();
	return wrong;
}
