/* SPDX-License-Identifier: MIT */
/* Work for whoever would wait; see sparetime.h. */
#include "sparetime.h"

#include <stddef.h>

void sparetime_init(struct sparetime *s)
{
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->done, NULL);
	s->piece = NULL;
	s->arg = NULL;
	s->doing = 0;
}

void sparetime_fini(struct sparetime *s)
{
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->done);
}

void sparetime_offer(struct sparetime *s, bool (*piece)(void *arg), void *arg)
{
	pthread_mutex_lock(&s->lock);
	s->piece = piece;
	s->arg = arg;
	pthread_mutex_unlock(&s->lock);
}

void sparetime_withdraw(struct sparetime *s)
{
	pthread_mutex_lock(&s->lock);
	s->piece = NULL;
	while (s->doing)
		pthread_cond_wait(&s->done, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

bool sparetime_use(struct sparetime *s)
{
	bool (*piece)(void *arg);
	bool did;
	void *arg;

	if (!s)
		return false;
	pthread_mutex_lock(&s->lock);
	piece = s->piece;
	arg = s->arg;
	s->doing += piece != NULL;
	pthread_mutex_unlock(&s->lock);
	if (!piece)
		return false;
	did = piece(arg);
	pthread_mutex_lock(&s->lock);
	if (!--s->doing)
		pthread_cond_signal(&s->done);
	pthread_mutex_unlock(&s->lock);
	return did;
}
