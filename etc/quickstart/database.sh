# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A PostgreSQL cluster of our own: unix socket only, a password for every role.

PG_BIN=/usr/lib/postgresql/15/bin
PG_ROLES=(api proxy reaper admin)

# The user PostgreSQL runs as, and the one the web side runs as. As root they are
# Debian's; else everything is ours.
if [ "$EUID" = 0 ]; then
	PG_USER=postgres
	WEB_USER=www-data
	PG_AS=(setpriv --reuid=postgres --regid=postgres --init-groups)
else
	PG_USER=
	WEB_USER=
	PG_AS=()
fi

# One password file a role, readable by the one process that uses it. libpq takes
# it only when nobody else can read it.
secrets_make() {
	local role owner
	mkdir -p "$VAR/secrets"
	chmod 0711 "$VAR/secrets"
	for role in postgres "${PG_ROLES[@]}"; do
		owner=
		case $role in
		api | proxy) owner=$WEB_USER ;;
		esac
		[ -e "$VAR/secrets/$role.pgpass" ] ||
			printf '*:*:*:*:%s\n' "$(random_text)" | put "$VAR/secrets/$role.pgpass" 0600 "$owner"
	done
}

secret_of() {
	sed 's/.*://' "$VAR/secrets/$1.pgpass"
}

cluster_make() {
	local pw=$VAR/secrets/initdb
	[ ! -e "$VAR/pg/PG_VERSION" ] || return 0
	rm -rf "$VAR/pg"
	install -d -m 0700 ${PG_USER:+-o "$PG_USER" -g "$PG_USER"} "$VAR/pg"
	secret_of postgres | put "$pw" 0600 "$PG_USER"
	logged initdb "${PG_AS[@]}" "$PG_BIN/initdb" --pgdata="$VAR/pg" --username=postgres \
	    --pwfile="$pw" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
	rm -f "$pw"
}

psql_as() {	# ROLE DATABASE ARGUMENT...
	local role=$1 db=$2
	shift 2
	PGPASSFILE=$VAR/secrets/$role.pgpass psql -X -q -v ON_ERROR_STOP=1 -h "$RUN/pg" \
	    -U "$([ "$role" = postgres ] || echo ventus_)$role" -d "$db" "$@"
}

database_answers() {
	"$PG_BIN/pg_isready" -q -h "$RUN/pg" -t 1
}

# Roles, their passwords, the database. Passwords go through a pipe, never an argument.
roles_make() {
	local role
	{
		cat "$TOP/sql/roles.sql"
		cat <<-'END'
		DO $$ BEGIN
		    CREATE ROLE ventus_admin LOGIN IN ROLE ventus_owner;
		EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		END
		for role in "${PG_ROLES[@]}"; do
			printf "ALTER ROLE ventus_%s PASSWORD '%s';\n" "$role" "$(secret_of "$role")"
		done
		echo "SELECT 'CREATE DATABASE ventus OWNER ventus_owner' WHERE NOT EXISTS"
		echo " (SELECT FROM pg_database WHERE datname = 'ventus') \\gexec"
		echo "REVOKE ALL ON DATABASE ventus FROM PUBLIC;"
		echo "GRANT CONNECT ON DATABASE ventus TO ventus_api, ventus_proxy, ventus_reaper;"
	} | psql_as postgres postgres -f -
}

ventusctl() {
	"$PREFIX/bin/ventusctl" -c "$VAR/etc/ventus.conf" "$@"
}

database_start() {
	local why
	run_dir_make
	secrets_make
	cluster_make
	install -d -m 0711 ${PG_USER:+-o "$PG_USER"} "$RUN/pg"
	configuration_write
	services_make
	supervisor_start
	service_up postgres
	wait_for 30 database_answers ||
		fail "PostgreSQL does not start; see $(said "$LOG/postgres/current")"
	logged roles roles_make
	why=$(ventusctl migrate 2>&1) ||
		fail "$why (rm -r $(said "$VAR/pg") begins with an empty database)"
	NOTE="private cluster in $(said "$VAR/pg")"
}
