#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The build's own promises: make deps, make, make install, make demo, bash completion, the test
# runner's counting, and that the checks of scripts/ find what they are for.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need make gcc nm
unset LARIAT_LIB BUILD

contains() { # WHAT TEXT PART
	checks=$((checks + 1))
	case $2 in
	*"$3"*) ;;
	*) fail "$1: '$3' is not in '$2'" ;;
	esac
}

# --- make deps, with a package database and an apt-get of our own
mkdir bin
cat >bin/dpkg-query <<'END'
#!/bin/sh
[ -e absent ] || exec cat "$INSTALLED"
sed 's/.*/^installed\t&\t/' absent | grep -v -f - "$INSTALLED"
END
cat >bin/apt-get <<'END'
#!/bin/sh
echo "$DEBIAN_FRONTEND: $*" >>apt.log
case "$*" in *" install "*) [ -e broken ] && exit 100; rm -f absent ;; esac
exit 0
END
printf '#!/bin/sh\nexit 1\n' >bin/sudo
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" = -u ] && [ -n "$AS_USER" ] && echo "$AS_USER" || exec /usr/bin/id "$@"\n' \
	>bin/id
chmod +x bin/*
"$top/scripts/deps" --list build demo test | sed 's/.*/installed\t&\t/' >installed
deps() {
	rm -f apt.log
	PATH=$PWD/bin:$PATH INSTALLED=$PWD/installed POLICY_RC_D=$PWD/policy "$top/scripts/deps" \
		"$@" >"$work/out" 2>&1 </dev/null
	status=$?
}

deps
same 'nothing missing: status, output' '0 ' "$status $(cat "$work/out")"
same 'nothing missing: nothing done' '' "$(cat apt.log 2>/dev/null)"
printf 'libdw-dev\nlibelf-dev\n' >absent
deps --check build
same 'missing: status of --check' 1 "$status"
contains 'missing: named' "$(cat "$work/out")" 'libdw-dev libelf-dev'
contains 'missing: what to do' "$(cat "$work/out")" 'make deps'
same 'missing: --check installs nothing' '' "$(cat apt.log 2>/dev/null)"
AS_USER=1000 deps
same 'not root: status' 1 "$status"
contains 'not root: the command' "$(cat "$work/out")" \
	'apt-get install -y --no-install-recommends libdw-dev libelf-dev'
same 'not root: nothing done' '' "$(cat apt.log 2>/dev/null)"
AS_USER=0 deps
same 'root: status' 0 "$status"
same 'root: two steps' 2 "$(grep -c '^noninteractive: ' apt.log)"
contains 'root: update first' "$(head -n 1 apt.log)" ' update'
contains 'root: then install' "$(tail -n 1 apt.log)" 'install -y --no-install-recommends libdw-dev libelf-dev'
same 'root: no policy file is left' '' "$(ls policy 2>/dev/null)"
echo libdw-dev >absent
touch broken
AS_USER=0 deps
same 'root: apt-get fails' 1 "$status"
# A package can be there under another's name.
printf 'installed\tlibother-dev\tlibdw-dev (= 1), libx\n' >>installed
deps --check build
same 'provided by another' 0 "$status"
sed -i '/libother/d' installed
(cd "$top" && PATH=$work/cwd/bin:$PATH INSTALLED=$work/cwd/installed make -s packages) \
	>"$work/out" 2>&1
# The database's answer depends on its folder: `absent` lies in ours, make runs in the top one.
same 'make names nothing where nothing is missing' '' "$(cat "$work/out")"
grep -v -w libelf-dev installed >installed.less
(cd "$top" && PATH=$work/cwd/bin:$PATH INSTALLED=$work/cwd/installed.less \
	make BUILD="$work/b" all) >"$work/out" 2>&1
same 'make with a missing package: status' 2 $?
contains 'make with a missing package: names it' "$(cat "$work/out")" 'missing packages: libelf-dev'
same 'make with a missing package: builds nothing' '' "$(find "$work/b" -type f 2>/dev/null)"
rm -f absent broken

# --- a second make has nothing to do
relative=$(realpath --relative-to="$top" "$build")
mk() { (cd "$top" && eval "make --no-print-directory BUILD=$relative ${MAKE_OVERRIDES-} $*"); }
same 'nothing to do: output' '' "$(mk -s all 2>&1)"
# -n takes a forced target for remade, so the flags are declared old.
would() { mk -n -o "$relative/flags" "$@" all; }
same 'a second make compiles nothing' '' "$(would | grep -E ' -o |exports')"
contains 'a change of calls.def reaches the export list' \
	"$(would -W preload/format/calls.def)" 'exports.map'
