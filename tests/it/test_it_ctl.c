/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/migrate.h"
#include "lib/cleanup.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/keyring.h"
#include "lib/model/api_key.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"
#include "tests/support/tmpdir.h"

struct fixture {
	struct pg *pg; /* empty until the first test migrates it */
	char dir[TMPDIR_SIZE], dsn[PG_DSN_SIZE], conf[128], sql[512];
	char out[4096]; /* of the last command, stderr too */
};

static void
put_text(const char *path, const char *mode, const char *text)
{
	FILE *file = fopen(path, mode);

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int
group_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	const char *top = getenv("top_srcdir");
	char text[512];

	assert_non_null(fx);
	tmpdir_new(fx->dir);
	fx->pg = pg_new_empty();
	pg_dsn(fx->pg, "postgres", fx->dsn);
	(void)snprintf(fx->sql, sizeof(fx->sql), "%s/sql", top != NULL ? top : ".");
	(void)snprintf(fx->conf, sizeof(fx->conf), "%s/ventus.conf", fx->dir);
	(void)snprintf(text, sizeof(text), "[database]\nowner = %s\n", fx->dsn);
	put_text(fx->conf, "w", text);
	*state = fx;
	return 0;
}

static int
group_teardown(void **state)
{
	struct fixture *fx = *state;

	pg_free(fx->pg);
	tmpdir_remove(fx->dir);
	free(fx);
	return 0;
}

static pid_t
start(const struct fixture *fx, const char *const args[], int out)
{
	const char *argv[16] = { "ventusctl", "-c", fx->conf };
	const char *top = getenv("top_builddir");
	char path[512];
	int n = 3;
	pid_t pid;

	while (*args != NULL && n < 15)
		argv[n++] = *args++;
	(void)snprintf(path, sizeof(path), "%s/ctl/ventusctl", top != NULL ? top : ".");
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (dup2(out, 1) == 1 && dup2(out, 2) == 2)
		(void)execv(path, (char *const *)(const void *)argv);
	_exit(127);
}

/* The exit status; what it wrote is in fx->out. */
static int
ctl(struct fixture *fx, const char *const args[])
{
	int fds[2], status;
	ssize_t n;
	size_t have = 0;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = start(fx, args, fds[1]);
	(void)close(fds[1]);
	while ((n = read(fds[0], fx->out + have, sizeof(fx->out) - 1 - have)) > 0)
		have += (size_t)n;
	fx->out[have] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
#define CTL(fx, ...) ctl((fx), (const char *const[]){ __VA_ARGS__, NULL })

static void
expect_words(const struct fixture *fx, const char *words)
{
	if (strstr(fx->out, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", fx->out, words);
}

static void
ventusctl__knows_its_usage(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(CTL(fx, "nonsense"), 2);
	expect_words(fx, "no command \"nonsense\"");
	assert_int_equal(CTL(fx, "key", "destroy"), 2);
	assert_int_equal(CTL(fx, "migrate", "--nonsense"), 2);
	expect_words(fx, "usage: ventusctl [-c FILE] migrate");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir"), 2);
	assert_int_equal(CTL(fx, "migrate", "--roles=1"), 2);
	assert_int_equal(CTL(fx, "migrate", "word"), 2);
	assert_int_equal(CTL(fx, "probe"), 2);
	assert_int_equal(CTL(fx, "probe", "--timeout-ms", "0", "ws://x/"), 2);
	assert_int_equal(CTL(fx, "key", "create", "--workspace", "x", "--role", "admin"), 2);
	assert_int_equal(
	    CTL(fx, "key", "create", "--workspace", "01J00000000000000000000001", "--role", "root"),
	    2);
	expect_words(fx, "viewer, operator, admin, system");
	assert_int_equal(CTL(fx, "migrate", "-c", "/nonexistent/ventus.conf"), 2);
}

static void
migrate__says_what_is_missing(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->sql), 1);
	expect_words(fx, "cannot become ventus_owner: ventusctl migrate --roles");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", "/nonexistent"), 1);
	expect_words(fx, "/nonexistent/migrate: No such file");
	assert_int_equal(CTL(fx, "bootstrap"), 1);
	expect_words(fx, "[database] owner");
}

static void
migrate__four_at_once_apply_each_file_once(void **state)
{
	struct fixture *fx = *state;
	const char *const args[] = { "migrate", "--sql-dir", fx->sql, NULL };
	PGconn *conn;
	pid_t pid[4];
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), status;
	struct vs_buf fault;

	vs_buf_init(&fault, 1024);
	assert_int_equal(migrate_roles(fx->dsn, fx->sql, &fault), 0);
	for (int i = 0; i < 4; i++)
		pid[i] = start(fx, args, null);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	conn = sql_open(fx->pg, "postgres");
	assert_int_equal(
	    sql_int(conn, "SELECT count(*) FROM ventus.schema_migration"), VS_SCHEMA_VERSION);
	PQfinish(conn);
	(void)close(null);
	vs_buf_fini(&fault);
}

