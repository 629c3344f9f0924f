# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a dead reaperd may leave behind.

runtimes_none() {
	[ -z "$(ls -A "$RUN/state" 2>/dev/null)" ]
}

# What reaperd did not get to: agents (their desktops end with them) and cgroups.
runtimes_sweep() {
	local dir pid pids=()
	for dir in "${RUN:-/nonexistent}"/state/*/; do
		[ -e "$dir/pid" ] || continue
		read -r pid _ <"$dir/pid" || continue
		grep -qa ventus-agent "/proc/$pid/cmdline" 2>/dev/null && pids+=("$pid")
	done
	if [ ${#pids[@]} -gt 0 ]; then
		kill "${pids[@]}" 2>/dev/null || true
		wait_for 4 all_gone "${pids[@]}" || kill -KILL "${pids[@]}" 2>/dev/null || true
	fi
}

all_gone() {
	local pid
	for pid in "$@"; do
		[ ! -e "/proc/$pid" ] || return 1
	done
}
