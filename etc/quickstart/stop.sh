# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Ending it: nothing of ours stays, after any crash either.

# Every process that carries this checkout's mark.
platform_pids() {
	grep -lzxF "QUICKSTART_OF=$(said "$VAR")" /proc/[0-9]*/environ 2>/dev/null |
		cut -d/ -f3
}

platform_gone() {
	[ -z "$(platform_pids)" ]
}

services_stop() {
	local name dirs=()
	for name in "$@"; do
		[ ! -p "$VAR/service/$name/supervise/ok" ] || dirs+=("$VAR/service/$name")
	done
	[ ${#dirs[@]} -eq 0 ] || sv -w 10 force-stop "${dirs[@]}" >/dev/null 2>&1 || true
}

# End live sessions the way an operator would, so that the database tells the truth
# and reaperd clears up.
sessions_release() {
	local url key id page
	[ -r "$VAR/quickstart.env" ] || return 0
	url=$(sed -n 's/^VENTUS_URL=//p' "$VAR/quickstart.env")
	key=$(sed -n 's/^ADMIN_API_KEY=//p' "$VAR/quickstart.env")
	page=$(api_call "$key" GET "$url/v1/sessions?limit=200&status=QUEUED&status=PROVISIONING&status=RUNNING") ||
		return 0
	for id in $(jq -r '.data[].id' <<<"$page"); do
		api_call "$key" DELETE "$url/v1/sessions/$id" -H "X-Reason: quickstart --stop" >/dev/null || true
	done
	wait_for 4 runtimes_none || true
}

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

# End everything and leave nothing. Works after any crash, too.
platform_stop() {
	RUN=$(cd "$VAR/run" 2>/dev/null && pwd -P) || RUN=
	if platform_runs; then
		sessions_release
		services_stop "${DAEMONS[@]}"
		runtimes_sweep
		services_stop postgres
		kill -HUP "$(cut -d' ' -f1 "$SUPERVISOR")" 2>/dev/null || true
	fi
	if ! wait_for 5 platform_gone; then
		platform_pids | xargs -r kill -KILL 2>/dev/null || true
		wait_for 5 platform_gone || fail "some processes do not end: $(platform_pids | xargs)"
	fi
	runtimes_sweep
	run_dir_remove
	rm -rf -- "$VAR/service" "$SUPERVISOR"
}

platform_stop_said() {
	local was=
	if [ "$EUID" != 0 ] && [ -e "$SUPERVISOR" ] && [ "$(stat -c %u "$SUPERVISOR")" = 0 ]; then
		fail "root started it; stop it as root"
	fi
	! platform_runs || was=yes
	[ ! -d "$VAR" ] || platform_stop
	if [ -n "$was" ]; then
		echo "stopped; nothing is left running"
	else
		echo "nothing was running"
	fi
}

platform_says_running() {
	local i=$VAR/quickstart.env url=
	[ ! -r "$i" ] || url=$(sed -n 's/^VENTUS_URL=//p' "$i")
	if platform_runs && [ -n "$url" ] && curl -sf -m 3 -o /dev/null "$url/v1/ready"; then
		echo "the platform is running already: $url (./quickstart --stop ends it)"
		return
	fi
	fail "another quickstart is starting or its platform is not well; ./quickstart --stop ends it"
}

# In the foreground: until Ctrl-C, or until somebody else stops it.
platform_watch() {
	trap 'exit 0' INT TERM
	echo "Ctrl-C ends it."
	while platform_runs; do
		sleep 1
	done
	STARTED=
	echo "stopped from elsewhere"
}
