/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cdpd_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/echo_agent.h"
#include "tests/support/keys.h"
#include "tests/support/wsclient.h"

struct cdpd_rig cdpd_rig;

static void
write_conf(const char *path)
{
	char dsn[PG_DSN_SIZE];
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	pg_dsn(cdpd_rig.pg, "ventus_proxy", dsn);
	(void)fprintf(file,
	    "[platform]\npublic_url = " CDPD_RIG_ISSUER "\nrun_dir = %s\nkeys_dir = %s/keys\n"
	    "[database]\nproxy = %s\n"
	    "[cdpd]\nworkers = 2\nmax_cdp_clients = %d\nconnect_wait_seconds = 30\n"
	    "ping_seconds = 1\nmax_message_bytes = %d\nlease_seconds = 2\n",
	    cdpd_rig.dir, cdpd_rig.dir, dsn, CDPD_RIG_MAX_CLIENTS, CDPD_RIG_MAX_MESSAGE);
	assert_int_equal(fclose(file), 0);
}

static bool
can_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", cdpd_rig.sock);
	ok = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
	(void)close(fd);
	return ok;
}

void
cdpd_rig_start(void)
{
	const char *top = getenv("top_builddir");
	char program[512], conf[TMPDIR_SIZE + 32];
	struct wsclient ws;

	(void)snprintf(program, sizeof(program), "%s/cdpd/ventus-cdpd", top != NULL ? top : ".");
	(void)snprintf(conf, sizeof(conf), "%s/ventus.conf", cdpd_rig.dir);
	write_conf(conf);
	cdpd_rig.master = fork();
	assert_true(cdpd_rig.master >= 0);
	if (cdpd_rig.master == 0) {
		int fd = open(cdpd_rig.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		const struct rlimit files = { cdpd_rig.max_files, cdpd_rig.max_files };

		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (cdpd_rig.max_files != 0)
			(void)setrlimit(RLIMIT_NOFILE, &files);
		(void)dup2(fd, STDERR_FILENO);
		(void)execl(program, program, "-c", conf, (char *)NULL);
		_exit(127);
	}
	WAIT_UNTIL(can_connect());
	/* A worker is there, not only the socket. */
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, "/"), 404);
	wsclient_close(&ws);
}

