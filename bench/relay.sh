#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# relay.sh [--quick] [--rounds N] [--seconds S] [--only a,b] [--skip idle,stall,chrome,split]
#
# Measures ventus-cdpd against no proxy, HAProxy, nginx and lighttpd: the same clients, the
# same browser's stand-in, one process and one thread each, all on loopback. Rounds alternate
# between the proxies; medians are printed as a table, shares of direct first. To be run in
# the build directory after `make && make bench`. All that it starts ends with it.
set -eu -o pipefail
shopt -s lastpipe
top=$(cd "$(dirname "$0")/.." && pwd)
bld=${top_builddir:-$PWD}
rounds=3 seconds=0.8 skip=, held_counts="1000 8000" only=
proxies="direct cdpd haproxy haproxy64 nginx lighttpd"
limit=10 # seconds for anything to come up

while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=1 seconds=0.3 held_counts=1000 skip=,split, ;;
	--rounds) rounds=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--only) only="direct ${2//,/ }"; shift ;;
	--skip) skip=,$2,; shift ;;
	*) sed -n 3p "$0" >&2; exit 2 ;;
	esac
	shift
done
[ -z "$only" ] || proxies=$only
for need in cdpd/ventus-cdpd bench/relay-load bench/relay-echo bench/relay-seed; do
	[ -x "$bld/$need" ] || { echo "$bld/$need is missing: make && make bench" >&2; exit 1; }
done
ulimit -n "$(ulimit -Hn)"

dir=$(mktemp -d /tmp/relay.XXXXXX)
declare -A pid port
started=()
# shellcheck source=bench/relay/proxies.sh
. "$top/bench/relay/proxies.sh"

