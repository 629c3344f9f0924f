/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_seed DIR LISTEN [NAME ENDPOINT SESSIONS]... - what ventus-cdpd needs to be measured
 * (bench/relay.sh): a PostgreSQL of its own, keys and ventus.conf in DIR, running sessions whose
 * agents are at ENDPOINT, and in DIR/NAME.paths the request targets that open them.
 *
 * Says "ready" on stdout and takes the cluster away when its standard input ends.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/jwt.h"
#include "lib/ulid.h"
#include "tests/support/keys.h"
#include "tests/support/pg.h"
#include "tests/support/seed.h"
#include "tests/support/sql.h"

#define ISSUER "http://localhost:8080"

struct rig {
	const char *dir;
	struct pg *pg;
	PGconn *conn;
	struct vs_keyring *ring;
	char workspace[VS_ULID_SIZE];
};

static FILE *
rig_file(const struct rig *rig, const char *name)
{
	char path[4096];
	FILE *file;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL)
		err(1, "%s", path);
	return file;
}

static void
rig_file_end(FILE *file)
{
	if (fclose(file) != 0)
		err(1, "relay_seed");
}

static void
rig_conf(const struct rig *rig, const char *listen_at)
{
	FILE *file = rig_file(rig, "ventus.conf");
	char dsn[PG_DSN_SIZE];

	pg_dsn(rig->pg, "ventus_proxy", dsn);
	(void)fprintf(file,
	    "[platform]\npublic_url = " ISSUER "\nrun_dir = %s\nkeys_dir = %s/keys\n"
	    "[database]\nproxy = %s\n"
	    "[cdpd]\nlisten = %s\nworkers = 1\nmax_cdp_clients = 1000\nmax_connections = 9500\n",
	    rig->dir, rig->dir, dsn, listen_at);
	rig_file_end(file);
}

/* What opens the session, to be sent as it is. */
static void
put_target(const struct rig *rig, const char *session, FILE *file)
{
	struct vs_jwt_claims claims = { .aud = VS_JWT_CDP, .iat_s = vs_clock_wall_ms() / 1000 };
	char *token = NULL;

	memcpy(claims.sid, session, sizeof(claims.sid));
	memcpy(claims.wid, rig->workspace, sizeof(claims.wid));
	vs_ulid_new(claims.jti);
	if (vs_jwt_sign(rig->ring, ISSUER, &claims, &token) < 0)
		errx(1, "relay_seed: no token");
	(void)fprintf(file, "/v1/sessions/%s/cdp?token=%s\n", session, token);
	free(token);
}

static void
rig_sessions(const struct rig *rig, const char *name, const char *endpoint, long count)
{
	char paths[64], session[VS_ULID_SIZE], runtime[VS_ULID_SIZE];
	FILE *file;

	(void)snprintf(paths, sizeof(paths), "%s.paths", name);
	file = rig_file(rig, paths);
	for (long i = 0; i < count; i++) {
		seed_running(rig->conn, rig->workspace, 3600, session, runtime);
		sql_do(rig->conn,
		    "UPDATE ventus.runtime SET endpoint = '%s', secret_kid = 'a' WHERE id = '%s'",
		    endpoint, runtime);
		put_target(rig, session, file);
	}
	rig_file_end(file);
}

int
main(int argc, char **argv)
{
	char keys[4096], byte;
	struct rig rig;

	if (argc < 3 || argc % 3 != 0)
		errx(2, "usage: relay_seed DIR LISTEN [NAME ENDPOINT SESSIONS]...");
	rig.dir = argv[1];
	(void)snprintf(keys, sizeof(keys), "%s/keys", rig.dir);
	if (mkdir(keys, 0700) < 0)
		err(1, "%s", keys);
	keys_write(keys, "a");
	rig.ring = keys_new("a");
	rig.pg = pg_new();
	rig.conn = sql_open(rig.pg, "ventus_owner");
	seed_workspace(rig.conn, 1, rig.workspace);
	rig_conf(&rig, argv[2]);
	for (int i = 3; i < argc; i += 3)
		rig_sessions(&rig, argv[i], argv[i + 1], strtol(argv[i + 2], NULL, 10));
	(void)puts("ready");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	PQfinish(rig.conn);
	pg_free(rig.pg);
	vs_keyring_free(rig.ring);
	return 0;
}
