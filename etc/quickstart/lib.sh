# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every part of quickstart uses: saying, waiting, failing.

STEP=0
STEPS=7

now_ms() {
	local t=${EPOCHREALTIME/[.,]/}
	echo $((t / 1000))
}

# Print a plain sentence and end with 1.
fail() {
	[ -z "${STEP_OPEN-}" ] || echo
	echo "quickstart: $*" >&2
	exit 1
}

# step NAME FUNCTION - one line of progress. The function may set NOTE.
step() {
	local from ms
	STEP=$((STEP + 1))
	NOTE=
	from=$(now_ms)
	printf '[%d/%d] %-14s ' "$STEP" "$STEPS" "$1"
	STEP_OPEN=yes
	"$2"
	ms=$(($(now_ms) - from))
	printf '%3d.%d s  %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$NOTE"
	STEP_OPEN=
}

# logged NAME COMMAND... - its output into a log; the end of it is shown on failure.
logged() {
	local log=$LOG/$1.log
	shift
	if ! "$@" >"$log" 2>&1 9>&- </dev/null; then
		printf '\n'
		tail -n 25 "$log" >&2
		STEP_OPEN=
		fail "this failed: $* (all of its output: $log)"
	fi
}

# wait_for SECONDS COMMAND... - until it succeeds; 1 when time is up.
wait_for() {
	local end
	end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt "$end" ] || return 1
		sleep 0.03
	done
}

as_root() {
	if [ "$EUID" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# put FILE MODE [OWNER] - standard input into FILE, whole or not at all.
put() {
	local tmp=$1.new
	(umask 077 && cat >"$tmp")
	[ -z "${3-}" ] || chown "$3" "$tmp"
	chmod "$2" "$tmp"
	mv -f "$tmp" "$1"
}

random_text() {
	head -c 24 /dev/urandom | base64 | tr -d '+/=\n'
}
