/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/pg.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/migrate.h"
#include "lib/clock.h"
#include "tests/support/tmpdir.h"

#define BIN           "/usr/lib/postgresql/15/bin/"
#define START_WAIT_MS 60000

struct pg {
	char dir[TMPDIR_SIZE]; /* the socket's; data/ and log are in it */
	char data[80], log[80];
	pid_t owner; /* the test program */
	pid_t pid;   /* postmaster; 0: down */
};

/* The cluster of this program, so that it goes however the program ends. */
static struct pg *at_exit;

static const char *
sql_dir(char *ret_path, size_t size)
{
	const char *top = getenv("top_srcdir");

	(void)snprintf(ret_path, size, "%s/sql", top != NULL ? top : ".");
	return ret_path;
}

/* In the child: PostgreSQL refuses to run as root. */
static void
become_postgres(void)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;

	if (geteuid() == 0 && pw == NULL)
		errx(1, "pg: there is no user postgres");
	if (pw != NULL && (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
			      setuid(pw->pw_uid) != 0))
		err(1, "pg: become postgres");
}

static pid_t
spawn(const struct pg *pg, const char *const argv[])
{
	pid_t parent = getpid(), pid = fork();
	int fd;

	if (pid != 0) {
		if (pid < 0)
			err(1, "pg: fork");
		return pid;
	}
	become_postgres();
	(void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (getppid() != parent)
		_exit(1);
	fd = open(pg->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(pg->dir) != 0)
		err(1, "pg: %s", pg->log);
	(void)execv(argv[0], (char *const *)(const void *)argv);
	err(1, "pg: %s", argv[0]);
}

static void
run(const struct pg *pg, const char *const argv[])
{
	int status = 0;
	pid_t pid = spawn(pg, argv);

	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "pg: %s failed, see %s", argv[0], pg->log);
}

static void
initdb(struct pg *pg)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;

	if (pw != NULL && chown(pg->dir, pw->pw_uid, pw->pw_gid) != 0)
		err(1, "pg: chown %s", pg->dir);
	(void)snprintf(pg->data, sizeof(pg->data), "%s/data", pg->dir);
	(void)snprintf(pg->log, sizeof(pg->log), "%s/log", pg->dir);
	run(pg, (const char *const[]){ BIN "initdb", "-A", "trust", "-U", "postgres", "-N",
		    "--no-instructions", "-E", "UTF8", "--locale=C", "-D", pg->data, NULL });
}

void
pg_start(struct pg *pg)
{
	vs_msec deadline = vs_clock_mono_ms() + START_WAIT_MS;
	char dsn[PG_DSN_SIZE];

	pg->pid =
	    spawn(pg, (const char *const[]){ BIN "postgres", "-D", pg->data, "-k", pg->dir, "-c",
			  "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=150", "-c",
			  "shared_buffers=32MB", "-c", "unix_socket_permissions=0777", "-c",
			  "deadlock_timeout=100ms", NULL });
	if (geteuid() == 0 && chmod(pg->dir, 0755) != 0)
		err(1, "pg: chmod %s", pg->dir);
	pg_dsn(pg, "postgres", dsn);
	while (PQping(dsn) != PQPING_OK) {
		if (waitpid(pg->pid, NULL, WNOHANG) != 0)
			errx(1, "pg: the server ended, see %s", pg->log);
		if (vs_clock_mono_ms() > deadline)
			errx(1, "pg: no answer within %d s", START_WAIT_MS / 1000);
		(void)poll(NULL, 0, 5);
	}
}

static void
end(struct pg *pg, int signo)
{
	if (pg->pid == 0)
		return;
	(void)kill(pg->pid, signo);
	if (waitpid(pg->pid, NULL, 0) != pg->pid)
		err(1, "pg: waitpid");
	pg->pid = 0;
}

void
pg_stop(struct pg *pg)
{
	end(pg, SIGINT); /* fast shutdown */
}

/*
 * Signal the server and its children, which are in sessions of their own, so that
 * no process group has them all.
 */
static void
signal_all(const struct pg *pg, int signo)
{
	char path[64];
	FILE *list;
	int child;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pg->pid, pg->pid);
	list = fopen(path, "re");
	if (list == NULL || kill(pg->pid, signo) != 0)
		err(1, "pg: signal %d", signo);
	while (fscanf(list, "%d", &child) == 1)
		(void)kill(child, signo);
	(void)fclose(list);
}

void
pg_kill(struct pg *pg)
{
	signal_all(pg, SIGKILL);
	end(pg, SIGKILL);
}

void
pg_pause(struct pg *pg)
{
	signal_all(pg, SIGSTOP);
}

void
pg_resume(struct pg *pg)
{
	signal_all(pg, SIGCONT);
}

void
pg_dsn(const struct pg *pg, const char *user, char ret_dsn[PG_DSN_SIZE])
{
	bool owner = strcmp(user, "ventus_owner") == 0;

	(void)snprintf(ret_dsn, PG_DSN_SIZE, "host=%s dbname=ventus user=%s%s", pg->dir,
	    owner ? "postgres" : user, owner ? " options='-c role=ventus_owner'" : "");
}

const char *
pg_dir(const struct pg *pg)
{
	return pg->dir;
}

static void
free_at_exit(void)
{
	/* A child of the test that ends by exit() must not take it away. */
	if (at_exit != NULL && at_exit->owner == getpid())
		pg_free(at_exit);
}

static void
create_database(const struct pg *pg)
{
	char dsn[PG_DSN_SIZE];
	PGconn *conn;
	PGresult *res;

	(void)snprintf(dsn, sizeof(dsn), "host=%s dbname=postgres user=postgres", pg->dir);
	conn = PQconnectdb(dsn);
	res = PQexec(conn, "CREATE DATABASE ventus");
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		errx(1, "pg: %s", PQerrorMessage(conn));
	PQclear(res);
	PQfinish(conn);
}

struct pg *
pg_new_empty(void)
{
	struct pg *pg = calloc(1, sizeof(*pg));

	if (pg == NULL)
		err(1, "pg");
	pg->owner = getpid();
	tmpdir_new(pg->dir);
	if (at_exit == NULL && atexit(free_at_exit) == 0)
		at_exit = pg;
	initdb(pg);
	pg_start(pg);
	create_database(pg);
	return pg;
}

struct pg *
pg_new(void)
{
	struct pg *pg = pg_new_empty();
	struct migrate_report report;
	struct vs_buf fault;
	char dsn[PG_DSN_SIZE], path[512];

	vs_buf_init(&fault, 4096);
	pg_dsn(pg, "postgres", dsn);
	(void)sql_dir(path, sizeof(path));
	if (migrate_roles(dsn, path, &fault) < 0 || migrate_run(dsn, path, &fault, &report) < 0)
		errx(1, "pg: migrate: %s", vs_buf_str(&fault));
	vs_buf_fini(&fault);
	return pg;
}

void
pg_free(struct pg *pg)
{
	if (pg == NULL)
		return;
	if (pg == at_exit)
		at_exit = NULL;
	end(pg, SIGQUIT); /* immediate: nobody reads this cluster again */
	tmpdir_remove(pg->dir);
	free(pg);
}
