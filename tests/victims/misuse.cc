// SPDX-License-Identifier: MIT
/* build: -std=c++17 -fno-optimize-sibling-calls -fno-ipa-icf */
/*
 * Wrong frees, one after another as the arguments say, between many right ones:
 *	misuse WHAT...
 * WHAT is a pair such as new[]/free, or double, stack, static, inside, odd, realloc; the last six
 * and their allocator's opinion of them end the program. `right` are right pairs of all forms, in
 * the process and in a forked child that frees what it has inherited.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

struct alignas(64) Wide {
	char c[128];
};

struct Counted { // arrays of it have their length in front
	int n;

	~Counted() { n = 0; }
};

struct Virtual {
	virtual ~Virtual() = default;
};
struct Large : Virtual {
	char c[100];
};

struct Plain { // no virtual destructor: a delete of this type frees as many bytes as this has
	int n;
};
struct More : Plain {
	long more[4];
};

/* Pairs that the compiler cannot see through. */
template <class T> NOINLINE T *opaque(T *p)
{
	T *volatile q = p;

	return q;
}

NOINLINE static void *make_block(void)
{
	return malloc(40);
}

NOINLINE static void free_first(void *p)
{
	free(p);
}

NOINLINE static void free_wrongly(void *p)
{
	free(p);
}

NOINLINE static void right_pairs(void)
{
	void *p;

	delete opaque(new int);
	delete[] opaque(new int[10]);
	delete opaque(new Wide);
	delete[] opaque(new Wide[3]);
	delete[] opaque(new Counted[7]);
	delete[] opaque(new Counted[0]);
	delete opaque(static_cast<Virtual *>(new Large));
	delete opaque(new More);
	::operator delete(opaque(::operator new(0)), std::size_t(0));
	::operator delete(opaque(::operator new(8)), std::size_t(8));
	::operator delete[](opaque(::operator new[](8)), std::size_t(8));
	::operator delete(opaque(::operator new(8, std::nothrow)), std::nothrow);
	::operator delete[](opaque(::operator new[](8, std::nothrow)), std::nothrow);
	::operator delete(opaque(::operator new(64, std::align_val_t(64))), std::size_t(64),
			  std::align_val_t(64));
	::operator delete[](opaque(::operator new[](64, std::align_val_t(64))),
			    std::align_val_t(64));
	free(aligned_alloc(64, 64));
	free(calloc(1, 2));
	free(realloc(malloc(5), 500));
	free(reallocarray(malloc(5), 5, 500));
	if (!posix_memalign(&p, 64, 100))
		free(p);
	p = malloc(10);
	if (!realloc(p, (size_t)-1 >> 1))
		free(p); /* one that failed leaves it */
	free(NULL);
	delete static_cast<int *>(NULL);
}

static void right(void)
{
	static void *kept[5000];

	for (void *&p : kept)
		p = malloc(50);
	for (int i = 0; i < 1000; i++)
		right_pairs();
	if (fork() == 0) {
		for (void *p : kept)
			free(p);
		right_pairs();
		_exit(0);
	}
	wait(NULL);
	for (void *p : kept)
		free(p);
}

static void ending(const char *what)
{
	static char variable[64] __attribute__((aligned(16)));
	char local[96] __attribute__((aligned(16))), *inner = local + 32;
	char *p = (char *)make_block();

	/* what stands in front of it is no size of any block */
	memset(local, 0xff, sizeof(local));
	if (!strcmp(what, "double")) {
		free_first(p);
		free_wrongly(p);
	} else if (!strcmp(what, "realloc")) {
		free_first(p);
		p = (char *)realloc(opaque(p), 100);
	} else if (!strcmp(what, "stack")) {
		free_wrongly(opaque(inner));
	} else if (!strcmp(what, "static")) {
		free_wrongly(opaque(variable));
	} else if (!strcmp(what, "inside")) {
		free_wrongly(opaque(p + 16));
	} else if (!strcmp(what, "odd")) {
		free_wrongly(opaque(p + 3));
	}
}

static void pair(const char *what)
{
	if (!strcmp(what, "new[]/free"))
		free(opaque(new int[10]));
	else if (!strcmp(what, "new/free"))
		free(opaque(new int));
	else if (!strcmp(what, "new[]/delete"))
		delete opaque(new int[10]);
	else if (!strcmp(what, "new/delete[]"))
		delete[] opaque(new int);
	else if (!strcmp(what, "malloc/delete"))
		::operator delete(opaque(malloc(10)));
	else if (!strcmp(what, "malloc/delete[]"))
		::operator delete[](opaque(malloc(10)));
	else if (!strcmp(what, "new[]/realloc"))
		free(realloc(opaque(new char[10]), 20));
	else if (!strcmp(what, "derived/base"))
		delete opaque(static_cast<Plain *>(new More));
	else if (!strcmp(what, "30/20"))
		::operator delete[](opaque(::operator new[](30)), std::size_t(20));
	else
		ending(what);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "right"))
			right();
		else
			pair(argv[i]);
	return 0;
}
