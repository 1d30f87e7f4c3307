/* SPDX-License-Identifier: MIT */
/*
 * More locks than a thread has cells for, in two threads one after the other: eight that are taken
 * again and again, and between those four hundred that take turns. With an argument, allocations
 * besides, so that a small ring comes round.
 */
#include <pthread.h>
#include <stdlib.h>

#define HOT   8
#define COLD  400
#define TIMES 40000

static pthread_mutex_t hot[HOT], cold[COLD];
static void *volatile kept;

static void hold(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

static void *work(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		hold(&hot[i % HOT]);
		if (i % 4 == 0)
			hold(&cold[i / 4 % COLD]);
		for (int k = 0; arg && k < 8; k++) {
			kept = malloc((size_t)(16 + i % 300));
			free(kept);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	void *much = argc > 1 ? argv : NULL;
	pthread_t id;

	for (int i = 0; i < HOT; i++)
		pthread_mutex_init(&hot[i], NULL);
	for (int i = 0; i < COLD; i++)
		pthread_mutex_init(&cold[i], NULL);
	work(much);
	if (pthread_create(&id, NULL, work, much))
		return 1;
	pthread_join(id, NULL);
	return 0;
}
