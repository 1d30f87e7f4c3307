/* SPDX-License-Identifier: MIT */
/*
 * The functions behind the wrappers: what each name means to the rest of the program, as if the
 * recorder were not there. Found by reading the loaded objects' symbol tables, because dlsym()
 * allocates, takes the loader's lock and changes what dlerror() says.
 */
#ifndef LARIAT_REAL_H
#define LARIAT_REAL_H

#include <dlfcn.h>

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <threads.h>
#include <ucontext.h>
#include <unistd.h>

#include "attr.h"
#include "real_io.h"

struct nothrow;

/* Declared by no header: fortified forms, what C++ calls, what old programs call. */
void cfree(void *p);
__sighandler_t bsd_signal(int number, __sighandler_t handler);
int __sigaction(int number, const struct sigaction *action, struct sigaction *old);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t size);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from,
		       socklen_t *len);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
void *_Znwm(size_t n);
void *_Znam(size_t n);
void *_ZnwmRKSt9nothrow_t(size_t n, const struct nothrow *tag);
void *_ZnamRKSt9nothrow_t(size_t n, const struct nothrow *tag);
void *_ZnwmSt11align_val_t(size_t n, size_t align);
void *_ZnamSt11align_val_t(size_t n, size_t align);
void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const struct nothrow *tag);
void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const struct nothrow *tag);
void _ZdlPv(void *p);
void _ZdaPv(void *p);
void _ZdlPvm(void *p, size_t n);
void _ZdaPvm(void *p, size_t n);
void _ZdlPvRKSt9nothrow_t(void *p, const struct nothrow *tag);
void _ZdaPvRKSt9nothrow_t(void *p, const struct nothrow *tag);
void _ZdlPvSt11align_val_t(void *p, size_t align);
void _ZdaPvSt11align_val_t(void *p, size_t align);
void _ZdlPvmSt11align_val_t(void *p, size_t n, size_t align);
void _ZdaPvmSt11align_val_t(void *p, size_t n, size_t align);
void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, const struct nothrow *tag);
void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, const struct nothrow *tag);

/* readdir_r, that programs still call */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* One pointer per row of calls.def; NULL where nothing loaded defines it. */
struct real {
#define CALL(symbol, number, family, operation) __typeof__(symbol) *symbol;
#include "format/calls.def"
#undef CALL
};
#pragma GCC diagnostic pop
extern LAR_LOCAL struct real real;

/* Fills what a program needs from the start: the heap's rows, but for a malloc that may never be
 * called (real_malloc_instead()). Any context; calls made at the same time do the same. */
void real_resolve(void);

/* Fills a pointer, and others near it that are still NULL, in the same way. */
void real_resolve_near(const void *pointer);

/*
 * The real function of a name, of which nothing is kept: for calls before the loader has made what
 * the recorder keeps things in. NULL = nothing loaded defines it.
 */
void *real_find_early(const char *symbol);

/*
 * Looks again for one symbol that was not there at the start: a library opened later may bring it.
 * Returns its address or NULL.
 */
void *real_find_late(const char *symbol);

/*
 * The objects that were loaded when the first name was looked up, which stay: from the program
 * itself to `last`, NULL before that. Another thread may unload those behind `last` at any time.
 */
struct link_map;
struct real_objects {
	const struct link_map *first, *last;
};
struct real_objects real_loaded(void);

/* Whether the program, or what was loaded before the recorder, has a malloc: what is called by name
 * is that one's. Once a row of the heap has been asked for. */
bool real_malloc_in_front(void);

/* The program, or what was loaded before the recorder, if it has a malloc, and that has never
 * called the recorder's, nor has anything else; or NULL. */
const struct link_map *real_malloc_instead(void);

/* Does the recorder export a wrapper of that name? Quick, and seldom true where it does not. Any
 * context. */
bool real_is_wrapped(const char *symbol);

/* The wrapper that stands for a function of that name, which another object than the recorder has:
 * NULL if there is none, or if it calls another one. Any context. */
void *real_wrapper(const char *symbol, const void *function);

/* Does the program, or what is loaded before the recorder, have an operator new or delete of its
 * own? Then a new of theirs may go with a delete of the library's. */
bool real_operators_replaced(void);

/* What libstdc++'s operator new does when there is no memory: it calls the handler and tries
 * again, and throws where there is none. */
struct real_no_memory {
	void (*(*get_new_handler)(void))(void);
	__attribute__((noreturn)) void (*throw_bad_alloc)(void);
};
extern LAR_LOCAL struct real_no_memory real_no_memory;

/*
 * Do the plain operators new and delete, with and without [] and a size, mean libstdc++'s, and
 * malloc and free in there the recorder's, which call what `real` has? Then a new that finds memory
 * is a malloc, and a delete a free; else real_no_memory, filled then, says what follows.
 */
bool real_operators_plain(void);

/*
 * Conditions have a first version, of another form, for programs linked long ago. Never NULL: where
 * libc has none, the present one.
 */
struct real_old {
	__typeof__(pthread_cond_wait) *pthread_cond_wait;
	__typeof__(pthread_cond_timedwait) *pthread_cond_timedwait;
	__typeof__(pthread_cond_signal) *pthread_cond_signal;
	__typeof__(pthread_cond_broadcast) *pthread_cond_broadcast;
	__typeof__(pthread_cond_destroy) *pthread_cond_destroy;
};
const struct real_old *real_first_version(void);
#define REAL_OLD(symbol) (real_first_version()->symbol)

/* The real function, resolved even when this is the first call of the process. */
#define REAL(symbol)                                                                               \
	(likely(real.symbol != NULL) ? real.symbol : (real_resolve_near(&real.symbol), real.symbol))

#endif