static void
migrate__again_changes_nothing(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(CTL(fx, "migrate", "--roles", "--sql-dir", fx->sql), 0);
	expect_words(fx, "0 new migrations applied");
}

static void
migrate__works_for_a_member_who_is_no_superuser(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");
	struct migrate_report report;
	struct vs_buf fault;
	char dsn[PG_DSN_SIZE];

	vs_buf_init(&fault, 1024);
	sql_do(conn, "CREATE ROLE t_member LOGIN IN ROLE ventus_owner; CREATE ROLE t_other LOGIN;"
		     "DROP SCHEMA ventus CASCADE");
	pg_dsn(fx->pg, "t_other", dsn);
	assert_int_equal(migrate_run(dsn, fx->sql, &fault, &report), VS_ESTATE);
	pg_dsn(fx->pg, "t_member", dsn);
	vs_buf_clear(&fault);
	if (migrate_run(dsn, fx->sql, &fault, &report) != 0)
		fail_msg("%s", vs_buf_str(&fault));
	assert_int_equal(report.applied, VS_SCHEMA_VERSION);
	PQfinish(conn);
	vs_buf_fini(&fault);
}

static void
migrate__refuses_another_history(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");

	sql_do(conn, "INSERT INTO ventus.schema_migration VALUES (%d, '0999_future.sql', '')",
	    VS_SCHEMA_VERSION + 1);
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->sql), 1);
	expect_words(fx, "0999_future.sql: is applied but not part of this release");
	sql_do(conn, "DELETE FROM ventus.schema_migration WHERE version > %d", VS_SCHEMA_VERSION);
	sql_do(conn, "UPDATE ventus.schema_migration SET sha256 = 'x' || sha256 WHERE version = 2");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->sql), 1);
	expect_words(fx, "has changed since it was applied");
	sql_do(conn,
	    "UPDATE ventus.schema_migration SET sha256 = substr(sha256, 2) WHERE version = 2");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->sql), 0);
	PQfinish(conn);
}

/* A migration of the test's own behind those of the tree, which are copied. */
static void
put_migrations(const struct fixture *fx, const char *next, const char *text)
{
	char path[512], from[1200];

	(void)snprintf(path, sizeof(path), "%s/migrate", fx->dir);
	assert_true(mkdir(path, 0700) == 0 || access(path, W_OK) == 0);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "0001_core.sql", "0002_functions.sql",
			"0003_access.sql" };

		(void)snprintf(from, sizeof(from), "%s/migrate/%s", fx->sql, names[i]);
		(void)snprintf(path, sizeof(path), "%s/migrate/%s", fx->dir, names[i]);
		assert_true(symlink(from, path) == 0 || access(path, R_OK) == 0);
	}
	(void)snprintf(path, sizeof(path), "%s/migrate/%s", fx->dir, next);
	put_text(path, "w", text);
}

static void
migrate__leaves_nothing_of_a_file_that_fails(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");
	char path[256];

	put_migrations(fx, "0004_half.sql", "CREATE TABLE ventus.half (a int);\n\nSELEC 1;\n");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->dir), 1);
	expect_words(fx, "0004_half.sql:3: 42601");
	put_migrations(fx, "0004_half.sql", "CREATE TABLE ventus.half (a int); COMMIT;");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->dir), 1);
	expect_words(fx, "ends its own transaction");
	sql_do(conn, "DROP TABLE ventus.half");
	put_migrations(fx, "0004_half.sql", "SELECT 1 / 0");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->dir), 1);
	assert_int_equal(
	    sql_int(conn, "SELECT count(*) FROM ventus.schema_migration"), VS_SCHEMA_VERSION);
	(void)snprintf(path, sizeof(path), "%s/migrate/0004_half.sql", fx->dir);
	assert_int_equal(unlink(path), 0);
	put_migrations(fx, "0005_gap.sql", "SELECT 1");
	assert_int_equal(CTL(fx, "migrate", "--sql-dir", fx->dir), 1);
	expect_words(fx, "0005_gap.sql: the numbers before it have a gap");
	(void)snprintf(path, sizeof(path), "%s/migrate/0005_gap.sql", fx->dir);
	assert_int_equal(unlink(path), 0);
	PQfinish(conn);
}

static void
expect_key(const struct fixture *fx, const char *text, const char *name, enum api_role role)
{
	const char *at = strstr(text, name);
	char dsn[PG_DSN_SIZE], key[API_KEY_SIZE + 1];
	struct api_key found;
	struct vs_db *db;

	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(name), "%63s", key), 1);
	pg_dsn(fx->pg, "ventus_api", dsn);
	db = vs_db_new(dsn);
	assert_int_equal(api_key_check(db, key, &found), 0);
	assert_int_equal(found.role, role);
	vs_db_free(db);
}

