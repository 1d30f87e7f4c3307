#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What real programs lose, against valgrind memcheck: definitely and indirectly lost bytes and blocks
# must be equal. Memcheck's "possibly lost" are blocks that only pointers into their middle hold; here
# they are reachable, as with LeakSanitizer.
#
#	tests/oracle/leaks.sh [NAME...]
#
# Both runs see the same environment but for LD_PRELOAD. Memcheck knows which words of a block were
# never written, and takes none of them for a pointer; so that they hold none here either, glibc is
# told to fill what it hands out (a run of gdb without that holds 34 of 1180 lost blocks so).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need valgrind jq gcc git

only=("$@")
variables=(PATH=/usr/bin:/bin "HOME=$work" LC_ALL=C PYTHONHASHSEED=0 PERL_HASH_SEED=0
	PYTHONMALLOC=malloc GIT_CONFIG_GLOBAL=/dev/null
	GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.perturb=165:glibc.malloc.mxfast=0)

lost() { # NAME CMD...
	local name=$1 memcheck ours
	[ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return 0
	shift
	have "$1" || return 0
	env -i "${variables[@]}" timeout 300 valgrind --leak-check=full \
		--show-leak-kinds=definite --log-file="$work/$name.valgrind" "$@" >"$work/out" \
		2>"$work/err" </dev/null
	env -i "${variables[@]}" "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$name.lariat" \
		timeout --foreground 100 "$@" >"$work/out" 2>"$work/err" </dev/null
	memcheck=$(tr -d , <"$work/$name.valgrind" | awk '
		/definitely lost:/ { d = $4 "/" $7 }
		/indirectly lost:/ { i = $4 "/" $7 }
		/All heap blocks were freed/ { d = i = "0/0" }
		END { print d, i }')
	# the first of the traces is that of `timeout`
	ours=$("$lariat" leaks --format json "$work/$name.1.lariat" | jq -r '.leaks | if .scan.done
		then "\(.definitely_lost | "\(.bytes)/\(.blocks)") \(.indirectly_lost |
		"\(.bytes)/\(.blocks)")" else "no scan: \(.scan.reason)" end')
	same "$name: definitely and indirectly lost" "$memcheck" "$ours"
	printf '%-8s %s\n' "$name" "$ours"
}

seq 20000 | sort -R >in.txt
cat >t.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int f(int x) { char *p = malloc(x); memset(p, 0, x); int r = p[0]; free(p); return r + x; }
int main(int c, char **v) { for (int i = 0; i < c; i++) printf("%d %s\n", f(i + 1), v[i]); }
END
gcc -E t.c >t.i
gcc -c -g t.c -o t.o
git init -q repo
for i in 1 2 3; do
	seq $((i * 100)) >repo/f
	git -C repo add f
	git -C repo -c user.name=N -c user.email=n@example.org commit -qm "c$i"
done

# shellcheck disable=SC2016 # for other languages
{
	lost perl perl -e 'my %h; $h{$_ % 100} .= $_ for 1..2000; my @a = map { { k => $_ } } 1..100;
		$a[0]{self} = $a[0]; print scalar(keys %h), "\n"'
	lost python /usr/bin/python3 -S -c 'import json, re
print(len(json.dumps({str(i): [i] * 3 for i in range(300)})), re.findall("a+", "baac"))'
	lost sqlite sqlite3 :memory: 'create table t(a,b); with recursive c(x) as (select 1 union all
		select x+1 from c where x<500) insert into t select x, hex(x) from c;
		select count(*), sum(a) from t group by a%7;'
	lost bash bash -c 'a=(1 2 3); f() { local x=$1; [ $x -gt 0 ] && f $((x-1)); }; f 20
		declare -A m; for i in {1..50}; do m[$i]=$((i*i)); done; echo ${#m[@]} ${a[@]}'
}
lost git git -C repo log --stat --oneline
lost cc1 "$(gcc -print-prog-name=cc1)" -quiet -O1 t.i -o t.s
lost sort sort --parallel=1 -n in.txt
lost tar tar cf /dev/null in.txt t.c
lost xz xz -k -c -1 in.txt
lost openssl openssl dgst -sha256 in.txt
lost jq jq -n '[range(200)] | map(. * 2) | add'
lost grep grep -cE '(12|34)+5' in.txt
lost sed sed -n 's/1\(.\)/\1x/gp' in.txt
lost awk awk '{ s[$1 % 10] += $1 } END { for (i in s) print i, s[i] }' in.txt
lost make make -n -f /dev/null -p
lost objdump objdump -d t.o
lost nm nm t.o
lost as as -o u.o t.s
lost find find /usr/include/linux -name 'a*.h'
lost gdb gdb -batch -nx -ex 'info functions main' t.o
finish