contains 'a change of a header rebuilds what includes it' \
	"$(would -W analyzer/trace.h)" 'analyzer/cmd_run.o'
checks=$((checks + 1))
would -W analyzer/launch.h | grep -q 'analyzer/names.c' &&
	fail 'a change of a header rebuilds what does not include it'

# --- make install, and that what is installed works by itself
mk -s install PREFIX=/usr "DESTDIR=$work/root" >"$work/out" 2>&1 || fail "install: $(cat "$work/out")"
same 'installed files' 'bin/lariat
lib/lariat/liblariat.so
share/bash-completion/completions/lariat
share/man/man1/lariat.1
share/man/man7/liblariat.7' "$(cd "$work/root/usr" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort)"
"$work/root/usr/bin/lariat" run -o installed.lariat -- sh -c 'echo $LD_PRELOAD' >"$work/out" 2>&1
contains 'the installed recorder is found' "$(cat "$work/out")" \
	"$work/root/usr/lib/lariat/liblariat.so"
contains 'the installed recorder works' "$(cat "$work/out")" 'in installed.lariat ('
mk -s uninstall PREFIX=/usr "DESTDIR=$work/root" >/dev/null 2>&1
same 'uninstalled' '' "$(find "$work/root" -type f)"

# --- make demo
(cd "$top" && BUILD=$build scripts/demo) >"$work/out" 2>&1 || fail "demo: $(tail -n 3 "$work/out")"
contains 'demo: where the trace is' "$(cat "$work/out")" "The trace is $build/demo/perl.lariat"
contains 'demo: the report is about perl' "$(grep -A 5 '^\$ lariat report' "$work/out")" 'perl '
checks=$((checks + 1))
[ "$(sed -n '/^\$ lariat report/,/^The trace is/p' "$work/out" | wc -l)" -gt 15 ] ||
	fail 'demo: shows no report'

# --- bash completion
complete_line() { # WORD...: the replies for the last word
	bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lariat; printf "%s\n" "${COMPREPLY[@]}"' \
		"$top/scripts/lariat.bash" "$lariat" "$@" | sort | tr '\n' ' '
}
contains 'completion: commands' "$(complete_line re)" 'report '
contains 'completion: run' "$(complete_line '')" 'run '
same 'completion: an option of run' '--interval ' "$(complete_line run --int)"
same 'completion: an option of report' '--format ' "$(complete_line report --form)"
same 'completion: a value' 'json ' "$(complete_line report --format j)"
touch some.lariat other.txt
same 'completion: traces' 'some.lariat ' "$(complete_line report so)"
same 'completion: no other files' '' "$(complete_line report oth | tr -d ' ')"
same 'completion: behind the command' 'other.txt ' "$(complete_line run --depth 9 cat oth)"