static void
bootstrap__makes_what_a_first_call_needs(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");
	char first[27], again[27];

	assert_int_equal(CTL(fx, "bootstrap", "--tenant", "Acme", "--workspace", "main"), 0);
	expect_key(fx, fx->out, "VENTUS_API_KEY=", ROLE_OPERATOR);
	expect_key(fx, fx->out, "\nADMIN_API_KEY=", ROLE_ADMIN);
	assert_int_equal(
	    sscanf(strstr(fx->out, "\nVENTUS_WORKSPACE_ID="), "\nVENTUS_WORKSPACE_ID=%26s", first),
	    1);
	assert_int_equal(CTL(fx, "bootstrap", "--tenant=Acme", "--workspace=main"), 0);
	assert_int_equal(
	    sscanf(strstr(fx->out, "\nVENTUS_WORKSPACE_ID="), "\nVENTUS_WORKSPACE_ID=%26s", again),
	    1);
	assert_string_equal(first, again);
	assert_int_equal(sql_int(conn, "SELECT count(*) FROM ventus.workspace"), 1);
	assert_int_equal(CTL(fx, "bootstrap", "--tenant", ""), 1);
	expect_words(fx, "23514");
	PQfinish(conn);
}

static void
bootstrap__keeps_a_file_whose_keys_work(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");
	char path[128], text[512] = "";
	struct stat st;
	int64_t keys;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/keys.env", fx->dir);
	assert_int_equal(CTL(fx, "bootstrap", "--env-file", path), 0);
	assert_string_equal(fx->out, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = open(path, O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	expect_key(fx, text, "VENTUS_API_KEY=", ROLE_OPERATOR);
	keys = sql_int(conn, "SELECT count(*) FROM ventus.api_key");
	assert_int_equal(CTL(fx, "bootstrap", "--env-file", path), 0);
	assert_int_equal(sql_int(conn, "SELECT count(*) FROM ventus.api_key"), keys);
	sql_do(conn, "UPDATE ventus.api_key SET revoked_at = now()");
	assert_int_equal(CTL(fx, "bootstrap", "--env-file", path), 0);
	assert_int_equal(sql_int(conn, "SELECT count(*) FROM ventus.api_key"), keys + 2);
	assert_int_equal(CTL(fx, "bootstrap", "--env-file", "/nonexistent/x"), 1);
	PQfinish(conn);
}

static void
key_create__prints_a_key_of_that_role(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");
	vs_autofree char *ws = sql_text(conn, "SELECT id FROM ventus.workspace LIMIT 1");

	assert_int_equal(
	    CTL(fx, "key", "create", "--workspace", ws, "--role", "viewer", "--name", "ci"), 0);
	expect_key(fx, fx->out, "", ROLE_VIEWER);
	assert_int_equal(sql_int(conn, "SELECT count(*) FROM ventus.api_key WHERE name = 'ci'"), 1);
	assert_int_equal(CTL(fx, "key", "create", "--workspace", "01J00000000000000000000001",
			     "--role", "viewer"),
	    1);
	expect_words(fx, "there is no workspace");
	PQfinish(conn);
}

static void
keys_new__makes_files_that_the_keyring_takes(void **state)
{
	struct fixture *fx = *state;
	struct vs_keyring *ring = NULL;
	char dir[128], first[64];
	struct vs_buf fault;

	(void)snprintf(dir, sizeof(dir), "%s/keys", fx->dir);
	assert_int_equal(CTL(fx, "keys", "new", "--dir", dir), 1);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(CTL(fx, "keys", "new", "--dir", dir), 0);
	vs_buf_init(&fault, 1024);
	assert_int_equal(vs_keyring_load(dir, &fault, &ring), 0);
	(void)snprintf(first, sizeof(first), "%s", vs_keyring_current(ring));
	assert_int_equal(strlen(first), 9);
	vs_keyring_free(ring);
	assert_int_equal(CTL(fx, "keys", "new", "--dir", dir), 0);
	assert_int_equal(vs_keyring_load(dir, &fault, &ring), 0);
	assert_true(strcmp(vs_keyring_current(ring), first) > 0);
	vs_keyring_free(ring);
	vs_buf_fini(&fault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ventusctl__knows_its_usage),
		cmocka_unit_test(migrate__says_what_is_missing),
		cmocka_unit_test(migrate__four_at_once_apply_each_file_once),
		cmocka_unit_test(migrate__again_changes_nothing),
		cmocka_unit_test(migrate__works_for_a_member_who_is_no_superuser),
		cmocka_unit_test(migrate__refuses_another_history),
		cmocka_unit_test(migrate__leaves_nothing_of_a_file_that_fails),
		cmocka_unit_test(bootstrap__makes_what_a_first_call_needs),
		cmocka_unit_test(bootstrap__keeps_a_file_whose_keys_work),
		cmocka_unit_test(key_create__prints_a_key_of_that_role),
		cmocka_unit_test(keys_new__makes_files_that_the_keyring_takes),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
