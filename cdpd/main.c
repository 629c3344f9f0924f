/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "cdpd/listener.h"
#include "cdpd/server.h"
#include "lib/conf.h"
#include "lib/daemon.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/prefork.h"

#define PROGRAM "ventus-cdpd"

struct app {
	struct vs_conf *conf;
	int listen_fd;
};

/* One worker, from fork to exit. */
static int
app_work(void *ctx, int slot)
{
	const struct app *app = ctx;
	struct server *srv;
	struct vs_buf fault;
	int rc;

	vs_buf_init(&fault, 4096);
	rc = server_new(app->conf, app->listen_fd, &fault, &srv);
	if (rc < 0) {
		log_error("cdpd.start_failed", VS_LOG_INT("slot", slot), VS_LOG_ERR(rc),
		    VS_LOG_STR("why", vs_buf_str(&fault)));
		vs_buf_fini(&fault);
		return EXIT_FAILURE;
	}
	vs_buf_fini(&fault);
	log_info("cdpd.started", VS_LOG_INT("slot", slot), VS_LOG_STR("instance", srv->instance.id),
	    VS_LOG_INT("max_clients", srv->max_clients));
	rc = server_run(srv);
	server_free(srv);
	log_info("cdpd.stopped", VS_LOG_INT("slot", slot));
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A schema of another release is refused; a database that is away is waited for. */
static int
app_check_schema(const struct vs_conf *conf)
{
	struct vs_db *db = vs_db_new(conf->database_proxy);
	int rc;

	if (db == NULL)
		return VS_ENOMEM;
	rc = vs_db_check_schema(db);
	if (rc == VS_EDB)
		log_warning("cdpd.no_database", VS_LOG_STR("why", vs_db_errtext(db)));
	else if (rc < 0)
		log_error("cdpd.schema", VS_LOG_ERR(rc), VS_LOG_STR("why", vs_db_errtext(db)));
	vs_db_free(db);
	return rc == VS_EDB ? 0 : rc;
}

int
main(int argc, char **argv)
{
	struct vs_prefork prefork = {
		.respawn_pause_ms = 200,
		.stop_wait_ms = SERVER_STOP_MS + 1000,
		.work = app_work,
	};
	struct vs_daemon_opts opts;
	struct app app;
	int rest, rc;

	vs_daemon_options(argc, argv, PROGRAM, "carry CDP websockets to browsers", &opts, &rest);
	app.conf = vs_daemon_conf(&opts, PROGRAM);
	rc = listener_open(app.conf, &app.listen_fd);
	if (rc < 0) {
		log_error("cdpd.listen", VS_LOG_ERR(rc));
		vs_conf_free(app.conf);
		return EXIT_FAILURE;
	}
	rc = vs_daemon_become(app.conf->platform_user);
	if (rc == 0)
		rc = app_check_schema(app.conf);
	if (rc == 0) {
		/* From here on nothing keeps the daemon from running. */
		prefork.workers = (int)app.conf->cdpd_workers;
		prefork.ctx = &app;
		vs_daemon_ready();
		rc = vs_prefork_run(&prefork);
		vs_daemon_stopping();
	}
	(void)close(app.listen_fd);
	vs_conf_free(app.conf);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
