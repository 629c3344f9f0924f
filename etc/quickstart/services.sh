# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The daemons: tini reaps whatever loses its parent, runit starts again what ended.

DAEMONS=(lighttpd api cdpd reaperd)
SUPERVISOR=$VAR/supervisor.pid		# "pid start-time"

# Clients call "localhost", which is ::1 to some of them.
listen_addresses() {
	echo 127.0.0.1
	! grep -qs ' lo$' /proc/net/if_inet6 || echo '[::1]'
}

configuration_write() {
	local host=$RUN/pg share=$PREFIX/share/ventus-sessions web
	install -d "$VAR/etc" "$VAR/www"
	install -d -m 0750 ${WEB_USER:+-g "$WEB_USER"} "$VAR/keys"
	install -d -m 0755 ${WEB_USER:+-o "$WEB_USER"} "$LOG/web"
	install -d -m 0711 "$RUN/state"
	put "$VAR/etc/ventus.conf" 0644 <<-END
	# Written by quickstart at every start; see ventus.conf(5).
	[platform]
	public_url = $PUBLIC_URL
	state_dir = $RUN/state
	run_dir = $RUN
	keys_dir = $VAR/keys
	user = $WEB_USER

	[database]
	api = host=$host dbname=ventus user=ventus_api passfile=$VAR/secrets/api.pgpass
	proxy = host=$host dbname=ventus user=ventus_proxy passfile=$VAR/secrets/proxy.pgpass
	reaper = host=$host dbname=ventus user=ventus_reaper passfile=$VAR/secrets/reaper.pgpass
	owner = host=$host dbname=ventus user=ventus_admin passfile=$VAR/secrets/admin.pgpass

	[region us-east1]
	driver = local
	egress_allow = ${ALLOW[*]}
	END
	"$PREFIX/libexec/ventus-sessions/ventus-errors" "$share/lighttpd/errors.def" \
	    "$PUBLIC_URL" "$VAR/etc/errors"
	web=
	[ -z "$WEB_USER" ] || printf -v web 'server.username = "%s"\nserver.groupname = "%s"\n' \
	    "$WEB_USER" "$WEB_USER"
	put "$VAR/etc/lighttpd.conf" 0644 <<-END
	server.port = $PORT
	server.bind = "127.0.0.1"
	$web
	var.run = "$RUN"
	var.errors = "$VAR/etc/errors"
	var.docroot = "$share/www"
	var.logscrub = "$PREFIX/libexec/ventus-sessions/ventus-logscrub"
	var.logdir = "$LOG/web"
	include "$share/lighttpd/ventus.conf"
	$(listen_addresses | sed -n "s/^\[::1\]$/\$SERVER[\"socket\"] == \"&:$PORT\" { }/p")
	$(tls_configuration "$share")
	END
}

# service_make NAME COMMAND... - a directory for runit, with a bounded log.
service_make() {
	local dir=$VAR/service/$1 log=$LOG/$1
	mkdir -p "$dir/log" "$log"
	printf 's2000000\nn2\n' >"$log/config"
	ln -sfn "$1/current" "$log.log"
	touch "$dir/down"
	printf '#!/bin/sh\nexec svlogd %q\n' "$log" | put "$dir/log/run" 0755
	shift
	{
		# shellcheck disable=SC2016
		printf '#!/bin/sh\nexec 2>&1\nulimit -n "$(ulimit -H -n)"\nexec'
		printf ' %q' "$@"
		echo
	} | put "$dir/run" 0755
}

# A daemon whose runsv was killed would be in the way of the one that the next runsv
# starts: it ends with its runsv. (lighttpd loses this when it becomes another user; it
# serves on.)
services_make() {
	local conf=$VAR/etc/ventus.conf sbin=$PREFIX/sbin
	local ends=(setpriv --pdeathsig TERM --)
	service_make postgres "${PG_AS[@]}" setpriv --pdeathsig INT -- "$PG_BIN/postgres" -D "$VAR/pg" \
	    -c listen_addresses= -c unix_socket_directories="$RUN/pg" -c max_connections=120 \
	    -c shared_buffers=64MB -c log_timezone=UTC -c log_line_prefix='%m [%p] '
	# To PostgreSQL TERM means: wait for the clients. INT is what we mean.
	mkdir -p "$VAR/service/postgres/control"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nkill -INT "$(cat supervise/pid)"\n' |
		put "$VAR/service/postgres/control/t" 0755
	service_make api "${ends[@]}" "$sbin/ventus-api" -c "$conf"
	service_make cdpd "${ends[@]}" "$sbin/ventus-cdpd" -c "$conf"
	service_make reaperd "${ends[@]}" "$sbin/ventus-reaperd" -c "$conf"
	service_make lighttpd /usr/sbin/lighttpd -D -f "$VAR/etc/lighttpd.conf"
}

pid_start() {
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

platform_runs() {
	local pid start
	[ -e "$SUPERVISOR" ] && read -r pid start <"$SUPERVISOR" &&
		[ -n "$start" ] && [ "$(pid_start "$pid")" = "$start" ]
}

# QUICKSTART_OF marks every process of this checkout. Nothing else of the caller's
# environment goes in.
supervisor_start() {
	local pid
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TZ=UTC0 \
	    "QUICKSTART_OF=$(said "$VAR")" setsid tini -s -- \
	    "$TOP/etc/quickstart/supervise" "$TOP" "$VAR" "$RUN" \
	    </dev/null >>"$LOG/supervisor.log" 2>&1 9>&- &
	pid=$!
	disown "$pid"
	echo "$pid $(pid_start "$pid")" >"$SUPERVISOR"
	wait_for 10 services_listen || fail "runit does not start; see $(said "$LOG/supervisor.log")"
}

services_listen() {
	local name
	for name in postgres "${DAEMONS[@]}"; do
		[ -p "$VAR/service/$name/supervise/ok" ] &&
			sv status "$VAR/service/$name" >/dev/null 2>&1 || return 1
	done
}

service_up() {
	local name
	for name in "$@"; do
		rm -f "$VAR/service/$name/down"
		sv up "$VAR/service/$name" >/dev/null 9>&-
	done
}

platform_ready() {
	curl -sf -m 2 -o /dev/null "http://127.0.0.1:$PORT/v1/ready"
}

services_start() {
	keys_make
	service_up "${DAEMONS[@]}"
	wait_for 20 platform_ready ||
		fail "the platform does not get ready; see $(said "$LOG")/{lighttpd,api,cdpd,reaperd}.log"
	NOTE=$PUBLIC_URL
}
