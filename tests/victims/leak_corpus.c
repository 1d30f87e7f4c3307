/* SPDX-License-Identifier: MIT */
/*
 * Small programs with leaks and none, by name: leak_corpus CASE. Each block has a size of its own,
 * so that a report's sums tell which blocks are in a class.
 */
/* build: -O0 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static void *data_root = (void *)1, *bss_root;
static volatile int ready;

/* Overwrites what earlier calls have left on the stack. */
static __attribute__((noinline)) void scrub(void)
{
	volatile char room[16384];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
	__asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory");
}

static void *filled(size_t size)
{
	void *p = malloc(size);

	memset(p, 0, size);
	return p;
}

static __attribute__((noinline)) void lose(size_t size)
{
	filled(size);
	scrub();
}

/* ---- roots ---- */

static void globals(void)
{
	data_root = filled(1001);
	bss_root = filled(1002);
	lose(33);
}

static void globals_cleared(void)
{
	data_root = filled(1001);
	bss_root = filled(1002);
	data_root = bss_root = NULL;
	scrub();
}

static void on_stack(void)
{
	void *volatile held = filled(1001);

	lose(34);
	exit(held ? 0 : 1);
}

static void *hold_in_register(void *unused)
{
	register uint64_t p __asm__("r14") = ~(uint64_t)filled(1001);

	(void)unused;
	scrub();
	__asm__ volatile("not %0" : "+r"(p));
	ready = 1;
	for (;;)
		__asm__ volatile("pause" : "+r"(p));
	return NULL;
}

static void in_register(void)
{
	pthread_t t;

	pthread_create(&t, NULL, hold_in_register, NULL);
	while (!ready)
		sched_yield();
	lose(35);
}

static void *hold_on_stack(void *blocked)
{
	void *volatile held = filled(1001);
	int fds[2];
	char c;

	ready = held != NULL;
	if (blocked && !pipe(fds))
		while (read(fds[0], &c, 1) < 0)
			;
	for (;;)
		;
	return NULL;
}

static void on_other_stacks(void)
{
	pthread_t t;

	pthread_create(&t, NULL, hold_on_stack, NULL);
	while (!ready)
		sched_yield();
	ready = 0;
	pthread_create(&t, NULL, hold_on_stack, (void *)&ready);
	while (!ready)
		sched_yield();
	usleep(1000);
	lose(36);
}

static __thread void *tls_root;

static void *hold_in_tls(void *unused)
{
	(void)unused;
	tls_root = filled(1002);
	scrub();
	ready = 1;
	for (;;)
		pause();
	return NULL;
}

static void tls_static(void)
{
	pthread_t t;

	tls_root = filled(1001);
	pthread_create(&t, NULL, hold_in_tls, NULL);
	while (!ready)
		sched_yield();
	lose(37);
}

/* A library's variable that was loaded late: its block is made at first use. */
static void tls_dynamic(void)
{
	char path[4096];
	void *lib, **(*root)(void);
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	path[n > 0 ? n : 0] = 0;
	strcpy(strrchr(path, '/'), "/libleak_tls.so");
	lib = dlopen(path, RTLD_NOW);
	if (!lib)
		exit(3);
	*(void **)&root = dlsym(lib, "leak_tls_root");
	*root() = filled(1001);
	lose(38);
}

static void specific_keys(int count)
{
	pthread_key_t key = 0;

	for (int i = 0; i < count; i++)
		if (pthread_key_create(&key, NULL))
			exit(3);
	pthread_setspecific(key, filled(1001));
	lose(39);
}

static void specific_static(void)
{
	specific_keys(1);
}

static void specific_dynamic(void)
{
	specific_keys(100);
}

static void *use_keys(void *first)
{
	for (unsigned i = 0; i < 200; i++)
		pthread_setspecific(*(pthread_key_t *)first + i, filled(100 + i));
	scrub();
	ready = 1;
	for (;;)
		pause();
	return NULL;
}

static void many_keys(void)
{
	pthread_key_t key, first = 0;
	pthread_t t;

	for (unsigned i = 0; i < 200; i++) {
		pthread_key_create(&key, NULL);
		if (!i)
			first = key;
	}
	bss_root = filled(sizeof(first));
	memcpy(bss_root, &first, sizeof(first));
	pthread_create(&t, NULL, use_keys, bss_root);
	while (!ready)
		sched_yield();
	lose(40);
}

