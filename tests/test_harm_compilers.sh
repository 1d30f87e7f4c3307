#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What needs a build of its own: a library found by DT_RUNPATH of the program that loads it, a
# program with AddressSanitizer.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need gcc

mkdir -p below
cat >found.c <<'END'
#include <stdlib.h>
int found_value(void);
int found_value(void) { void *p = malloc(30); int here = p != 0; free(p); return here + 41; }
END
cat >finder.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
int main(void)
{
	void *handle = dlopen("libfound.so", RTLD_NOW);
	int (*value)(void) = handle ? (int (*)(void))dlsym(handle, "found_value") : 0;

	printf("%s %d\n", handle ? "found" : dlerror(), value ? value() : 0);
	return 0;
}
END
gcc -O1 -shared -fPIC -o below/libfound.so found.c
# shellcheck disable=SC2016 # the loader's word
gcc -O1 -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN/below' -o finder finder.c -ldl
harmless runpath ./finder
same 'found through RUNPATH' 'found 42' "$(cat "$work/runpath.out")"

cat >sanitized.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
	char *p = malloc(10);
	strcpy(p, "heap");
	puts(p);
	if (argc > 1) p[10 + argc] = 1;
	free(p);
	return argv[0] ? 7 : 8;
}
END
if gcc -O0 -g -fsanitize=address -o sanitized sanitized.c 2>/dev/null; then
	native asan ./sanitized
	run_as asan-run "LARIAT_OUTPUT=$work/asan.%p.lariat" -- "$lariat" run -- ./sanitized
	if [ "$(status_of asan-run)" = 125 ]; then
		same 'refused: one line that names it' 1 \
			"$(grep -c '^lariat: .*[Ss]anitizer' "$work/asan-run.err")"
	else
		same 'sanitized program: status' "$(status_of asan)" "$(status_of asan-run)"
		same 'sanitized program: output' "$(cat "$work/asan.out")" "$(cat "$work/asan-run.out")"
	fi
	run_as asan-first "LD_PRELOAD=$(gcc -print-file-name=libasan.so):$lib" \
		"LARIAT_OUTPUT=$work/asan-first.%p.lariat" -- ./sanitized
	same 'behind the sanitizer: status' 7 "$(status_of asan-first)"
	readable 'behind the sanitizer' "$(trace_of asan-first)"
	# Preloaded by hand the sanitizer may refuse, in its own words; told not to, it must work.
	options=ASAN_OPTIONS=verify_asan_link_order=0 record asan-forced ./sanitized
	same 'sanitized program, forced: status' 7 "$(status_of asan-forced)"
	options=ASAN_OPTIONS=verify_asan_link_order=0 record asan-bug ./sanitized bug
	checks=$((checks + 1))
	grep -q heap-buffer-overflow "$work/asan-bug.err" ||
		fail "the sanitizer no longer finds a bug: $(head -n 3 "$work/asan-bug.err")"
fi
for kind in thread undefined leak; do
	gcc -O0 -g -fsanitize=$kind -o sanitized-$kind sanitized.c 2>/dev/null || continue
	harmless "$kind-sanitizer" ./sanitized-$kind
done
# Its notes about the whole address space are not looked through: that would take minutes.
if [ -e sanitized-thread ]; then
	same 'no leak scan, and why' 1 "$("$lariat" leaks "$(trace_of thread-sanitizer)" | tr -s ' \n' ' ' |
		grep -cE 'no leak scan, as [0-9]+ GiB of memory are mapped')"
fi
finish
