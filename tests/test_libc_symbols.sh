#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every function that libc exports is wrapped, or waived with a reason in tests/libc_waived.txt: a new
# twin of a wrapped one, and one that was forgotten, fail here.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need nm ldd

libc=$(ldd "$lariat" | awk '$1 == "libc.so.6" { print $3 }')
[ -e "$libc" ] || fail "no libc: $(ldd "$lariat")"
export LC_ALL=C
nm -D --defined-only "$libc" | awk '$2 ~ /^[TWi]$/ && $3 !~ /@GLIBC_PRIVATE$/ {
	sub(/@.*/, "", $3); print $3 }' | sort -u >exported
"$top/scripts/exports" "$top/preload/format/calls.def" >wrapped
sed '/^#/d' "$top/tests/libc_waived.txt" | tr -s ' ' '\n' | sed '/^$/d' | sort >waived

checks=1
[ "$(wc -l <exported)" -gt 2000 ] || fail "$libc exports $(wc -l <exported) functions"
sort -u wrapped waived >known
new=$(comm -23 exported known | xargs)
same "exported, neither wrapped nor waived" '' "$new"
same "waived twice" '' "$(uniq -d waived | xargs)"
# The table is of version 2.36; a later libc has more, and may lack what is obsolete.
if "$libc" 2>/dev/null | grep -q 'version 2\.36'; then
	same "waived, but not exported" '' "$(comm -23 waived exported | xargs)"
fi
# Each reason stands in front of names.
same "groups without a name" '' "$(awk '/^#/ { c = 1; next } /^$/ { if (c && !n) print NR
	c = n = 0; next } { n = 1 }' "$top/tests/libc_waived.txt" | tail -n +2 | xargs)"
# The test itself: a twin that nobody knows is found.
same "a twin of read" read_twin \
	"$(sort -u exported <(echo read_twin) | comm -23 - known | xargs)"
finish