# --- the test runner counts right
mkdir -p tree/tests tree/build
cp "$top/tests/run" tree/tests/
printf '#!/bin/sh\nexit 0\n' >tree/tests/test_a.sh
printf '#!/bin/sh\necho reason\nexit 77\n' >tree/tests/test_b.sh
runner() { JOBS=2 TEST_LIMIT=20 tree/tests/run "$@" >"$work/out" 2>&1; status=$?; }
chmod +x tree/tests/*
runner
same 'runner: all well' '0 1 passed, 0 failed, 1 skipped' "$status $(tail -n 1 "$work/out")"
contains 'runner: why skipped' "$(cat "$work/out")" 'test_b.sh: reason'
printf '#!/bin/sh\necho the-cause\nexit 3\n' >tree/tests/test_c.sh
printf '#!/bin/sh\n# time limit: 1\nsleep 50\n' >tree/tests/test_d.sh
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ -d "$TMPDIR" ] && [ -z "$LARIAT_SIZE" ]\n' >tree/tests/test_e.sh
chmod +x tree/tests/*
LARIAT_SIZE=1 runner
same 'runner: failures' '1 2 passed, 2 failed, 1 skipped' "$status $(tail -n 1 "$work/out")"
contains 'runner: shows the output' "$(cat "$work/out")" 'the-cause'
contains 'runner: time limit' "$(cat "$work/out")" 'test_d.sh: over its time limit'
runner test_a
same 'runner: one by name' '0 1 passed, 0 failed, 0 skipped' "$status $(tail -n 1 "$work/out")"
runner no-such-test
same 'runner: none is no success' '1 0 passed, 0 failed, 0 skipped' "$status $(tail -n 1 "$work/out")"

rm tree/tests/test_*
# shellcheck disable=SC2016
printf '#!/bin/sh\necho $$ >tree.pid\nsleep 100\n' >tree/tests/test_f.sh
chmod +x tree/tests/*
tree/tests/run >"$work/out" 2>&1 &
runner_pid=$!
for _ in $(seq 1000); do [ -s tree/tree.pid ] && break; sleep 0.02; done
kill -TERM $runner_pid
wait $runner_pid 2>/dev/null
same 'runner: ended early' 130 $?
checks=$((checks + 1))
kill -0 "$(cat tree/tree.pid)" 2>/dev/null && fail 'runner: ended early, but its test is still there'

# --- checks find what they are for, in a small tree of their own
mkdir -p law/scripts law/preload/format law/analyzer
cp "$top/scripts/check-layers" law/scripts/
for file in preload/format/f.h preload/a.h preload/b.h analyzer/c.h analyzer/c.c; do : >law/$file; done
printf '0 preload/format/f\n0 preload/a\n1 preload/b\n0 analyzer/c\n' >law/scripts/layers
layers() { law/scripts/check-layers >"$work/out" 2>&1; echo "$? $(head -n 1 "$work/out")"; }
breaks() { # WHAT FILE LINE EXPECTED
	cp "law/$2" keep
	printf '%s\n' "$3" >>"law/$2"
	contains "layers: $1" "$(layers)" "1 $4"
	mv keep "law/$2"
}
echo '#include "a.h"' >law/preload/b.h
echo '#include "../preload/format/f.h"' >law/analyzer/c.c
same 'layers: a lawful tree' '0 ' "$(layers)"
breaks 'upwards' preload/a.h '#include "b.h"' 'preload/a.h:1: rank 0 includes preload/b.h of rank 1'
breaks 'across rooms' analyzer/c.c '#include "../preload/a.h"' 'analyzer/c.c:2: analyzer/ must not'
breaks 'hosted header' preload/format/f.h '#include <stdio.h>' 'preload/format/f.h:1: <stdio.h>'
breaks 'a row too many' scripts/layers '3 preload/gone' 'scripts/layers: preload/gone is no file'
touch law/preload/new.c
contains 'layers: a new file' "$(layers)" '1 preload/new.c: has no rank'

mkdir -p sym/scripts sym/preload/format sym/build/preload/format
cp "$top"/scripts/{check-symbols,exports,symbols.*} sym/scripts/
echo 'CALL(malloc, 1, HEAP, ALLOC)' >sym/preload/format/calls.def
symbols() { # CODE [LINK-CODE]: what the check says of an object with this code
	printf '%s\n' "$1" >sym/preload/x.c
	gcc -w -O1 -fPIC -fno-builtin -fno-stack-protector ${3-} -c -o sym/build/preload/x.o sym/preload/x.c
	sym/scripts/exports --map sym/preload/format/calls.def >map
	gcc -w -shared -Wl,--version-script=map -o sym/build/liblariat.so sym/build/preload/x.o ${2-}
	sym/scripts/check-symbols 2>&1 | tr '\n' ' '
}
good='#include <stddef.h>
void *malloc(size_t n) { return 0; }'
same 'symbols: a lawful object' '' "$(symbols "$good")"
contains 'symbols: stdio' "$(symbols "$good int f(void) { return puts(\"x\"); }")" 'calls puts'
contains 'symbols: getenv' "$(symbols "$good void *f(void) { return getenv(\"x\"); }")" 'calls getenv'
contains 'symbols: a missing export' "$(symbols 'int x;')" 'does not export malloc'
contains 'symbols: a needed library' "$(symbols "$good double f(double x) { return sin(x); }" \
	'-Wl,--no-as-needed -lm')" 'needs libm.so.6'
contains 'symbols: thread-local data' \
	"$(symbols "$good static __thread int t; int *f(void) { return &t; }")" 'not initial-exec'
echo 'CALL(free, 2, HEAP, FREE)' >>sym/preload/format/calls.def
contains 'symbols: a wrapped function by name' \
	"$(symbols "$good void g(void *p) { free(p); }")" 'calls free, which the recorder wraps'
finish
