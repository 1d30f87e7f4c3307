#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Heap counts against valgrind memcheck's, for real programs: allocations, frees and bytes must be
# equal to the last call, and so must the sizes asked for, as a multiset. Programs are single-threaded
# or join their threads: what others allocate (Python's threads) depends on who comes first.
#
#	tests/oracle/heap.sh [--full] [NAME...]
#
# Both runs see the same environment, LD_PRELOAD's length included (programs copy it). Valgrind
# leaves out its own frees at exit (--run-libc-freeres=no --run-cxx-freeres=no). What may still
# differ is stated with the program, as rules over sizes:
#	A>B	a block of A bytes here is one of B bytes there
#	A*	any number more or less of blocks of A bytes
# and a program whose sizes differ in any other way fails.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need valgrind jq gcc

full=
only=()
for arg; do
	if [ "$arg" = --full ]; then full=1; else only+=("$arg"); fi
done

variables=(PATH=/usr/bin:/bin "HOME=$work/home" LC_ALL=C PYTHONHASHSEED=0 PERL_HASH_SEED=0
	PYTHONMALLOC=malloc "LARIAT_OUTPUT=$work/out.%p.lariat" LARIAT_SIZE=1G)
mkdir -p "$work/home"

# Valgrind sets variables of its own, for the program too.
valgrinds=$(env -i valgrind -q /usr/bin/env | sed -n '/^\(LD_\|GLIB\|PWD\)/p')
preloaded=$(sed -n 's/^LD_PRELOAD=//p' <<<"$valgrinds")
mapfile -t others < <(grep -v '^\(LD_PRELOAD\|PWD\)=' <<<"$valgrinds")
ours=$(mktemp -d /tmp/l.XXXXXX)
trap 'rm -rf "$ours" "$work"' EXIT
ln -s "$lib" "$ours/l.so"
padded=$ours/l.so
while [ ${#padded} -lt ${#preloaded} ]; do padded+=:; done

# Sizes asked for, one a line, from valgrind's --trace-malloc. A realloc of NULL shows as both
# "realloc(0x0,8)malloc(8) = ..." in one line: the first is taken.
valgrind_sizes() {
	awk '
	match($0, /^--[0-9]+-- [a-zA-Z_0-9]+\([^)]*\)/) && / = 0x/ {
		text = substr($0, 1, RLENGTH - 1)
		sub(/^--[0-9]+-- /, "", text)
		name = substr(text, 1, index(text, "(") - 1)
		n = split(substr(text, length(name) + 2), arg, ",")
		size = name ~ /^(malloc|_Zn)/ ? arg[1] : arg[n]
		gsub(/[^0-9]/, "", size)
		print name == "calloc" ? arg[1] * arg[2] : size
	}' "$1" | sort -n
}

our_sizes() {
	events_of "$1" 2>>"$work/dump-err" | jq -r -f "$top/tests/oracle/sizes.jq" | sort -n
}

# "SIZE DELTA" for each size that one has more of than the other.
size_differences() {
	join -a 1 -a 2 -e 0 -o 0,1.2,2.2 <(uniq -c "$1" | awk '{ print $2, $1 }' | sort -k 1b,1) \
		<(uniq -c "$2" | awk '{ print $2, $1 }' | sort -k 1b,1) |
		awk '$2 != $3 { print $1, $3 - $2 }'
}

# Takes what the rules allow off the differences on stdin; prints what is left.
unexplained() { # RULE...
	awk -v rules="$*" '
		{ delta[$1] = $2 }
		END {
			n = split(rules, rule, " ")
			for (i = 1; i <= n; i++) {
				if (split(rule[i], part, ">") == 2) {
					if (delta[part[1]] + delta[part[2]] == 0)
						delta[part[1]] = delta[part[2]] = 0
				} else {
					delta[substr(rule[i], 1, length(rule[i]) - 1)] = 0
				}
			}
			for (size in delta)
				if (delta[size]) printf "%s of %s bytes, ", delta[size], size
		}'
}

# compare NAME "RULE..." CMD...
compare() {
	local name=$1 rules=$2 vg out trace left usage ours_usage
	shift 2
	[ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return 0
	have "$1" || return 0
	vg=$work/$name.vg out=$work/$name.out
	rm -f db program.s program.o cxx.s tree.tar lines.xz
	env -i "${variables[@]}" valgrind --run-libc-freeres=no --run-cxx-freeres=no \
		--child-silent-after-fork=yes --trace-malloc=yes --log-file="$vg" "$@" \
		</dev/null >"$out.vg" 2>&1
	rm -f db program.s program.o cxx.s tree.tar lines.xz
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"$0"; exec env -i "$@"' "$work/$name.pid" "${variables[@]}" "${others[@]}" \
		"PWD=$PWD" "LD_PRELOAD=$padded" "$@" </dev/null >"$out" 2>&1
	checks=$((checks + 3))
	cmp -s "$out" "$out.vg" || fail "$name: prints something else under valgrind"
	trace=$work/out.$(cat "$work/$name.pid").lariat
	usage=$(sed -n 's/.*total heap usage: \(.*\) allocs, \(.*\) frees, \(.*\) bytes.*/\1 \2 \3/p' \
		"$vg" | tr -d ,)
	ours_usage=$("$lariat" report --format json --limit 1 "$trace" 2>"$work/$name.report-err" |
		jq -r '.heap | "\(.allocations) \(.frees) \(.allocated_bytes)"')
	echo "$name: valgrind $usage, here $ours_usage"
	[ -n "$usage" ] || fail "$name: valgrind said nothing"
	[ -n "$ours_usage" ] || fail "$name: no report: $(head -n 3 "$work/$name.report-err")"
	[ "$usage" = "$ours_usage" ] && [ -z "$full" ] && return 0
	valgrind_sizes "$vg" >"$work/sizes.vg"
	our_sizes "$trace" >"$work/sizes"
	size_differences "$work/sizes.vg" "$work/sizes" >"$work/differences"
	# shellcheck disable=SC2086
	left=$(unexplained $rules <"$work/differences")
	[ -z "$left" ] || fail "$name: valgrind has $usage, here $ours_usage: $left"
	awk -v a="$usage" -v b="$ours_usage" '
		BEGIN { split(a, x); split(b, y) }
		{ blocks += $2; bytes += $1 * $2 }
		END { exit !(y[1] - x[1] == blocks && y[3] - x[3] == bytes && (x[2] == y[2] || blocks)) }
		' "$work/differences" || fail "$name: sizes do not add up to $usage and $ours_usage"
	rm -f "$trace"
}

# Inputs, the same in every run.
n=3000
[ -z "$full" ] || n=60000
seq $n | awk '{ printf "%d line %d of %x\n", ($1 * 7919) % 10007, $1, $1 * 12345 }' >lines
mkdir -p tree/a tree/b
for i in $(seq 40); do cp lines "tree/$([ $((i % 2)) = 0 ] && echo a || echo b)/$i"; done
cat >program.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *left, *right; char text[20]; };
static struct node *insert(struct node *n, const char *s)
{
	if (!n) { n = calloc(1, sizeof(*n)); strcpy(n->text, s); return n; }
	if (strcmp(s, n->text) < 0) n->left = insert(n->left, s);
	else n->right = insert(n->right, s);
	return n;
}
int main(void)
{
	struct node *root = NULL;
	char s[20];
	for (int i = 0; i < 1000; i++) { sprintf(s, "%d", i * 7919 % 1009); root = insert(root, s); }
	return root ? 0 : 1;
}
END
make_repository() {
	export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
	git -c init.defaultBranch=main init -q repository
	git -C repository config user.name Somebody
	git -C repository config user.email somebody@example.org
	for i in $(seq 12); do
		head -n $((i * 100)) lines >repository/file
		git -C repository add file
		git -C repository commit -qm "change $i"
	done
}
have git && make_repository
cat >script.py <<'END'
import json, re, collections
words = collections.Counter(re.findall(r"\w+", "".join(open("lines").readlines()[:400])))
text = json.dumps({k: [v] * 3 for k, v in words.items()})
back = json.loads(text)
print(len(back), sum(len("x" * i) for i in range(400)))
END
cat >script.pl <<'END'
open(my $f, "<", "lines"); my %h;
while (<$f>) { my @w = split; $h{$w[0]} .= join("-", reverse @w); }
print scalar(keys %h), " ", length(join("", map { $h{$_} } sort keys %h)), "\n";
END
cat >script.sh <<'END'
declare -A seen
while read -r number _ line _; do seen[$number]+="$line,"; done < <(head -n 500 lines)
for key in "${!seen[@]}"; do text=${seen[$key]//,/ }; set -- $text; total=$((total + $#)); done
echo ${#seen[@]} $total
END
cat >script.sql <<'END'
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
insert into t select i, printf('row %d', i * 7919 % 1009), i / 3.0 from n;
create index tb on t(b);
select count(*), sum(length(b)) from t where b like '%7%' order by c;
select b, count(*) from t group by b order by 2 desc, 1 limit 5;
END
jq -Rn '[inputs | split(" ") | {key: .[0], value: .[2:]}]' lines >lines.json

# A CPython integer of an address below 2^30 takes 28 bytes, of others 32; valgrind's are below.
python='28>32'
# The compiler's collector has a table of 4096 pointers for each 16 MiB of addresses it touches, and
# one of 256 and a header for each 4 GiB.
pages='32768* 2064*'
# The recorder has thread-local data: each thread's table of modules has 16 bytes more.
thread='272>288 288>304 304>320'
python3=/usr/bin/python3
cc1=$(gcc -print-prog-name=cc1)
include=(-imultiarch "$(gcc -print-multiarch)")

compare sort '' sort --parallel=2 -S 300k lines
compare sort-threads '' sort --parallel=4 -S 20M lines
compare grep '' grep -r '77.*4' tree
compare perl '' perl script.pl
compare python3 "$python" $python3 script.py
compare sqlite3 '' sqlite3 -batch db '.read script.sql'
compare git-log '' git -C repository --no-pager log -p --stat
compare bash '' bash script.sh
compare cc1 "$pages" "$cc1" -quiet "${include[@]}" -O2 -o program.s program.c
compare tar '' tar --sort=name -cf tree.tar tree
compare jq '' jq -S 'group_by(.key) | map(map(.value[0])) | length' lines.json
# shellcheck disable=SC2016 # awk expands it
compare gawk '' gawk '{ count[$1] += length($0) } END { for (k in count) n++; print n }' lines
compare xz-threads "$thread" xz -kc -T2 --block-size=40000 -0 lines
compare openssl '' openssl dgst -sha256 lines
compare cxx "$thread" "$victims/harm_tls"
if [ -n "$full" ]; then
	compare find '' find tree -type f -name '*7*' -printf '%s %p\n'
	compare sed '' sed -E 's/([0-9]+) line/\1 LINE/g' lines
	compare zstd "$thread" zstd -qc -T1 lines
	compare python3-modules "$python" $python3 -c 'import argparse, csv, email, json, unittest'
	compare git-fsck '' git -C repository fsck --full
	compare as '' as -o program.o program.s
	compare cc1plus "$pages" "$(gcc -print-prog-name=cc1plus)" -quiet \
		"${include[@]}" -O1 -o cxx.s "$top/tests/victims/libthrow.cc"
fi
finish
