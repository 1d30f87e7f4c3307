/* SPDX-License-Identifier: MIT */
/*
 * How a victim states the truth: it adds up what it did under named keys and prints them as one
 * line of JSON. Neither uses the heap, a lock or a wrapped function, so that the statement itself
 * is in no count. One thread at a time (expect_add takes a spin lock of its own).
 *
 * Keys: "call.NAME.calls", ".bytes" (successful ones' sum), ".errors" (failed ones) are compared
 * with the events of the trace; every other key is the path of a field in the report's JSON.
 */
#ifndef LARIAT_TESTS_EXPECT_H
#define LARIAT_TESTS_EXPECT_H

#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#define EXPECT_KEYS 160

static struct {
	char key[72];
	long long value;
} expect_table[EXPECT_KEYS];
static int expect_count;
static char expect_busy;

static inline long expect_raw_write(int fd, const void *data, unsigned long size)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_write), "D"((long)fd), "S"(data), "d"(size)
			 : "rcx", "r11", "memory");
	return result;
}

/* Adds to the value under a key. */
static inline void expect_add(const char *key, long long value)
{
	int i = 0;

	while (__atomic_test_and_set(&expect_busy, __ATOMIC_ACQUIRE))
		;
	while (i < expect_count && strcmp(expect_table[i].key, key))
		i++;
	if (i == expect_count && i < EXPECT_KEYS) {
		for (size_t k = 0; key[k] && k < sizeof(expect_table[i].key) - 1; k++)
			expect_table[i].key[k] = key[k];
		expect_count++;
	}
	if (i < EXPECT_KEYS)
		expect_table[i].value += value;
	__atomic_clear(&expect_busy, __ATOMIC_RELEASE);
}

/* Adds to "call.NAME.FIELD". */
static inline void expect_call(const char *name, const char *field, long long value)
{
	char key[72];
	char *p = key;
	const char *part[4];

	part[0] = "call.";
	part[1] = name;
	part[2] = ".";
	part[3] = field;
	for (int i = 0; i < 4; i++)
		for (const char *s = part[i]; *s && p < key + sizeof(key) - 1; s++)
			*p++ = *s;
	*p = 0;
	expect_add(key, value);
}

/* One finished call of `name` that returned `result` (-1 = failed). */
static inline long long expect_io(const char *name, long long result)
{
	expect_call(name, "calls", 1);
	expect_call(name, "errors", result < 0);
	expect_call(name, "bytes", result < 0 ? 0 : result);
	return result;
}

static inline char *expect_text(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

static inline char *expect_number(char *p, long long value)
{
	char digits[24];
	int n = 0;
	unsigned long long rest =
		value < 0 ? 0ull - (unsigned long long)value : (unsigned long long)value;

	if (value < 0)
		*p++ = '-';
	do
		digits[n++] = (char)('0' + rest % 10);
	while (rest /= 10);
	while (n)
		*p++ = digits[--n];
	return p;
}

/* Prints all keys to standard output; the last thing a victim does. */
static inline void expect_print(void)
{
	static char line[EXPECT_KEYS * 104 + 8];
	char *p = line;

	*p++ = '{';
	for (int i = 0; i < expect_count; i++) {
		p = expect_text(p, i ? ", \"" : "\"");
		p = expect_text(p, expect_table[i].key);
		p = expect_text(p, "\": ");
		p = expect_number(p, expect_table[i].value);
	}
	p = expect_text(p, "}\n");
	expect_raw_write(1, line, (unsigned long)(p - line));
}

#endif
