/* SPDX-License-Identifier: MIT */
/* A malloc and free of somebody's in assembly, which does not say what they are; to be preloaded.
 * Blocks are never used again. */
#include <stddef.h>
#include <unistd.h>

static char arena[16 << 20] __attribute__((aligned(16)));
static size_t used;

__attribute__((used)) static void *own_malloc(size_t size)
{
	size_t at = __atomic_fetch_add(&used, (size + 31) & ~(size_t)15, __ATOMIC_RELAXED);

	if (size > sizeof(arena) || at + size > sizeof(arena) - 32)
		return NULL;
	*(size_t *)(arena + at) = size;
	return arena + at + 16;
}

__attribute__((used)) static void own_free(void *p)
{
	static const char text[] = "a block of somebody else's\n";

	if (p && ((char *)p < arena || (char *)p >= arena + sizeof(arena)))
		(void)!write(1, text, sizeof(text) - 1);
}

void *calloc(size_t n, size_t size)
{
	return own_malloc(n * size);
}

void *realloc(void *old, size_t size)
{
	char *p = own_malloc(size);
	size_t had = old ? ((size_t *)old)[-2] : 0;

	for (size_t i = 0; p && i < had && i < size; i++)
		p[i] = ((char *)old)[i];
	return p;
}

void *aligned_alloc(size_t align, size_t size)
{
	size_t p = (size_t)own_malloc(size + align);

	return p ? (void *)((p + align - 1) / align * align) : NULL;
}

__asm__(".globl malloc\n"
	"malloc:\n"
	"	jmp own_malloc\n"
	".globl free\n"
	"free:\n"
	"	jmp own_free\n");