void
cdpd_rig_stop(void)
{
	int status = 0;

	assert_int_equal(kill(cdpd_rig.master, SIGTERM), 0);
	assert_int_equal(waitpid(cdpd_rig.master, &status, 0), cdpd_rig.master);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void
cdpd_rig_new(void)
{
	struct rlimit lim;
	char keys[TMPDIR_SIZE + 8];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	cdpd_rig.pg = pg_new();
	cdpd_rig.owner = sql_open(cdpd_rig.pg, "ventus_owner");
	tmpdir_new(cdpd_rig.dir);
	(void)snprintf(keys, sizeof(keys), "%s/keys", cdpd_rig.dir);
	(void)snprintf(cdpd_rig.sock, sizeof(cdpd_rig.sock), "%s/cdpd.sock", cdpd_rig.dir);
	(void)snprintf(cdpd_rig.log, sizeof(cdpd_rig.log), "%s/cdpd.log", cdpd_rig.dir);
	assert_int_equal(mkdir(keys, 0700), 0);
	keys_write(keys, "a b");
	cdpd_rig.ring = keys_new("a b");
	sql_do(cdpd_rig.owner, "INSERT INTO ventus.tenant (id, name)"
			       " VALUES ('01J00000000000000000000001', 't')");
	sql_do(cdpd_rig.owner,
	    "INSERT INTO ventus.workspace (id, tenant_id, name)"
	    " VALUES ('" CDPD_RIG_WORKSPACE "', '01J00000000000000000000001', 'w')");
	cdpd_rig_start();
}

void
cdpd_rig_free(void)
{
	cdpd_rig_stop();
	PQfinish(cdpd_rig.owner);
	pg_free(cdpd_rig.pg);
	vs_keyring_free(cdpd_rig.ring);
	if (getenv("KEEP") == NULL)
		tmpdir_remove(cdpd_rig.dir);
}

/* The path and query that opens session id with this claims' token. */
void
cdpd_rig_target(const char *path_id, const char *sid, const char *wid, enum vs_jwt_aud aud,
    char *ret_target, size_t size)
{
	struct vs_jwt_claims claims = { .aud = aud, .iat_s = vs_clock_wall_ms() / 1000 };
	char *token = NULL;

	(void)snprintf(claims.sid, sizeof(claims.sid), "%s", sid);
	(void)snprintf(claims.wid, sizeof(claims.wid), "%s", wid);
	vs_ulid_new(claims.jti);
	if (aud == VS_JWT_VIEW)
		claims.exp_s = claims.iat_s + 300;
	assert_int_equal(vs_jwt_sign(cdpd_rig.ring, CDPD_RIG_ISSUER, &claims, &token), 0);
	(void)snprintf(ret_target, size, "/v1/sessions/%s/cdp?token=%s", path_id, token);
	free(token);
}

void
cdpd_sess_queue(struct cdpd_sess *sess, int keep_alive)
{
	memset(sess, 0, sizeof(*sess));
	vs_ulid_new(sess->id);
	vs_ulid_new(sess->runtime);
	(void)snprintf(
	    sess->agent_sock, sizeof(sess->agent_sock), "%s/%s", cdpd_rig.dir, sess->runtime);
	assert_int_equal(
	    vs_keyring_runtime_secret(cdpd_rig.ring, "b", sess->runtime, sess->secret), 0);
	cdpd_rig_target(
	    sess->id, sess->id, CDPD_RIG_WORKSPACE, VS_JWT_CDP, sess->target, sizeof(sess->target));
	/* A region of its own: session_claim() takes the next of a region. */
	sql_do(cdpd_rig.owner,
	    "INSERT INTO ventus.session (id, workspace_id, status, region, runtime_kind,"
	    " timeout_seconds, keep_alive_seconds, viewport_width, viewport_height, request_id)"
	    " VALUES ('%s', '" CDPD_RIG_WORKSPACE
	    "', 'QUEUED', '%s', 'chromium', 1800, %d, 1280, 720, 'r')",
	    sess->id, sess->id, keep_alive);
}

void
cdpd_sess_run(struct cdpd_sess *sess)
{
	sess->agent = echo_agent_start(sess->agent_sock, sess->secret);
	/* A row that somebody holds just now is passed over, as reaperd would see it. */
	WAIT_UNTIL(sql_int(cdpd_rig.owner,
		       "SELECT count(*) FROM ventus.session_claim('%s', 'chromium', 1, '%s', 'b',"
		       " " CDPD_RIG_ACTOR ")",
		       sess->id, sess->runtime) == 1);
	sql_do(cdpd_rig.owner, "SELECT ventus.runtime_ready('%s', 'unix:%s', " CDPD_RIG_ACTOR ")",
	    sess->runtime, sess->agent_sock);
}

void
cdpd_sess_start(struct cdpd_sess *sess, int keep_alive)
{
	cdpd_sess_queue(sess, keep_alive);
	cdpd_sess_run(sess);
}

void
cdpd_sess_move(const struct cdpd_sess *sess, const char *event, const char *code)
{
	sql_do(cdpd_rig.owner,
	    "SELECT ventus.session_move(NULL, '%s', '%s', ROW(%s%s%s, NULL, NULL, 'a good reason')"
	    "::ventus.move_args, " CDPD_RIG_ACTOR ")",
	    sess->id, event, code != NULL ? "'" : "", code != NULL ? code : "NULL",
	    code != NULL ? "'" : "");
}

void
cdpd_sess_end(struct cdpd_sess *sess)
{
	echo_agent_stop(sess->agent);
	sess->agent = 0;
	(void)unlink(sess->agent_sock);
}

int64_t
cdpd_sess_clients(const struct cdpd_sess *sess)
{
	return sql_int(
	    cdpd_rig.owner, "SELECT cdp_clients FROM ventus.session WHERE id = '%s'", sess->id);
}

bool
cdpd_sess_is(const struct cdpd_sess *sess, const char *status_reason)
{
	char *text = sql_text(cdpd_rig.owner,
	    "SELECT status || ' ' || coalesce(error_code, release_reason, '-') FROM ventus.session"
	    " WHERE id = '%s'",
	    sess->id);
	bool same = text != NULL && strcmp(text, status_reason) == 0;

	free(text);
	return same;
}