over() {
	exec {alive}>&- # the echo and the database end with this
	[ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
	wait
	rm -rf "$dir"
}

# Below where the kernel takes ports for those who connect.
free_port() {
	local p
	while :; do
		p=$((20000 + RANDOM % 10000))
		[[ " ${port[*]-} " = *" $p "* ]] && continue
		(: <"/dev/tcp/127.0.0.1/$p") 2>/dev/null || break
	done
	port[$1]=$p
}

# run NAME CPU COMMAND... - in the background, until this script's end or stop NAME.
run() {
	local name=$1 cpu=$2
	shift 2
	setpriv --pdeathsig TERM taskset -c "$cpu" "$@" >>"$dir/$name.log" 2>&1 <"$dir/alive" {alive}>&- &
	pid[$name]=$!
	[[ $name = direct || $name = seed ]] || started+=("$!")
}

stop() {
	kill "${pid[$1]}" 2>/dev/null || true
	wait "${pid[$1]}" 2>/dev/null || true
}

await() { # what is waited for, as a command
	local end=$((SECONDS + limit))
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || { echo "never: $*" >&2; tail -n 3 "$dir"/*.log >&2; exit 1; }
		sleep 0.02
	done
}

listens() { (: <"/dev/tcp/127.0.0.1/${port[$1]}"); }

start() { # NAME CPU
	case $1 in
	direct) return ;;
	cdpd) run cdpd "$2" "$bld/cdpd/ventus-cdpd" -c "$dir/ventus.conf" ;;
	haproxy*) run "$1" "$2" haproxy -db -f "$dir/$1.cfg" ;;
	nginx | front) run "$1" "$2" nginx -e stderr -c "$dir/$1.conf" ;;
	*) run "$1" "$2" lighttpd -D -f "$dir/$1.conf" ;;
	esac
	await listens "$1"
	await load dial "$1" 1 0.01 "" >"$dir/up"
}

# load MODE PROXY CONNECTIONS SECONDS TEXT [PATHS [PID]]
load() {
	taskset -c 0 "$bld/bench/relay-load" "$1" "$3" "$4" "127.0.0.1:${port[$2]}" \
		"$dir/${6:-echo}.paths" "$5" ${7:+"$7"}
}

# The process that carries bytes: the worker of cdpd, the one process of the others.
workers() { pgrep -P "${pid[$1]}" || echo "${pid[$1]}"; }

private_kib() { awk '/^Private/ { s += $2 } END { print s }' "/proc/$(workers "$1")/smaps_rollup"; }

# note TEST PROXY VALUE: one line of the results. Lines of one TEST and PROXY have a median.
note() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$dir/results"; }

# talk TEST PROXY CONNECTIONS TEXT COLUMN CPU-COLUMN, of what relay-load prints
talk() {
	local w="" f
	[ "$2" = direct ] || w=$(workers "$2")
	load talk "$2" "$3" "$seconds" "$4" echo "$w" | read -r -a f
	note "$1" "$2" "${f[$5 - 1]}"
	[ -z "$w" ] || note "$1, CPU" "$2" "${f[$6 - 1]}"
}

# The proxies take turns at each test, so that what disturbs disturbs them all.
round() {
	local p n size
	for n in 1 16 256; do
		for p in $proxies; do talk "$1$n connections" "$p" $n "$text" 1 5; done
	done
	for size in 1 8; do
		for p in $proxies; do
			talk "$1$size MiB frames" "$p" 1 "!$((size * 1048576))" 2 6
		done
	done
	[ -z "$1" ] || return 0
	for p in $proxies; do
		note handshakes "$p" "$(load dial "$p" 16 "$seconds" "")"
	done
}

settled() { # the memory of PROXY when it has stopped growing
	local last=-1 now same=0
	while [ $same -lt 5 ]; do
		sleep 0.1
		now=$(private_kib "$1")
		if [ "$now" = "$last" ]; then same=$((same + 1)); else same=0; fi
		last=$now
	done
	echo "$last"
}

# held TEST PROXY COUNT TEXT DIVISOR: memory over a fresh start's, per DIVISOR.
held() {
	local base line
	base=$(settled "$2")
	coproc HOLD { load hold "$2" "$3" 1 "$4"; }
	read -r -t 60 line <&"${HOLD[0]}" || { echo "held $1 $2 failed" >&2; return; }
	[ "$line" = held ]
	note "$1" "$2" "$(awk "BEGIN { print ($(settled "$2") - $base) / $5 }")"
	eval "exec ${HOLD[1]}>&-"
	wait "$HOLD_PID"
}

memory() {
	local p n
	for p in $proxies; do
		[ "$p" != direct ] || continue
		if [[ $skip != *,stall,* ]]; then
			stop "$p"; start "$p" 0
			held "stalled" "$p" 8 '!67108864' 1024
		fi
		[[ $skip != *,idle,* ]] || continue
		for n in $held_counts; do
			stop "$p"; start "$p" 0
			held "idle $n" "$p" "$n" "" "$n"
		done
	done
}

chrome_targets() {
	local id
	id=$(curl -s "http://127.0.0.1:${port[chrome]}/json/list" | jq -r '[.[] | select(.type == "page")][0].id')
	[ -n "$id" ] && [ "$id" != null ] && echo "/devtools/page/$id" >"$dir/page.paths"
}

declare -A chrome_paths=([chrome]=page [front]=agent [cdpd]=chrome [door]=chrome)
talk_to_chrome() {
	local f
	load talk "$2" "$3" "$seconds" "$4" "${chrome_paths[$2]}" | read -r -a f
	note "$1" "$2" "${f[2]}"
}

# A real Chrome. nginx stands in for the agent, which serves /cdp, and so in every row but direct.
chrome() {
	local i p
	free_port chrome
	mkdir "$dir/profile"
	run chrome 0,1 /usr/lib/chromium/chromium --headless --no-sandbox --disable-gpu --no-first-run \
		--user-data-dir="$dir/profile" --remote-debugging-port="${port[chrome]}" \
		'data:text/html,<body style="background:linear-gradient(red,blue)">hello'
	await chrome_targets
	echo /cdp >"$dir/agent.paths"
	nginx_conf front "location = /cdp { proxy_pass http://127.0.0.1:${port[chrome]}$(cat "$dir/page.paths"); }
		location / { proxy_pass http://127.0.0.1:${port[direct]}; }"
	start front 0,1
	start door 0,1
	taskset -acp 0,1 "$(workers cdpd)" >/dev/null
	local evaluate='{"id":1,"method":"Runtime.evaluate","params":{"expression":"1+1"}}'
	for ((i = 0; i < rounds; i++)); do
		for p in chrome front cdpd door; do
			talk_to_chrome "evaluate, 1 client" $p 1 "$evaluate"
			talk_to_chrome "evaluate, 8 clients" $p 8 "$evaluate"
			talk_to_chrome screenshot $p 1 '{"id":1,"method":"Page.captureScreenshot"}'
		done
	done
	stop chrome
}

report() {
	sort -t$'\t' -k1,1 -k2,2 -k3,3g "$dir/results" | awk -F'\t' -v proxies="$1" -v how="$2" -v only="$3" '
		function median(key) { return val[key, int((count[key] + 1) / 2)] }
		{ key = $1 SUBSEP $2; val[key, ++count[key]] = $3; if (!($1 in seen)) { seen[$1]; test[++n] = $1 } }
		END {
			np = split(proxies, p, " ")
			for (i = 1; i <= n; i++) {
				if (test[i] !~ only) continue
				line = "| " test[i]
				base = median(test[i] SUBSEP p[1])
				for (j = 1; j <= np; j++) {
					m = median(test[i] SUBSEP p[j])
					if (m == "") cell = "-"
					else if (how == "share" && j > 1) cell = sprintf("%.3f", m / base)
					else cell = sprintf(m < 100 ? "%.2f" : "%.0f", m)
					line = line " | " cell
				}
				print line " |"
			}
		}'
}

# shellcheck disable=SC2086 # words
table() { # TITLE PROXIES HOW TESTS
	printf '\n| %s | %s |\n|---|%s\n' "$1" "${2// / | }" "$(printf -- '---|%.0s' $2)"
	report "$2" "$3" "$4"
}

text='{"id":1,"method":"Runtime.evaluate","params":{"expression":"'
text+=$(printf '%*s' $((200 - ${#text} - 3)) '' | tr ' ' x)'"}}'
for name in direct cdpd haproxy haproxy64 nginx lighttpd front door; do free_port $name; done
mkfifo "$dir/alive"
exec {alive}<>"$dir/alive"
trap over EXIT
trap 'exit 1' INT TERM
configure
export top_srcdir=$top
run direct 0 "$bld/bench/relay-echo" "127.0.0.1:${port[direct]}"
run seed 0,1 "$bld/bench/relay-seed" "$dir" "127.0.0.1:${port[cdpd]}" \
	echo "tcp:127.0.0.1:${port[direct]}" 20 chrome "tcp:127.0.0.1:${port[front]}" 1
limit=60 await grep -q ready "$dir/seed.log"
for name in $proxies; do start "$name" 0; done

for ((i = 0; i < rounds; i++)); do round ""; done
if [[ $skip != *,split,* ]]; then
	for name in $proxies; do
		[ "$name" = direct ] || taskset -acp 1 "$(workers "$name")" >/dev/null
	done
	for ((i = 0; i < rounds; i++)); do round "split: "; done
fi
[[ $skip = *,chrome,* ]] || chrome
memory

table "share of direct" "$proxies" share '^(split: )?[0-9]+ (connections|MiB frames)$|^handshakes$'
table "CPU s per 1M messages or GiB" "${proxies#direct }" plain ' CPU$'
table "KiB per idle tunnel; MiB by 8 stalled readers" "${proxies#direct }" plain '^(idle|stalled)'
[[ $skip = *,chrome,* ]] || table "real Chrome, median us" "chrome front cdpd door" plain '^(evaluate|screenshot)'