/* ---- shapes ---- */

static void pointer_to_self(void)
{
	void **p = filled(1003);

	p[0] = p;
	p[5] = &p[7];
	p = NULL;
	scrub();
}

/* A colour in the low bit of the pointers, as in many red-black trees. */
static void coloured(void)
{
	uintptr_t *b = filled(102), *c = filled(103), *a = filled(101);

	a[0] = (uintptr_t)b | 1;
	a[1] = (uintptr_t)c | 1;
	a = b = c = NULL;
	scrub();
}

static void chain(void)
{
	void **a = filled(101), **b = filled(102), **c = filled(103);

	a[0] = b;
	b[1] = c;
	a = b = c = NULL;
	scrub();
}

static void interior(void)
{
	char *a = filled(1001), *b = filled(50000), *end = filled(64);

	data_root = a + 1000;
	bss_root = filled(1002);
	memcpy(bss_root, &(void *){ b + 40000 }, sizeof(void *));
	/* behind a block is not in it */
	data_root = a + 500;
	((void **)bss_root)[3] = end + 64;
	a = b = end = NULL;
	scrub();
}

static void unaligned(void)
{
	char *holder = filled(64);
	void *lost = filled(77);

	memcpy(holder + 3, &lost, sizeof(lost));
	data_root = holder;
	lost = NULL;
	scrub();
}

static void freed_memory(void)
{
	void **gone[50];

	for (int i = 0; i < 50; i++) {
		gone[i] = filled(200);
		gone[i][10] = filled((size_t)1000 + (size_t)i);
	}
	for (int i = 0; i < 50; i++)
		free(gone[i]);
	memset(gone, 0, sizeof(gone));
	scrub();
}

static void large(void)
{
	void **held = filled(1 << 20);

	bss_root = held;
	held[100000] = filled(3 << 20);
	((void **)held[100000])[5000] = filled(1001);
	held = NULL;
	lose(2 << 20);
}

static void reallocated(void)
{
	char *p = filled(100), *q = filled(100);

	bss_root = filled(40);
	for (size_t n = 100; n < 100000; n *= 2) {
		p = realloc(p, n + 1);
		memset(p, 0, n + 1);
	}
	*(void **)bss_root = p;
	q = realloc(q, 5000);
	memset(q, 0, 5000);
	p = q = NULL;
	scrub();
}

static void aligned(void)
{
	void *p = NULL, *q = NULL;

	if (posix_memalign(&p, 4096, 1001) || posix_memalign(&q, 64, 1002))
		exit(3);
	data_root = p;
	bss_root = aligned_alloc(256, 2560);
	p = q = NULL;
	scrub();
}

/* ---- threads ---- */

static void *lose_in_thread(void *size)
{
	void *volatile p = filled((size_t)size);

	return p ? NULL : (void *)p;
}

static void thread_exit(void)
{
	pthread_t t;

	for (size_t i = 0; i < 10; i++) {
		pthread_create(&t, NULL, lose_in_thread, (void *)(1000 + i));
		pthread_join(t, NULL);
	}
	scrub();
}

static void *keep_in_thread(void *size)
{
	return filled((size_t)size);
}

static void unjoined(void)
{
	pthread_t t;

	pthread_create(&t, NULL, keep_in_thread, (void *)1001);
	usleep(20000);
	lose(41);
}

static void *spin_malloc(void *seed)
{
	void *slot[64] = { 0 };
	unsigned n = (unsigned)(uintptr_t)seed;

	for (int i = 0; i < 20000; i++) {
		n = n * 1103515245u + 12345u;
		free(slot[n >> 8 & 63]);
		slot[n >> 8 & 63] = malloc(n >> 16 & 511);
	}
	for (int i = 0; i < 64; i++)
		free(slot[i]);
	lose(1000 + (uintptr_t)seed);
	return NULL;
}

