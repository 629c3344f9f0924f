/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/api.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ulid.h"
#include "tests/support/sql.h"

#define START_WAIT_MS 30000

static const char *
from_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : ".";
}

static void put_file(const struct api *api, const char *name, const char *fmt, ...) VS_PRINTF(3, 4);

static void
put_file(const struct api *api, const char *name, const char *fmt, ...)
{
	char path[TMPDIR_SIZE + 32];
	va_list args;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", api->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	va_start(args, fmt);
	assert_true(vfprintf(file, fmt, args) > 0);
	va_end(args);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* A program that dies with the test; what it says goes to a file in the directory. */
static pid_t
spawn(const struct api *api, const char *log, const char *const argv[])
{
	pid_t parent = getpid(), pid = fork();
	char path[TMPDIR_SIZE + 32];
	int fd;

	if (pid != 0) {
		assert_true(pid > 0);
		return pid;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	(void)snprintf(path, sizeof(path), "%s/%s", api->dir, log);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		err(1, "api: %s", path);
	(void)execv(argv[0], (char *const *)(const void *)argv);
	err(1, "api: %s", argv[0]);
}

/* Its exit status. */
static int
end(pid_t pid)
{
	int status = 0;

	if (pid <= 0)
		return 0;
	(void)kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What a sanitizer says, it says on a worker's standard error. */
static void
look_for_reports(const struct api *api)
{
	static const char *const signs[] = { "Sanitizer", "runtime error:", "Assertion" };
	char *logs = api_logs(api);

	for (size_t i = 0; i < VS_COUNTOF(signs); i++) {
		const char *at = strstr(logs, signs[i]);

		if (at != NULL)
			fail_msg("%.4000s", at);
	}
	free(logs);
}

static void
make_workspaces(struct api *api)
{
	static const enum api_role roles[WHO_COUNT] = { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR,
		ROLE_ADMIN, ROLE_OPERATOR };
	char tenant[VS_ULID_SIZE], id[VS_ULID_SIZE], dsn[PG_DSN_SIZE];
	uint8_t sha256[32];
	struct vs_db *db;

	vs_ulid_new(tenant);
	sql_do(api->sql, "INSERT INTO ventus.tenant (id, name) VALUES ('%s', 't')", tenant);
	for (int i = 0; i < 2; i++) {
		vs_ulid_new(api->workspace[i]);
		sql_do(api->sql,
		    "INSERT INTO ventus.workspace (id, tenant_id, name) VALUES ('%s', '%s', 'w%d')",
		    api->workspace[i], tenant, i);
	}
	pg_dsn(api->pg, "ventus_owner", dsn);
	db = vs_db_new(dsn);
	assert_non_null(db);
	for (int who = VIEWER; who < WHO_COUNT; who++) {
		assert_int_equal(api_key_new(api->key[who], id, sha256), 0);
		assert_int_equal(api_key_insert(db, api->workspace[who == STRANGER], "k",
				     roles[who], id, sha256),
		    0);
	}
	vs_db_free(db);
}

/* lighttpd's own error answers, as the package makes them. */
static void
make_errors(const struct api *api)
{
	char script[1024], table[1024], dir[TMPDIR_SIZE + 32];
	int status = 0;
	pid_t pid;

	(void)snprintf(
	    script, sizeof(script), "%s/etc/lighttpd/ventus-errors", from_env("top_srcdir"));
	(void)snprintf(table, sizeof(table), "%s/etc/lighttpd/errors.def", from_env("top_srcdir"));
	(void)snprintf(dir, sizeof(dir), "%s/errors", api->dir);
	pid = spawn(api, "errors.log",
	    (const char *const[]){
		"/bin/sh", script, table, "https://api.example.com", dir, NULL });
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
make_dir(const struct api *api, const char *name)
{
	char path[TMPDIR_SIZE + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", api->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void
configure(const struct api *api, int workers)
{
	char dsn[PG_DSN_SIZE];

	pg_dsn(api->pg, "ventus_api", dsn);
	make_dir(api, "keys");
	make_dir(api, "www");
	make_errors(api);
	put_file(api, "keys/k1.key", "%s", "0123456789abcdef0123456789ABCDEF");
	put_file(api, "ventus.conf",
	    "[platform]\nrun_dir = %s\nkeys_dir = %s/keys\npublic_url = https://api.example.com\n"
	    "[database]\napi = %s\n[api]\nworkers = %d\n[region us-east1]\ndriver = local\n",
	    api->dir, api->dir, dsn, workers);
	put_file(api, "lighttpd.conf",
	    "server.bind = \"%s\"\nserver.upload-dirs = ( \"%s\" )\n"
	    "var.run = \"%s\"\nvar.errors = \"%s/errors\"\nvar.docroot = \"%s/www\"\n"
	    "var.logscrub = \"%s/ventus-logscrub\"\nvar.logdir = \"%s\"\n"
	    "include \"%s/etc/lighttpd/ventus.conf\"\n",
	    api->web_socket, api->dir, api->dir, api->dir, api->dir, from_env("top_builddir"),
	    api->dir, from_env("top_srcdir"));
}

static bool
is_up(const struct api *api)
{
	struct http_answer answer;
	bool up;

	if (access(api->web_socket, F_OK) != 0 || access(api->api_socket, F_OK) != 0)
		return false;
	api_do(api, &(const struct api_call){ .method = "GET", .path = "/v1/ready" }, &answer);
	up = answer.status == 200;
	http_answer_fini(&answer);
	return up;
}

static void
start(struct api *api)
{
	const vs_msec deadline = vs_clock_mono_ms() + START_WAIT_MS;
	char daemon[1024], conf[TMPDIR_SIZE + 32], web_conf[TMPDIR_SIZE + 32];

	(void)snprintf(daemon, sizeof(daemon), "%s/fcgi/ventus-api", from_env("top_builddir"));
	(void)snprintf(conf, sizeof(conf), "%s/ventus.conf", api->dir);
	(void)snprintf(web_conf, sizeof(web_conf), "%s/lighttpd.conf", api->dir);
	api->daemon = spawn(api, "api.log", (const char *const[]){ daemon, "-c", conf, NULL });
	api->web = spawn(api, "web.log",
	    (const char *const[]){ "/usr/sbin/lighttpd", "-D", "-f", web_conf, NULL });
	while (!is_up(api)) {
		if (vs_clock_mono_ms() > deadline || waitpid(api->daemon, NULL, WNOHANG) != 0) {
			char *logs = api_logs(api);

			fail_msg("ventus-api does not come up:\n%s", logs);
		}
		(void)poll(NULL, 0, 10);
	}
}

struct api *
api_new(int workers)
{
	struct api *api = calloc(1, sizeof(*api));

	assert_non_null(api);
	api->pg = pg_new();
	api->sql = sql_open(api->pg, "postgres");
	tmpdir_new(api->dir);
	(void)snprintf(api->web_socket, sizeof(api->web_socket), "%s/web.sock", api->dir);
	(void)snprintf(api->api_socket, sizeof(api->api_socket), "%s/api.sock", api->dir);
	make_workspaces(api);
	configure(api, workers);
	start(api);
	return api;
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	(void)end(api->web); /* lighttpd's status depends on how its loggers end */
	assert_int_equal(end(api->daemon), 0);
	look_for_reports(api);
	PQfinish(api->sql);
	pg_free(api->pg);
	tmpdir_remove(api->dir);
	free(api);
}

int
api_start(const struct api *api, const struct api_call *call)
{
	int fd = http_open(api->web_socket);
	char *head = NULL;
	int len;

	len = asprintf(&head, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%s%s",
	    call->method, call->path, call->who != NOBODY ? "Authorization: Bearer " : "",
	    api->key[call->who], call->who != NOBODY ? "\r\n" : "",
	    call->headers != NULL ? call->headers : "");
	assert_true(len > 0);
	http_send(fd, head, (size_t)len);
	free(head);
	if (call->body == NULL) {
		http_send(fd, "\r\n", 2);
		return fd;
	}
	len = asprintf(&head, "%s%s%sContent-Length: %zu\r\n\r\n",
	    call->type == NULL || *call->type != '\0' ? "Content-Type: " : "",
	    call->type != NULL ? call->type : "application/json",
	    call->type == NULL || *call->type != '\0' ? "\r\n" : "", strlen(call->body));
	assert_true(len > 0);
	http_send(fd, head, (size_t)len);
	free(head);
	http_send(fd, call->body, strlen(call->body));
	return fd;
}

void
api_do(const struct api *api, const struct api_call *call, struct http_answer *ret_answer)
{
	http_read(api_start(api, call), ret_answer);
}

void
api_session(const struct api *api, const char *body, char ret_id[VS_ULID_SIZE])
{
	char key[VS_ULID_SIZE], header[64];
	struct http_answer answer;

	vs_ulid_new(key);
	(void)snprintf(header, sizeof(header), "Idempotency-Key: %s\r\n", key);
	api_do(api,
	    &(const struct api_call){ .method = "POST",
		.path = "/v1/sessions",
		.who = OPERATOR,
		.headers = header,
		.body = body },
	    &answer);
	if (answer.status != 202)
		fail_msg("create: %s", answer.text);
	memcpy(ret_id, http_at(&answer, "/id"), VS_ULID_SIZE);
	http_answer_fini(&answer);
}

static void
move(const struct api *api, const char *id, const char *event, const char *code)
{
	char *moved = sql_text(api->sql,
	    "SELECT moved FROM ventus.session_move(NULL, '%s', '%s', ROW(%s, 'test', NULL, NULL)"
	    "::ventus.move_args, ROW('system', 'test', NULL, NULL, NULL)::ventus.actor)",
	    id, event, code);

	assert_non_null(moved);
	assert_string_equal(moved, "t");
	free(moved);
}

void
api_claim(const struct api *api, const char *id)
{
	move(api, id, "claim", "NULL");
}

void
api_run(const struct api *api, const char *id)
{
	move(api, id, "ready", "NULL");
}

void
api_fail(const struct api *api, const char *id, const char *code)
{
	char quoted[64];

	(void)snprintf(quoted, sizeof(quoted), "'%s'", code);
	move(api, id, "fail", quoted);
}

int
api_workers(const struct api *api, pid_t *ret_pids, int max)
{
	char path[64];
	int count = 0, pid;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", api->daemon, api->daemon);
	file = fopen(path, "r");
	assert_non_null(file);
	while (count < max && fscanf(file, "%d", &pid) == 1)
		ret_pids[count++] = pid;
	(void)fclose(file);
	return count;
}

static void
append_file(const struct api *api, const char *name, char *text, size_t size)
{
	size_t have = strlen(text);
	char path[TMPDIR_SIZE + 32];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", api->dir, name);
	file = fopen(path, "r");
	if (file == NULL)
		return;
	have += fread(text + have, 1, size - 1 - have, file);
	text[have] = '\0';
	(void)fclose(file);
}

char *
api_logs(const struct api *api)
{
	const size_t size = 16 * 1024 * 1024;
	char *text = calloc(1, size);

	assert_non_null(text);
	append_file(api, "api.log", text, size);
	append_file(api, "web.log", text, size);
	append_file(api, "web-error.log", text, size);
	append_file(api, "web-access.log", text, size);
	return text;
}
