#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The format: small traces with known content as both readers see them (lariat, and format_reader.py,
# written from FORMAT.md alone), files that are no traces, and real traces on which both agree.
. "${BASH_SOURCE[0]%/*}/lib.sh"
need "$lariat" python3 zstd
golden=$top/tests/golden
reader=$top/tests/format_reader.py

# The counts named in the file facts, from JSON on standard input.
counts() { # COUNT=N...
	python3 -c '
import json, sys
found = json.load(sys.stdin)
found = found.get("trace", found)
print(*[name + "=" + str(found[name]) for name in [word.split("=")[0] for word in sys.argv[1:]]])
' "$@"
}

while read -r name facts; do
	trace=$golden/$name.lariat
	"$lariat" dump "$trace" >dump 2>&1
	same "dump of $name" "$(<"$golden/$name.jsonl")" "$(<dump)"
	python3 "$reader" "$trace" >second 2>&1
	same "second reader of $name" "$(<"$golden/$name.jsonl")" "$(<second)"
	# shellcheck disable=SC2086
	{
		same "info of $name" "$facts" \
			"$("$lariat" info --format json "$trace" 2>&1 | counts $facts)"
		same "second reader's counts of $name" "$facts" \
			"$(python3 "$reader" --facts "$trace" 2>&1 | counts $facts)"
	}
done <"$golden/facts"

while read -r name expected; do
	trace=$golden/bad/$name.lariat
	for command in info dump report; do
		"$lariat" "$command" "$trace" >out 2>err
		same "exit of $command $name" 3 $?
		same "output of $command $name" '' "$(<out)"
		same "lines of $command $name" 1 "$(wc -l <err)"
		same "words of $command $name" "lariat: $trace: $expected" \
			"$(head -c $((${#trace} + ${#expected} + 10)) err)"
	done
done <"$golden/bad/expected"

# One bad file among good ones: the others are shown, the exit code tells.
"$lariat" dump "$golden/later.lariat" "$golden/bad/random.lariat" "$golden/later.lariat" >out 2>err
same "exit with one bad file of three" 3 $?
same "events of the two good ones" 8 "$(grep -c '"file":.*later.lariat"' out)"

same "dump --since --until" "$(sed -n '4,7p' "$golden/kinds.jsonl")" \
	"$("$lariat" dump --since 1200ns --until 1500ns "$golden/kinds.lariat")"
same "dump --limit" "$(sed -n '1,3p' "$golden/kinds.jsonl")" \
	"$("$lariat" dump --limit 3 "$golden/kinds.lariat")"

if [ -e "$lib" ]; then
	(cd / && LARIAT_OUTPUT=$work/real.lariat LD_PRELOAD=$lib ls -l / >"$work/out" 2>&1)
	"$lariat" dump "$work/real.lariat" >dump
	python3 "$reader" "$work/real.lariat" >second
	[ "$(wc -l <dump)" -gt 100 ] || fail "a trace of ls has $(wc -l <dump) events"
	same "both readers of ls" "$(md5sum <second)" "$(md5sum <dump)"
	# Names that begin alike, and one that differs within a character of two bytes.
	folder=$work/a-folder-with-a-name-that-is-written-once
	mkdir "$folder"
	for name in one two "with blanks" $'\xc3\xa4' $'\xc3\xb6' "$(printf 'x%.0s' {1..200})"; do
		printf %s "$name" >"$folder/$name"
	done
	LARIAT_OUTPUT=$work/names.lariat LD_PRELOAD=$lib cat "$folder"/* >contents
	"$lariat" dump "$work/names.lariat" >dump
	python3 "$reader" "$work/names.lariat" >second
	same "both readers of names" "$(md5sum <second)" "$(md5sum <dump)"
	same "names" "$(for name in "$folder"/*; do printf '%s\n' "$name"; done)" "$(python3 -c '
import json
seen = dict.fromkeys(json.loads(line).get("target_name", "") for line in open("dump"))
print(*[name for name in seen if "-written-once/" in name], sep="\n")')"
	[ "$(strings -n 8 "$work/names.lariat" | grep -c written-once)" -le 8 ] ||
		fail "the folder's name is written again and again"
	# A reader that has seen enough ends the dump, silently, also where SIGPIPE is ignored.
	"$lariat" dump "$work/real.lariat" "$work/real.lariat" 2>err | head -n 1 >out
	same "words of dump | head" '' "$(<err)"
	(
		trap '' PIPE
		"$lariat" dump "$work/real.lariat" "$work/real.lariat" 2>err | head -n 1 >out
	)
	same "words of dump | head without SIGPIPE" '' "$(<err)"
	same "dump | head" 1 "$(wc -l <out)"
fi
finish
