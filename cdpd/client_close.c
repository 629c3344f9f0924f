/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/client_close.h"

#include <stdlib.h>
#include <string.h>

#include "cdpd/server.h"
#include "lib/err.h"
#include "lib/log.h"

#define CLOSE_RETRY_MS  500
#define CLOSE_MAX_TRIES 40 /* that a reachable database has refused */

struct client_close {
	struct vs_node node; /* on closes->waiting, or alone while it is under way */
	struct server *srv;
	enum cdp_leave leave;
	int tries;
	char client_id[VS_ULID_SIZE];
	char request_id[REQUEST_ID_SIZE];
};

static void
client_close_free(struct client_close *cl)
{
	vs_list_remove(&cl->node);
	cl->srv->closes.count--;
	free(cl);
}

static void
client_close_retry(struct vs_timer *timer)
{
	client_closes_flush(timer->ctx);
}

static void
client_close_wait(struct client_close *cl)
{
	struct server *srv = cl->srv;

	vs_list_append(&srv->closes.waiting, &cl->node);
	/* Without the timer the next one that leaves, or the database's return, asks again. */
	if (srv->closes.retry.slot == 0 &&
	    vs_loop_timer(srv->loop, &srv->closes.retry, vs_loop_now(srv->loop) + CLOSE_RETRY_MS,
		client_close_retry, srv) < 0)
		log_warning("cdp.leave_late", VS_LOG_ERR(VS_ENOMEM));
}

static void
client_close_done(void *ctx, int rc, const PGresult *res)
{
	struct client_close *cl = ctx;

	(void)res; /* the function returns nothing */
	if (rc == 0 || rc == VS_ECLOSED) {
		client_close_free(cl);
		return;
	}
	if (rc != VS_EDB && ++cl->tries >= CLOSE_MAX_TRIES) {
		log_error("cdp.leave_refused", VS_LOG_STR("client", cl->client_id),
		    VS_LOG_STR("request_id", cl->request_id), VS_LOG_ERR(rc));
		client_close_free(cl);
		return;
	}
	client_close_wait(cl);
}

static void
client_close_ask(struct client_close *cl)
{
	struct server *srv = cl->srv;

	vs_list_remove(&cl->node);
	if (cdp_client_close(srv->dbq, cl->client_id, cl->leave, cl->request_id,
		vs_loop_now(srv->loop) + SERVER_DB_MS, client_close_done, cl) < 0)
		client_close_wait(cl);
}

void
client_closes_init(struct client_closes *closes)
{
	vs_list_init(&closes->waiting);
}

void
client_close_tell(
    struct server *srv, const char *client_id, enum cdp_leave leave, const char *request_id)
{
	struct client_close *cl;

	/* Each live client may leave once, and the database may be away for a while. */
	cl = srv->closes.count < 4 * srv->max_clients + 1000 ? calloc(1, sizeof(*cl)) : NULL;
	if (cl == NULL) {
		log_error("cdp.leave_lost", VS_LOG_STR("client", client_id),
		    VS_LOG_STR("request_id", request_id));
		return;
	}
	vs_list_init(&cl->node);
	cl->srv = srv;
	cl->leave = leave;
	memcpy(cl->client_id, client_id, sizeof(cl->client_id));
	memcpy(cl->request_id, request_id, strlen(request_id) + 1);
	srv->closes.count++;
	if (vs_dbq_is_up(srv->dbq))
		client_close_ask(cl);
	else
		client_close_wait(cl);
}

void
client_closes_flush(struct server *srv)
{
	struct vs_node todo, *it, *tmp;

	vs_loop_timer_clear(srv->loop, &srv->closes.retry);
	vs_list_init(&todo);
	VS_LIST_EACH(it, tmp, &srv->closes.waiting) {
		vs_list_remove(it);
		vs_list_append(&todo, it);
	}
	VS_LIST_EACH(it, tmp, &todo) {
		struct client_close *cl = VS_CONTAINER(it, struct client_close, node);

		vs_list_remove(it);
		if (vs_dbq_is_up(srv->dbq))
			client_close_ask(cl);
		else
			client_close_wait(cl);
	}
}

void
client_closes_fini(struct server *srv)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &srv->closes.waiting)
		client_close_free(VS_CONTAINER(it, struct client_close, node));
}
