# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Ending it: nothing of ours stays, after any crash either.

# Every process that carries this checkout's mark.
platform_pids() {
	grep -lzxF "QUICKSTART_OF=$(said "$VAR")" /proc/[0-9]*/environ 2>/dev/null |
		cut -d/ -f3
}

platform_ended() {
	! platform_runs
}

platform_gone() {
	[ -z "$(platform_pids)" ]
}

# End live sessions the way an operator would, so that the database tells the truth
# and reaperd clears up.
sessions_release() {
	local url key id page
	[ -r "$VAR/quickstart.env" ] || return 0
	url=$(sed -n 's/^VENTUS_URL=//p' "$VAR/quickstart.env")
	key=$(sed -n 's/^ADMIN_API_KEY=//p' "$VAR/quickstart.env")
	page=$(api_call "$key" GET \
	    "$url/v1/sessions?limit=200&status=QUEUED&status=PROVISIONING&status=RUNNING" 2>/dev/null) ||
		return 0
	for id in $(jq -r '.data[].id' <<<"$page"); do
		api_call "$key" DELETE "$url/v1/sessions/$id" -H "X-Reason: quickstart --stop" >/dev/null || true
	done
	wait_for 4 runtimes_none || true
}

# End everything and leave nothing. Works after any crash, too.
platform_stop() {
	RUN=$(cd "$VAR/run" 2>/dev/null && pwd -P) || RUN=
	if platform_runs; then
		sessions_release
		kill "$(cut -d' ' -f1 "$SUPERVISOR")" || true
		wait_for 30 platform_ended || true
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
	if platform_runs && [ -n "$url" ] && curl -sfk -m 3 -o /dev/null "$url/v1/ready"; then
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
