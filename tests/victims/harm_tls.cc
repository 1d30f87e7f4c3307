// SPDX-License-Identifier: MIT
/* build: -std=c++17 -fno-builtin */
/*
 * Threads that allocate, lock and write while they end: thread_local destructors, pthread_key
 * destructors that set their key again until the last allowed round.
 */
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <unistd.h>
#include <vector>

static pthread_key_t key, chain;
static int key_calls, chain_calls, object_calls, null_fd;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void note(int *counter)
{
	void *p = malloc(300);

	pthread_mutex_lock(&mutex);
	++*counter;
	if (write(null_fd, p, 1) != 1)
		abort();
	pthread_mutex_unlock(&mutex);
	free(p);
}

struct holder {
	std::vector<std::string> texts;
	holder() : texts(10, std::string(100, 'x')) {}
	~holder()
	{
		texts.push_back(std::string(1000, 'y'));
		note(&object_calls);
	}
};

static thread_local holder held;

static void key_gone(void *value)
{
	free(value);
	note(&key_calls);
}

static void chain_gone(void *value)
{
	long round = (long)value;

	note(&chain_calls);
	free(malloc(50));
	pthread_setspecific(chain, (void *)(round + 1));
}

static void *work(void *)
{
	pthread_setspecific(key, malloc(77));
	pthread_setspecific(chain, (void *)1);
	held.texts.push_back("touched");
	return nullptr;
}

int main()
{
	null_fd = open("/dev/null", O_WRONLY);
	pthread_key_create(&key, key_gone);
	pthread_key_create(&chain, chain_gone);
	for (int round = 0; round < 20; round++) {
		pthread_t thread[4];
		for (auto &t : thread)
			pthread_create(&t, nullptr, work, nullptr);
		for (auto &t : thread)
			pthread_join(t, nullptr);
	}
	printf("%d keys, %d objects, %d rounds of the chain (%s)\n", key_calls, object_calls,
	       chain_calls,
	       chain_calls == 80 * PTHREAD_DESTRUCTOR_ITERATIONS ? "all that are allowed"
								 : "wrong");
	work(nullptr);
	return 0;
}
