# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: MIT
#
# What the shell tests share: run a program with and without the recorder, compare, read the trace.
# A test sources this first, ends with `finish`, and finds its scratch folder in $work (also its
# current folder), the repository in $top and the victims in $victims.
set -u

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath "${BUILD:-$top/build}")
lib=$build/liblariat.so
lariat=$build/lariat
victims=$build/victims
work=$(mktemp -d "${TMPDIR:-/tmp}/lariat-test.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/cwd"
cd "$work/cwd" || exit 1
export LC_ALL=C.UTF-8
failures=0
checks=0
time_limit=${time_limit:-100}

fail() {
	printf 'FAIL: %s\n' "$*"
	failures=$((failures + 1))
}

# Ends the test; one that checked nothing has failed.
finish() {
	if [ "$checks" -eq 0 ]; then fail "nothing was checked"; fi
	printf '%s checks, %s failed\n' "$checks" "$failures"
	if [ "$failures" -eq 0 ]; then exit 0; else exit 1; fi
}

# Skips the test when a program or file is not there.
need() {
	local what
	for what; do
		case $what in
		*/*) [ -e "$what" ] ;;
		*) command -v "$what" >/dev/null ;;
		esac && continue
		echo "$what is not installed"
		exit 77
	done
}

# True when a program is there; else says that its part is left out.
have() {
	command -v "$1" >/dev/null && return
	echo "left out: $1 is not installed"
	return 1
}

same() { # WHAT EXPECTED GOT
	checks=$((checks + 1))
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# What a shell says of a child's death is no output of the child.
quietly() { { "$@"; } 2>/dev/null; }

# run_as NAME ENV... -- CMD...: runs CMD with these variables and a time limit; its output goes to
# NAME.out and NAME.err, its status to NAME.status, its pid to NAME.pid.
run_as() {
	local name=$work/$1 env=()
	shift
	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell, whose pid becomes CMD's
	quietly timeout -k 5 "$time_limit" sh -c 'echo $$ >"$0"; exec env "$@" 2>"${0%.pid}.err"' \
		"$name.pid" "${env[@]}" "$@" </dev/null >"$name.out"
	echo $? >"$name.status"
}

native() { # NAME CMD...
	local name=$1
	shift
	run_as "$name" A_VARIABLE=1 ${preload:+"LD_PRELOAD=$preload"} -- "$@"
}

# Records CMD; the library is preloaded before anything in $preload. Traces: NAME.PID.lariat.
record() { # NAME CMD...
	local name=$1
	shift
	run_as "$name" A_VARIABLE=1 "LD_PRELOAD=$lib${preload:+:$preload}" \
		"LARIAT_OUTPUT=$work/$name.%p.lariat" ${options:+$options} -- "$@"
}

status_of() { cat "$work/$1.status"; }
trace_of() { echo "$work/$1.$(cat "$work/$1.pid").lariat"; }

# Runs CMD plainly and recorded; what it prints and how it ends must be the same but for our own
# lines on stderr.
harmless() { # NAME CMD...
	local name=$1 trace
	shift
	native "$name.native" "$@"
	record "$name" "$@"
	grep -v '^lariat: ' "$work/$name.err" >"$work/$name.ours-removed"
	same "$name: exit status" "$(status_of "$name.native")" "$(status_of "$name")"
	checks=$((checks + 2))
	diff "$work/$name.native.out" "$work/$name.out" >"$work/diff" ||
		fail "$name: standard output differs: $(head -n 10 "$work/diff")"
	diff <(normal "$work/$name.native.err") <(normal "$work/$name.ours-removed") >"$work/diff" ||
		fail "$name: standard error differs: $(head -n 10 "$work/diff")"
	trace=$(trace_of "$name")
	if [ -z "${no_trace:-}" ]; then readable "$name" "$trace"; fi
}

# A shell names a process that dies by its pid.
normal() { sed -E 's/\b[0-9]{2,7} (Segmentation|Aborted|Killed)/PID \1/' "$1"; }

# The trace is there and every reader's first look at it succeeds.
readable() { # NAME TRACE
	checks=$((checks + 1))
	[ -s "$2" ] || { fail "$1: there is no trace"; return; }
	"$lariat" info "$2" >"$work/info" 2>"$work/info.err" ||
		fail "$1: info cannot read the trace: $(head -n 3 "$work/info.err")"
}

# Waits until the live trace of a process shows a deadlock, or the process is no more.
until_deadlock() { # TRACE PID
	until [ "$("$lariat" locks --format json "$1" 2>/dev/null |
		jq '.locks.deadlocks | length' 2>/dev/null)" = 1 ]; do
		sleep 0.1
		kill -0 "$2" || break
	done
}

# The report of a run, made once.
report_of() { # NAME
	[ -s "$work/$1.json" ] || "$lariat" report --format json --limit 0 "$(trace_of "$1")" \
		>"$work/$1.json" 2>"$work/$1.report-err" ||
		fail "$1: no report: $(head -n 3 "$work/$1.report-err")"
	echo "$work/$1.json"
}

field() { jq -r "$2" "$(report_of "$1")"; } # NAME JQ-PATH

# The events of a trace without their stacks.
events_of() { "$lariat" dump "$1" | sed 's/,"stack":\[.*\]}$/}/'; } # TRACE

# Per call: how often, how often it failed, bytes of the successful ones; made once.
calls_of() { # NAME
	[ -s "$work/$1.calls" ] || {
		events_of "$(trace_of "$1")" 2>"$work/$1.dump-err" |
			jq -nc -f "$top/tests/oracle/calls.jq" >"$work/$1.calls" ||
			fail "$1: no dump: $(head -n 3 "$work/$1.dump-err")"
	}
	echo "$work/$1.calls"
}

# The figures under the keys of an expectation (a JSON object), as victims/expect.h explains them.
figures() { # NAME EXPECTED
	local calls=/dev/null
	if grep -q '"call\.' "$2"; then calls=$(calls_of "$1"); fi
	jq -n --slurpfile calls "$calls" --slurpfile report "$(report_of "$1")" \
		--slurpfile expected "$2" '
		$expected[0] | with_entries(.key as $k | .value = (($k | split(".")) as $p |
			if $p[0] == "call" then ($calls[0][$p[1]][$p[2]] // 0)
			else ($report[0] | getpath($p)) end))'
}

# The victim's last line is what it did. With a third argument, the figures of that run (of the
# same program doing nothing) are taken off first: what the language's runtime does by itself.
counts_right() { # NAME [NOTHING]
	tail -n 1 "$work/$1.out" >"$work/$1.expected"
	same "$1: exit status" 0 "$(status_of "$1")"
	if ! grep -q '^{".*}$' "$work/$1.expected"; then
		fail "$1 stated nothing: $(head -n 5 "$work/$1.err")"
		return
	fi
	figures "$1" "$work/$1.expected" >"$work/$1.got"
	if [ $# -gt 1 ]; then
		figures "$2" "$work/$1.expected" >"$work/$2.base"
	else
		jq 'map_values(0)' "$work/$1.expected" >"$work/$1.base"
	fi
	checks=$((checks + $(grep -o '": ' "$work/$1.expected" | wc -l)))
	jq -rn --slurpfile e "$work/$1.expected" --slurpfile g "$work/$1.got" \
		--slurpfile b "$work/${2:-$1}.base" '
		$e[0] | to_entries[] | ($g[0][.key]) as $got | ($b[0][.key] // 0) as $base |
		select($got == null or $got - $base != .value) |
		"\(.key): expected \(.value), got \($got)\(if $base > 0 then " less \($base)" else "" end)"' \
		>"$work/wrong"
	while read -r line; do fail "$1: $line"; done <"$work/wrong"
}