static void contention(void)
{
	pthread_t t[8];

	for (uintptr_t i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, spin_malloc, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	scrub();
}

static void *spin_forever(void *own)
{
	void **slot = own;

	for (;;) {
		for (int i = 0; i < 16; i++) {
			void *fresh = malloc(48), *old = slot[i];

			slot[i] = fresh;
			free(old);
		}
		ready = 1;
	}
	return NULL;
}

/* At the end threads are at work, and each block is held by one of them; only sums at rest count.
 */
static void busy_at_exit(void)
{
	pthread_t t;

	for (int i = 0; i < 4; i++) {
		void **slot = calloc(16, sizeof(*slot));

		ready = 0;
		pthread_create(&t, NULL, spin_forever, slot);
		while (!ready)
			sched_yield();
	}
	lose(42);
}

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static void **queue;

/* Blocks of one thread are freed by another, so fast that buffers fill during a scan. */
static void *pass_on(void *seed)
{
	unsigned x = (unsigned)(uintptr_t)seed;
	void *slot[64] = { NULL };

	for (;;) {
		void **fresh = malloc(64), **old;
		unsigned i = (x = x * 1103515245 + 12345) >> 16 & 63;

		free(slot[i]);
		slot[i] = malloc((x >> 8) % 500 + 1);
		pthread_mutex_lock(&queue_lock);
		*fresh = queue;
		queue = fresh;
		old = *fresh;
		if (old)
			*fresh = *old;
		pthread_mutex_unlock(&queue_lock);
		free(old);
	}
	return NULL;
}

static void churning(void)
{
	pthread_t t;

	for (uintptr_t i = 1; i <= 4; i++)
		pthread_create(&t, NULL, pass_on, (void *)i);
	usleep(30000);
	lose(52);
}

/* As many as the allocator keeps for a thread without giving them to others. */
#define HANDED 7
static void **handed[HANDED];

static void *give_back(void *unused)
{
	(void)unused;
	for (int i = 0; i < HANDED; i++) {
		free(handed[i]);
		handed[i] = malloc(120); /* the same address again */
	}
	handed[0][8] = filled(61);
	scrub();
	return NULL;
}

/*
 * Blocks that go to another thread, which frees them, and come back as others at the same
 * addresses. This thread does a lot after it has freed them; of the other one nothing is heard
 * since: its last word about the addresses is that it has allocated them. A block that is pointed
 * to from there is held by nothing.
 */
static void to_and_fro(void)
{
	static void *many[40000];
	pthread_t t;

	for (int i = 0; i < HANDED; i++)
		handed[i] = malloc(120);
	pthread_create(&t, NULL, give_back, NULL);
	pthread_join(t, NULL);
	for (int i = 0; i < HANDED; i++) {
		free(handed[i]);
		handed[i] = NULL;
	}
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 40000; i++)
			many[i] = malloc(200 + (size_t)(i % 5) * 150 + (size_t)round * 32);
		for (int i = 0; i < 40000; i++) {
			free(many[i]);
			many[i] = NULL;
		}
	}
	lose(54);
}

static void *with_argument(void *p)
{
	void *volatile held = p;

	ready = 1;
	while (held)
		pause();
	return NULL;
}

static void thread_argument(void)
{
	pthread_t t;

	pthread_create(&t, NULL, with_argument, filled(1001));
	while (!ready)
		sched_yield();
	lose(43);
}

static ucontext_t main_context, other_context;

static void on_swapped_stack(void)
{
	void *volatile held = filled(1001);

	exit(held ? 0 : 1);
}

static void swapped(void)
{
	char *stack = malloc(65536);

	getcontext(&other_context);
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = 65536;
	other_context.uc_link = &main_context;
	stack = NULL;
	makecontext(&other_context, on_swapped_stack, 0);
	swapcontext(&main_context, &other_context);
}

static void forked(void)
{
	void *volatile mine = filled(1001);
	pid_t child = fork();

	if (!child) {
		lose(44);
		exit(0);
	}
	waitpid(child, NULL, 0);
	lose(45);
	exit(mine ? 0 : 1);
}

/* The program's own waiting does not see what we start; and it finds that it has no child. */
static void waiting(void)
{
	lose(46);
	if (wait(NULL) != -1 || errno != ECHILD)
		exit(4);
}

