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
#include "lib/err.h"
#include "lib/keyring.h"
#include "lib/log.h"
#include "lib/prefork.h"

#define BACKLOG 4096 /* at least lighttpd's max-connections: a full one is a 500 */

static int
fail(const char *what, int rc)
{
	log_error("api.start_failed", VS_LOG_STR("step", what), VS_LOG_ERR(rc));
	return EXIT_FAILURE;
}

/* A key directory that does not load stops the start, not each worker in turn. */
static int
check_keys(const struct vs_conf *conf)
{
	struct vs_keyring *ring = NULL;
	struct vs_buf fault;
	int rc;

	vs_buf_init(&fault, 1024);
	rc = vs_keyring_load(conf->platform_keys_dir, &fault, &ring);
	if (rc < 0)
		log_error("keys.failed", VS_LOG_ERR(rc), VS_LOG_STR("detail", vs_buf_str(&fault)));
	vs_buf_fini(&fault);
	vs_keyring_free(ring);
	return rc;
}

static int
listen_at(const struct vs_conf *conf, int *ret_fd)
{
	vs_autofree char *path = NULL;

	if (asprintf(&path, "%s/api.sock", conf->platform_run_dir) < 0) {
		path = NULL;
		return VS_ENOMEM;
	}
	return vs_daemon_listen_unix(path, 0660, conf->platform_user, BACKLOG, ret_fd);
}

int
main(int argc, char **argv)
{
	struct vs_daemon_opts opts;
	struct worker_setup setup = { .listen_fd = -1 };
	struct vs_conf *conf;
	int rc, rest;

	vs_daemon_options(
	    argc, argv, "ventus-api", "answer the REST API over FastCGI", &opts, &rest);
	conf = vs_daemon_conf(&opts, "ventus-api");
	rc = listen_at(conf, &setup.listen_fd);
	if (rc < 0)
		return fail("listen", rc);
	rc = vs_daemon_become(conf->platform_user);
	if (rc < 0)
		return fail("become user", rc);
	rc = check_keys(conf);
	if (rc < 0)
		return fail("load keys", rc);
	setup.conf = conf;
	setup.waiting = wait_slots_new((int)conf->api_workers);
	if (setup.waiting == NULL)
		return fail("share memory", VS_ENOMEM);

	/* From here on nothing can fail but a worker, and that is started again. */
	vs_daemon_ready();
	rc = vs_prefork_run(&(const struct vs_prefork){
	    .workers = (int)conf->api_workers,
	    .respawn_pause_ms = 200,
	    .stop_wait_ms = 35000,
	    .work = worker_run,
	    .ctx = &setup,
	});
	vs_daemon_stopping();
	wait_slots_free(setup.waiting);
	vs_conf_free(conf);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
