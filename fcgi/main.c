/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ventus-api - the REST API: a FastCGI responder with a fixed number of workers.
 */

#include <stdio.h>
#include <stdlib.h>

#include "fcgi/wait.h"
#include "fcgi/worker.h"
#include "lib/cleanup.h"
#include "lib/daemon.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/keyring.h"
#include "lib/log.h"
#include "lib/prefork.h"

#define PROGRAM "ventus-api"
#define BACKLOG 4096 /* at least lighttpd's max-connections: a full one is a 500 */
#define STOP_MS 5000 /* a worker has one request at hand, and waits end at once */

static int
start_listening(struct worker_setup *setup)
{
	const struct vs_conf *conf = setup->conf;
	vs_autofree char *path = NULL;

	if (asprintf(&path, "%s/api.sock", conf->platform_run_dir) < 0) {
		path = NULL;
		return VS_ENOMEM;
	}
	return vs_daemon_listen_unix(path, 0660, conf->platform_user, BACKLOG, &setup->listen_fd);
}

static int
become_user(struct worker_setup *setup)
{
	return vs_daemon_become(setup->conf->platform_user);
}

/* Keys that do not load stop the start, not each worker in turn. */
static int
try_keys(struct worker_setup *setup)
{
	struct vs_keyring *ring = NULL;
	struct vs_buf fault;
	int rc;

	vs_buf_init(&fault, 1024);
	rc = vs_keyring_load(setup->conf->platform_keys_dir, &fault, &ring);
	if (rc < 0)
		log_error("keys.failed", VS_LOG_ERR(rc), VS_LOG_STR("detail", vs_buf_str(&fault)));
	vs_buf_fini(&fault);
	vs_keyring_free(ring);
	return rc;
}

/* A schema of another release is refused; a database that is away is waited for. */
static int
try_schema(struct worker_setup *setup)
{
	struct vs_db *db = vs_db_new(setup->conf->database_api);
	int rc;

	if (db == NULL)
		return VS_ENOMEM;
	rc = vs_db_check_schema(db);
	if (rc < 0)
		log_warning(
		    "api.database", VS_LOG_ERR(rc), VS_LOG_STR("detail", vs_db_errtext(db)));
	vs_db_free(db);
	return rc == VS_EDB ? 0 : rc;
}

static int
share_memory(struct worker_setup *setup)
{
	setup->waiting = wait_slots_new((int)setup->conf->api_workers);
	return setup->waiting != NULL ? 0 : VS_ENOMEM;
}

static const struct {
	const char *name;
	int (*run)(struct worker_setup *setup);
} steps[] = {
	{ "listen", start_listening },
	{ "become user", become_user },
	{ "load keys", try_keys },
	{ "know schema", try_schema },
	{ "share memory", share_memory },
};

static int
start(struct worker_setup *setup)
{
	int rc = 0;

	for (size_t i = 0; i < VS_COUNTOF(steps) && rc == 0; i++) {
		rc = steps[i].run(setup);
		if (rc < 0)
			log_error("api.start", VS_LOG_STR("step", steps[i].name), VS_LOG_ERR(rc));
	}
	return rc;
}

int
main(int argc, char **argv)
{
	struct vs_daemon_opts opts;
	struct worker_setup setup = { .listen_fd = -1 };
	struct vs_conf *conf;
	int rc, rest;

	vs_daemon_options(argc, argv, PROGRAM, "answer the REST API over FastCGI", &opts, &rest);
	conf = vs_daemon_conf(&opts, PROGRAM);
	setup.conf = conf;
	rc = start(&setup);
	if (rc == 0) {
		/* From here on nothing can fail but a worker, and that is started again. */
		vs_daemon_ready();
		rc = vs_prefork_run(&(const struct vs_prefork){
		    .workers = (int)conf->api_workers,
		    .respawn_pause_ms = 200,
		    .stop_wait_ms = STOP_MS,
		    .work = worker_run,
		    .ctx = &setup,
		});
		vs_daemon_stopping();
	}
	wait_slots_free(setup.waiting);
	vs_cleanup_fd(&setup.listen_fd);
	vs_conf_free(conf);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