static void closed_to_itself(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void **p = aligned_alloc(4096, 4096);

	memset(p, 0, 4096);
	bss_root = p;
	p[0] = filled(1001);
	if (page == MAP_FAILED || mprotect(p, 4096, PROT_NONE) || mprotect(page, 4096, PROT_NONE))
		exit(3);
	lose(47);
	_exit(0);
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* Such a page among roots: the page map tells of it, from Linux 6.15 on. */
static void guarded_root(void)
{
	char *map = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (map == MAP_FAILED)
		exit(3);
	*(void **)map = filled(1001);
	*(void **)(map + 8192) = filled(1002);
	if (madvise(map + 4096, 4096, MADV_GUARD_INSTALL) ||
	    pread(fd, &entry, 8, (off_t)((uintptr_t)map / 4096 + 1) * 8) != 8)
		entry = 0;
	close(fd);
	lose(50);
	printf("%s", entry >> 58 & 1 ? "guarded" : "no such thing");
}

/* A page of a block that no list of mappings says cannot be read, and too small a block to ask for
 * its pages; what waits in the stream's buffer is written when all else is over. */
static void guarded(void)
{
	char *p = filled(20000), *page = (char *)(((uintptr_t)p + 8191) & ~4095ul);

	bss_root = p;
	printf("%s", madvise(page, 4096, MADV_GUARD_INSTALL) ? "no such thing" : "guarded");
	exit(7);
}

/* A signal that the scan has a handler of its own for meanwhile, and that is not to come. */
static void pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGBUS);
	lose(49);
}

/* ---- running on ---- */

static void *wait_on_pipe(void *unused)
{
	int fds[2];
	char c;

	(void)unused;
	if (pipe(fds))
		exit(3);
	while (read(fds[0], &c, 1) < 0)
		;
	return NULL;
}

/* Nothing goes on. */
static void idle(void)
{
	pthread_t t;

	bss_root = filled(1001);
	pthread_create(&t, NULL, wait_on_pipe, NULL);
	lose(49);
	puts("up");
	fflush(stdout);
	for (;;)
		pause();
}

/* Something goes on now and then, much too little to fill a buffer. */
static void slow(void)
{
	pthread_t t;

	bss_root = filled(1001);
	pthread_create(&t, NULL, wait_on_pipe, NULL);
	lose(51);
	puts("up");
	fflush(stdout);
	for (;;)
		poll(NULL, 0, 50);
}

/* Something always goes on. */
static void active(void)
{
	bss_root = filled(1001);
	lose(50);
	puts("up");
	fflush(stdout);
	for (;;)
		free(filled(60));
}

/* ---- where LeakSanitizer sees it another way, by design ---- */

static void cycle(void)
{
	void **a = filled(101), **b = filled(102), **c = filled(103);

	a[0] = b;
	b[0] = c;
	c[0] = a;
	a = b = c = NULL;
	scrub();
}

static void mapped(void)
{
	void **page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	page[7] = filled(1001);
	shared[9] = filled(1002);
	page = shared = NULL;
	lose(48);
}

/* Between what the allocator takes there; a part of it is given back. */
static void by_break(void)
{
	void **first, **second, **third;

	free(filled(100000));
	first = sbrk(8192);
	first[100] = filled(1001);
	bss_root = malloc(300000);
	second = sbrk(4096);
	second[7] = filled(1002);
	if (sbrk(8192) != second + 512 || sbrk(-8192) == (void *)-1)
		abort();
	/* a mapping in parts */
	third = sbrk(65536);
	third[7] = filled(1003);
	mprotect((void *)(((uintptr_t)third + 16384) & ~4095ul), 4096, PROT_NONE);
	first = second = third = NULL;
	lose(52);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}
	CASE(globals),	   CASE(globals_cleared), CASE(on_stack),
	CASE(in_register), CASE(on_other_stacks), CASE(tls_static),
	CASE(tls_dynamic), CASE(specific_static), CASE(specific_dynamic),
	CASE(many_keys),   CASE(pointer_to_self), CASE(chain),
	CASE(churning),	   CASE(coloured),	  CASE(interior),
	CASE(unaligned),   CASE(freed_memory),	  CASE(large),
	CASE(reallocated), CASE(aligned),	  CASE(thread_exit),
	CASE(unjoined),	   CASE(contention),	  CASE(busy_at_exit),
	CASE(to_and_fro),  CASE(thread_argument), CASE(swapped),
	CASE(forked),	   CASE(waiting),	  CASE(closed_to_itself),
	CASE(guarded),	   CASE(guarded_root),	  CASE(pending),
	CASE(idle),	   CASE(active),	  CASE(slow),
	CASE(cycle),	   CASE(mapped),	  CASE(by_break),
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (argc < 2) {
			puts(cases[i].name);
		} else if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
