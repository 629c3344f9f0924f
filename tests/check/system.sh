# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The stages of ./check that run the whole platform, in a quickstart of their own.

# A private checkout directory is not needed, only a private var: a quickstart that
# runs from this checkout is left alone.
SYSTEM_VAR=$CHECK/system

free_port() {
	node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# system_start [QUICKSTART-ARGUMENT...]
# An empty database each time: what it tests is this checkout's schema.
system_start() {
	system_stop
	rm -rf "$SYSTEM_VAR/pg"
	VENTUS_VAR=$SYSTEM_VAR logged quickstart "$TOP/quickstart" --detach --port "$(free_port)" "$@"
}

system_stop() {
	[ ! -e "$SYSTEM_VAR/supervisor.pid" ] ||
		VENTUS_VAR=$SYSTEM_VAR logged quickstart-stop "$TOP/quickstart" --stop
}

# node_modules DIRECTORY - of tests/, as its lock file says.
node_modules() {
	local dir=$TOP/tests/$1
	[ "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ] ||
		(cd "$dir" && logged "npm-$1" npm ci --no-audit --no-fund &&
			touch node_modules/.package-lock.json)
}

# node_tests DIRECTORY NAME... - tests/DIRECTORY/NAME.test.mjs against the running platform.
node_tests() {
	local dir=$TOP/tests/$1 name log rc=0
	shift
	for name in "$@"; do
		log=$LOG/$name.log
		VENTUS_VAR=$SYSTEM_VAR timeout -k 5 900 node --test-reporter=tap "$dir/$name.test.mjs" \
		    >"$log" 2>&1 </dev/null || rc=1
		count "$(summary_of pass "$log")" "$(summary_of fail "$log")" "$(summary_of skipped "$log")"
		grep -E '^ *not ok' "$log" | sed 's/^ */   /'
		grep -q '^# pass' "$log" || { tail -n 30 "$log"; rc=1; }
	done
	[ $rc -eq 0 ] || echo "   (logs: $LOG)"
	return $rc
}

summary_of() {
	local n
	n=$(sed -n "s/^# $1 \([0-9]*\)$/\1/p" "$2" | tail -n 1)
	echo "${n:-0}"
}

stage_e2e() {
	local rc=0
	node_modules e2e || return
	system_start || return
	node_tests e2e session isolation || rc=1
	system_stop || rc=1
	node_tests e2e quickstart || rc=1
	return $rc
}

stage_kill() {
	local rc=0
	node_modules e2e || return
	system_start || return
	node_tests e2e kill || rc=1
	system_stop || rc=1
	return $rc
}
