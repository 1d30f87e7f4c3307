#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Locks that are variables, or parts of one, have the variable's name; others do not, nor has one of
# a place that two libraries had one after the other.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq gcc g++ strip

cat >one.cc <<'E'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

namespace store {
static struct { long count; pthread_mutex_t lock; } queue = { 0, PTHREAD_MUTEX_INITIALIZER };
template <class T> struct pool { static pthread_rwlock_t guard; };
template <class T> pthread_rwlock_t pool<T>::guard = PTHREAD_RWLOCK_INITIALIZER;
}
static pthread_mutex_t table[4];
static thread_local pthread_mutex_t own;

static void use(const char *name, pthread_mutex_t *m)
{
	printf("%p %s\n", (void *)m, name);
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

int main(int, char **argv)
{
	pthread_mutex_t local = PTHREAD_MUTEX_INITIALIZER, *heap = (pthread_mutex_t *)calloc(1, sizeof(*heap));
	pthread_rwlock_t *guard = &store::pool<long>::guard;

	use("store::queue+0x8", &store::queue.lock);
	printf("%p store::pool::guard\n", (void *)guard);
	pthread_rwlock_rdlock(guard);
	pthread_rwlock_unlock(guard);
	for (auto &m : table)
		pthread_mutex_init(&m, NULL);
	use("table", &table[0]);
	use("table+0x78", &table[3]);
	use("null", &local);
	use("null", heap);
	use("null", &own);
	for (int i = 1; argv[i]; i++) {
		void *h = dlopen(argv[i], RTLD_NOW);
		if (!h)
			return puts(dlerror()), 1;
		pthread_mutex_t *m = (pthread_mutex_t *)dlsym(h, "exported");
		pthread_mutex_t *hidden = (*(pthread_mutex_t * (*)(void)) dlsym(h, "hidden_one"))();
		auto take = (void (*)(pthread_mutex_t *))dlsym(h, "take");
		printf("%p exported\n%p null\n", (void *)m, (void *)hidden);
		take(m);
		take(hidden);
	}
}
E
cat >library.c <<'E'
#define _GNU_SOURCE
#include <pthread.h>
/* in .data, in this order */
pthread_mutex_t exported = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t hidden = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
pthread_mutex_t *hidden_one(void) { return &hidden; }
void take(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}
E
g++ -g -O1 -o one one.cc -ldl -pthread && gcc -shared -fPIC -o library.so library.c && strip library.so
options=LARIAT_RECORD=locks record one ./one "$PWD/library.so"
same 'exit status' 0 "$(status_of one)"
"$lariat" locks --format json --limit 0 "$(trace_of one)" >report.json
jq -r '.locks.locks[] | .lock + " " + (.symbol // "null")' report.json | sort >found
same 'names' "$(sort "$work/one.out")" "$(grep -F "$(cut -d ' ' -f 1 "$work/one.out")" found)"
same 'names of sites' "$(printf '%s\n' exported null store::pool::guard)" "$(jq -r '.locks.sites[] |
	select(.function == "take" or .kind == "rwlock") | .symbol // "null"' report.json | sort)"
text=$("$lariat" locks --limit 0 "$(trace_of one)")
same 'in the list of sites' 1 "$(grep -c '^ *rwlock store::pool::guard for reading$' <<<"$text")"
same 'in the list of locks' 1 "$(grep -c ' mutex table+0x78 at 0x[0-9a-f]*$' <<<"$text")"
same 'without a name' 2 "$(grep -c " mutex $(awk '$2 == "null" { print $1; exit }' "$work/one.out")\$" <<<"$text")"

# One library, and another where it was.
cat >two.c <<'E'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	void *last = 0;
	for (int i = 1; i < argc; i++) {
		void *h = dlopen(argv[i], RTLD_NOW);
		pthread_mutex_t *m = ((pthread_mutex_t * (*)(void)) dlsym(h, "hidden_one"))() - 1;
		((void (*)(pthread_mutex_t *))dlsym(h, "take"))(m);
		if (last)
			puts(m == last ? "same place" : "another place");
		last = m;
		dlclose(h);
	}
}
E
gcc -o two two.c -ldl -pthread && sed 's/exported/imported/; s/^void take.*/void before(void) { hidden_one(); }\n&/' library.c >other.c &&
	gcc -shared -fPIC -o other.so other.c && strip other.so
options=LARIAT_RECORD=locks record two ./two "$PWD/library.so" "$PWD/other.so"
if [ "$(cat "$work/two.out")" = "same place" ]; then
	same 'two at one place have no name' null "$("$lariat" locks --format json "$(trace_of two)" |
		jq -r '.locks.locks[].symbol // "null"' | sort -u)"
fi
options=LARIAT_RECORD=locks record again ./two "$PWD/library.so" "$PWD/library.so"
same 'the same library again' exported+0x18 \
	"$("$lariat" locks --format json "$(trace_of again)" | jq -r '.locks.locks[].symbol // "null"' | sort -u)"
finish
