# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Bash completion for lariat. Commands and options come from `lariat --help` and
# `lariat COMMAND --help`, so there is no second list of them here.

# The words of a help text that are commands: indented by two, then a description.
__lariat_commands() {
	"$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+)  .*/\1/p'
}

__lariat_options() {
	"$1" "$2" --help 2>/dev/null | sed -nE 's/^ {2,6}(-[a-z], )?(--[a-z-]+).*/\2/p'
}

__lariat_sort_keys() {
	"$1" "$2" --help 2>/dev/null | sed -nE '/^Sort keys/,$ s/^  ([a-z_0-9]+).*/\1/p'
}

# Takes an option, prints the values it has, "FILES", or nothing when it is free text.
__lariat_values() {
	case $3 in
	--format)
		case $2 in
		diff) echo text json folded ;;
		bench) echo text json ;;
		*) echo text json csv ;;
		esac
		;;
	--per) echo second allocation ;;
	--by) echo function file module thread ;;
	--view) echo heap io locks threads ;;
	--leak-scan) echo exit main off USR1 USR2 ;;
	--follow) echo yes no ;;
	--record) echo heap io locks threads cpu all all,cpu ;;
	--sort) __lariat_sort_keys "$1" "$2" ;;
	--output | -o | --symbols | --suppressions | --baseline | --junit | --sarif | --summary | \
		--compare | --save | --keep)
		echo FILES ;;
	esac
}

# Whether an option takes a value: its line of help names one.
__lariat_takes_value() {
	"$1" "$2" --help 2>/dev/null | grep -qE -- "^ {2,6}(-[a-z], )?($3 |$3, --[a-z]+ )[A-Za-z]"
}

_lariat() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local lariat=${COMP_WORDS[0]} command=${COMP_WORDS[1]-} values i
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(__lariat_commands "$lariat") --help --version" \
			-- "$cur")
		return
	fi
	if [ "$command" = run ]; then
		# Behind the options stands a command line of its own.
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--)
				i=$((i + 1))
				break
				;;
			-*=*) ;;
			-*)
				if __lariat_takes_value "$lariat" run "${COMP_WORDS[i]}"; then
					i=$((i + 1))
				fi
				;;
			*) break ;;
			esac
		done
		if [ "$i" -lt "$COMP_CWORD" ]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset "$i"
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			return
		fi
	fi
	case $prev in
	-*)
		values=$(__lariat_values "$lariat" "$command" "$prev")
		if [ "$values" = FILES ]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		elif [ -n "$values" ]; then
			mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
			return
		elif __lariat_takes_value "$lariat" "$command" "$prev"; then
			return
		fi
		;;
	esac
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$(__lariat_options "$lariat" "$command")" \
			-- "$cur")
		;;
	*)
		if [ "$command" = run ]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		else
			mapfile -t COMPREPLY < <(
				compgen -f -X '!*.lariat' -- "$cur"
				compgen -d -- "$cur"
			)
		fi
		;;
	esac
}

complete -o filenames -F _lariat lariat
