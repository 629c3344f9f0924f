# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a dead reaperd may leave behind: the driver's records (lib/runtime/local_rec.h)
# name each runtime's agent and cgroups.

runtime_records() {
	compgen -G "${RUN:-/nonexistent}/state/rt/*.rec"
}

runtimes_none() {
	[ -z "$(runtime_records)" ]
}

# Agents end their desktops; what a killed agent left is in its cgroup, if it had one,
# and dies with the agent in any case.
runtimes_sweep() {
	local rec word one two pid cgroup pids=() cgroups=()
	while read -r rec; do
		while read -r word one two _; do
			case $word in
			agent) [ "$(pid_start "$one")" != "$two" ] || pids+=("$one") ;;
			memory | pids) [ ! -d "$one" ] || cgroups+=("$one") ;;
			esac
		done <"$rec"
	done < <(runtime_records)
	if [ ${#pids[@]} -gt 0 ]; then
		kill "${pids[@]}" 2>/dev/null || true
		wait_for 4 all_gone "${pids[@]}" || kill -KILL "${pids[@]}" 2>/dev/null || true
	fi
	for cgroup in "${cgroups[@]}"; do
		wait_for 3 cgroup_removed "$cgroup" || echo "$cgroup cannot be removed" >&2
	done
	# The driver's own, when it is empty: another quickstart may be running.
	[ "$EUID" != 0 ] || rmdir /sys/fs/cgroup/{memory,pids}/ventus 2>/dev/null || true
}

cgroup_removed() {
	local pid
	while read -r pid; do
		kill -KILL "$pid" 2>/dev/null || true
	done 2>/dev/null <"$1/cgroup.procs"
	rmdir "$1" 2>/dev/null || [ ! -d "$1" ]
}

all_gone() {
	local pid
	for pid in "$@"; do
		[ ! -e "/proc/$pid" ] || return 1
	done
}
