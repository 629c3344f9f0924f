/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dbq.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "lib/err.h"
#include "lib/list.h"
#include "lib/pq.h"

#define CONNECT_MS     3000
#define SILENCE_MS     15000 /* no byte for so long while answers are due: lost */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 2000
#define MAX_FLIGHT     64 /* statements sent and not answered */

struct request {
	struct vs_node node; /* on dbq->waiting, ->flight or ->lost */
	struct vs_dbq *dbq;
	uint64_t ticket;
	const struct vs_stmt *stmt;
	vs_dbq_fn fn; /* NULL: forgotten, or answered already */
	void *ctx;
	bool expired;
	struct vs_timer deadline;
	struct vs_pq_exchange exchange; /* while in flight */
	size_t nargs;
	struct vs_arg args[]; /* their bytes follow */
};

enum state { DOWN, CONNECTING, LISTENING, UP };

struct vs_dbq {
	struct vs_loop *loop;
	struct vs_dbq_hooks hooks;
	struct vs_pq_conninfo info;
	enum state state;
	PGconn *conn; /* NULL while DOWN */
	struct vs_watch io;
	struct vs_timer timer; /* always set: next attempt, end of connecting, silence */
	vs_msec heard_at;      /* last byte, or the first wish for one */
	unsigned int attempts; /* since it was last up */
	bool said_down;
	struct vs_pq_prepared prepared;
	char channel[VS_PQ_MAX_CHANNELS][VS_PQ_CHANNEL_SIZE];
	size_t nchannels;
	size_t nlistened;               /* channels sent on this connection */
	size_t nlistening;              /* of these, not answered yet */
	struct vs_node waiting, flight; /* oldest first */
	struct vs_node lost;            /* being told so */
	size_t nflight;
	size_t count, max_queue; /* requests of ours and of the callers */
	uint64_t last_ticket;
	char errtext[VS_PQ_ERRTEXT_SIZE];
};

static void dbq_on_io(struct vs_watch *watch, uint32_t revents);
static void dbq_on_timer(struct vs_timer *timer);

/*
 * Moving a timer that is set needs no memory, nor does setting it again from its own
 * callback. It is never cleared, so only the first time, in vs_dbq_new(), can fail.
 */
static void
dbq_arm(struct vs_dbq *dbq, vs_msec in_ms)
{
	int rc = vs_loop_timer(
	    dbq->loop, &dbq->timer, vs_loop_now(dbq->loop) + in_ms, dbq_on_timer, dbq);

	assert(rc == 0);
}

static void
request_free(struct request *req)
{
	vs_loop_timer_clear(req->dbq->loop, &req->deadline);
	vs_list_remove(&req->node);
	vs_pq_exchange_fini(&req->exchange);
	req->dbq->count--;
	free(req);
}

/* Tell the caller, once. */
static void
request_answer(struct request *req, int rc, const PGresult *res)
{
	vs_dbq_fn fn = req->fn;

	req->fn = NULL;
	if (fn != NULL)
		fn(req->ctx, rc, res);
}

static void
answer_all(struct vs_node *list, int rc)
{
	while (!vs_list_empty(list)) {
		struct request *req = VS_LIST_FIRST(list, struct request, node);

		request_answer(req, rc, NULL);
		request_free(req);
	}
}

static vs_msec
backoff_ms(unsigned int attempts)
{
	vs_msec most = BACKOFF_MAX_MS;
	uint8_t dice = 128;

	if (attempts < 5)
		most = (vs_msec)BACKOFF_MIN_MS << attempts;
	if (most > BACKOFF_MAX_MS)
		most = BACKOFF_MAX_MS;
	/* Without randomness all workers come back at once: worse, not wrong. */
	if (getrandom(&dice, 1, GRND_NONBLOCK) != 1)
		dice = 128;
	return most / 2 + most / 2 * dice / 255;
}

/*
 * Sort what was under way: to be sent again in front of all others, or to be told
 * that it is lost.
 */
static void
dbq_recall_flight(struct vs_dbq *dbq)
{
	while (!vs_list_empty(&dbq->flight)) {
		struct request *req = VS_CONTAINER(dbq->flight.prev, struct request, node);
		bool again = req->stmt->repeatable && !req->expired;

		vs_list_remove(&req->node);
		vs_pq_exchange_fini(&req->exchange);
		req->exchange = (struct vs_pq_exchange){ .stmt = NULL };
		/* Walked from the last: put at the head, their order stays. */
		vs_list_append(again ? dbq->waiting.next : dbq->lost.next, &req->node);
	}
	dbq->nflight = 0;
}

/* The one way down: whatever was wrong with the connection, it is over. */
static void
dbq_lose(struct vs_dbq *dbq, const char *why)
{
	bool was_up = dbq->state == UP;

	(void)snprintf(dbq->errtext, sizeof(dbq->errtext), "%s", why);
	vs_loop_remove(dbq->loop, &dbq->io);
	PQfinish(dbq->conn);
	dbq->conn = NULL;
	dbq->state = DOWN;
	dbq->prepared.count = 0;
	dbq->nlistened = 0;
	dbq->nlistening = 0;
	dbq_arm(dbq, backoff_ms(dbq->attempts++));
	dbq_recall_flight(dbq);
	if ((was_up || !dbq->said_down) && dbq->hooks.down != NULL)
		dbq->hooks.down(dbq->hooks.ctx, dbq->errtext);
	dbq->said_down = true;
	answer_all(&dbq->lost, VS_EDB);
}

static void
dbq_lose_conn(struct vs_dbq *dbq)
{
	char why[VS_PQ_ERRTEXT_SIZE];

	vs_pq_conn_errtext(dbq->conn, why);
	dbq_lose(dbq, why[0] != '\0' ? why : "connection lost");
}

static void
dbq_set_interest(struct vs_dbq *dbq, bool write)
{
	vs_loop_set(dbq->loop, &dbq->io, EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0));
}

/* Ask for a turn of dbq_on_io(): statements are sent from there only. */
static void
dbq_kick(struct vs_dbq *dbq)
{
	if (dbq->state == UP || dbq->state == LISTENING)
		dbq_set_interest(dbq, true);
}

static struct request *
request_new(struct vs_dbq *dbq, const struct vs_stmt *stmt, const struct vs_arg *args, size_t nargs)
{
	size_t size = sizeof(struct request) + nargs * sizeof(*args);
	struct request *req;
	char *at;

	for (size_t i = 0; i < nargs; i++) {
		if (args[i].ptr != NULL)
			size += args[i].type == VS_ARG_TEXT ? strlen(args[i].ptr) + 1 : args[i].len;
	}
	req = calloc(1, size);
	if (req == NULL)
		return NULL;
	at = (char *)&req->args[nargs];
	for (size_t i = 0; i < nargs; i++) {
		size_t len = args[i].type == VS_ARG_TEXT ? 1 : args[i].len;

		req->args[i] = args[i];
		if (args[i].ptr == NULL)
			continue;
		if (args[i].type == VS_ARG_TEXT)
			len = strlen(args[i].ptr) + 1;
		memcpy(at, args[i].ptr, len);
		req->args[i].ptr = at;
		at += len;
	}
	vs_list_init(&req->node);
	req->dbq = dbq;
	req->stmt = stmt;
	req->nargs = nargs;
	req->ticket = ++dbq->last_ticket;
	dbq->count++;
	return req;
}

/* No row of a table: LISTEN takes no parameter, so each channel is its own text. */
static const struct vs_stmt listen_stmt = { .name = "listen", .rows = VS_ROWS_NONE };

/* The first byte is awaited from now on. */
static void
flight_add(struct vs_dbq *dbq, struct request *req)
{
	vs_list_remove(&req->node);
	vs_list_append(&dbq->flight, &req->node);
	if (dbq->nflight++ == 0) {
		dbq->heard_at = vs_loop_now(dbq->loop);
		dbq_arm(dbq, SILENCE_MS);
	}
}

static int
send_listen(struct vs_dbq *dbq, const char *channel)
{
	struct request *req = request_new(dbq, &listen_stmt, NULL, 0);
	char sql[VS_PQ_CHANNEL_SIZE + 16];

	if (req == NULL)
		return VS_ENOMEM;
	flight_add(dbq, req);
	req->exchange = (struct vs_pq_exchange){ .stmt = req->stmt };
	dbq->nlistening++;
	(void)snprintf(sql, sizeof(sql), "LISTEN \"%s\"", channel);
	if (PQsendQueryParams(dbq->conn, sql, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
	    PQpipelineSync(dbq->conn) != 1)
		return VS_EDB;
	return 0;
}

static int
send_request(struct vs_dbq *dbq, struct request *req)
{
	struct vs_pq_args args;
	int rc = vs_pq_args(req->stmt, req->args, req->nargs, &args);

	if (rc < 0)
		return rc;
	flight_add(dbq, req);
	return vs_pq_send(dbq->conn, &dbq->prepared, NULL, req->stmt, &args, &req->exchange);
}

/* Channels first; statements only when all of them are heard. */
static int
send_queued(struct vs_dbq *dbq)
{
	int rc = 0;

	while (rc == 0 && dbq->nlistened < dbq->nchannels)
		rc = send_listen(dbq, dbq->channel[dbq->nlistened++]);
	while (rc == 0 && dbq->state == UP && dbq->nflight < MAX_FLIGHT &&
	       !vs_list_empty(&dbq->waiting))
		rc = send_request(dbq, VS_LIST_FIRST(&dbq->waiting, struct request, node));
	return rc;
}

static void
dbq_send(struct vs_dbq *dbq)
{
	int unsent;

	if (send_queued(dbq) < 0) {
		dbq_lose_conn(dbq);
		return;
	}
	unsent = PQflush(dbq->conn);
	if (unsent < 0)
		dbq_lose_conn(dbq);
	else
		dbq_set_interest(dbq, unsent > 0);
}

static void
dbq_went_up(struct vs_dbq *dbq)
{
	dbq->state = UP;
	dbq->attempts = 0;
	dbq->said_down = false;
	if (dbq->hooks.up != NULL)
		dbq->hooks.up(dbq->hooks.ctx);
	dbq_kick(dbq);
}

/* False: a LISTEN that failed, and so the connection is of no use. */
static bool
dbq_finish(struct vs_dbq *dbq, struct request *req)
{
	vs_autores PGresult *res = NULL;
	bool listen = req->stmt == &listen_stmt;
	int rc = vs_pq_verdict(&req->exchange, &res, dbq->errtext);

	dbq->nflight--;
	vs_list_remove(&req->node);
	request_answer(req, rc, res);
	request_free(req);
	if (listen && rc < 0) {
		dbq_lose(dbq, "LISTEN was refused");
		return false;
	}
	if (listen && --dbq->nlistening == 0 && dbq->state == LISTENING)
		dbq_went_up(dbq);
	return true;
}

/* Take every whole result. False: the connection is lost. */
static bool
dbq_take_results(struct vs_dbq *dbq)
{
	while (dbq->nflight > 0 && !PQisBusy(dbq->conn)) {
		struct request *req = VS_LIST_FIRST(&dbq->flight, struct request, node);
		PGresult *res = PQgetResult(dbq->conn);

		if (res == NULL && PQstatus(dbq->conn) != CONNECTION_OK) {
			dbq_lose_conn(dbq);
			return false;
		}
		if (vs_pq_take(&req->exchange, &dbq->prepared, res) && !dbq_finish(dbq, req))
			return false;
	}
	return true;
}

static void
dbq_take_notifies(struct vs_dbq *dbq)
{
	PGnotify *note;

	while ((note = PQnotifies(dbq->conn)) != NULL) {
		if (dbq->hooks.notify != NULL)
			dbq->hooks.notify(dbq->hooks.ctx, note->relname, note->extra);
		PQfreemem(note);
	}
}

/* A step of the connection; its socket may be another one each time. */
static void
dbq_connect_step(struct vs_dbq *dbq)
{
	PostgresPollingStatusType status = PQconnectPoll(dbq->conn);
	uint32_t events = status == PGRES_POLLING_WRITING ? EPOLLOUT : EPOLLIN;

	vs_loop_remove(dbq->loop, &dbq->io);
	if (status == PGRES_POLLING_FAILED || PQsocket(dbq->conn) < 0 ||
	    vs_loop_add(dbq->loop, &dbq->io, PQsocket(dbq->conn), events, dbq_on_io, dbq) < 0) {
		dbq_lose_conn(dbq);
		return;
	}
	if (status != PGRES_POLLING_OK)
		return;
	if (PQsetnonblocking(dbq->conn, 1) != 0 || PQenterPipelineMode(dbq->conn) != 1) {
		dbq_lose_conn(dbq);
		return;
	}
	dbq->state = LISTENING;
	dbq_arm(dbq, SILENCE_MS);
	if (dbq->nchannels == 0)
		dbq_went_up(dbq);
	dbq_kick(dbq);
}

static void
dbq_connect(struct vs_dbq *dbq)
{
	dbq->state = CONNECTING;
	dbq_arm(dbq, CONNECT_MS);
	dbq->conn = PQconnectStartParams(dbq->info.keywords, dbq->info.values, 0);
	if (dbq->conn == NULL) {
		dbq_lose(dbq, "out of memory");
		return;
	}
	(void)PQsetNoticeProcessor(dbq->conn, vs_pq_ignore_notice, NULL);
	/* Before the first PQconnectPoll() libpq wants the socket to be writable. */
	if (PQstatus(dbq->conn) == CONNECTION_BAD || PQsocket(dbq->conn) < 0 ||
	    vs_loop_add(dbq->loop, &dbq->io, PQsocket(dbq->conn), EPOLLOUT, dbq_on_io, dbq) < 0)
		dbq_lose_conn(dbq);
}

static void
dbq_on_io(struct vs_watch *watch, uint32_t revents)
{
	struct vs_dbq *dbq = watch->ctx;

	if (dbq->state == CONNECTING) {
		dbq_connect_step(dbq);
		return;
	}
	if ((revents & ~(uint32_t)EPOLLOUT) != 0) {
		dbq->heard_at = vs_loop_now(dbq->loop);
		if (PQconsumeInput(dbq->conn) != 1) {
			dbq_lose_conn(dbq);
			return;
		}
		if (!dbq_take_results(dbq))
			return;
		dbq_take_notifies(dbq);
	}
	dbq_send(dbq);
}

static void
dbq_on_timer(struct vs_timer *timer)
{
	struct vs_dbq *dbq = timer->ctx;
	vs_msec silent_ms = vs_loop_now(dbq->loop) - dbq->heard_at;

	if (dbq->state == DOWN)
		dbq_connect(dbq);
	else if (dbq->state == CONNECTING)
		dbq_lose(dbq, "no connection in time");
	else if (dbq->nflight > 0 && silent_ms >= SILENCE_MS)
		dbq_lose(dbq, "the server is silent");
	else
		dbq_arm(dbq, dbq->nflight > 0 ? SILENCE_MS - silent_ms : SILENCE_MS);
}

struct vs_dbq *
vs_dbq_new(
    struct vs_loop *loop, const char *conninfo, size_t max_queue, const struct vs_dbq_hooks *hooks)
{
	struct vs_dbq *dbq = calloc(1, sizeof(*dbq));

	if (dbq == NULL)
		return NULL;
	dbq->loop = loop;
	dbq->max_queue = max_queue;
	dbq->io.fd = -1;
	if (hooks != NULL)
		dbq->hooks = *hooks;
	vs_list_init(&dbq->waiting);
	vs_list_init(&dbq->flight);
	vs_list_init(&dbq->lost);
	if (vs_pq_conninfo(conninfo, &dbq->info) < 0 ||
	    vs_loop_timer(loop, &dbq->timer, vs_loop_now(loop), dbq_on_timer, dbq) < 0) {
		vs_pq_conninfo_fini(&dbq->info);
		free(dbq);
		return NULL;
	}
	return dbq;
}

void
vs_dbq_free(struct vs_dbq *dbq)
{
	if (dbq == NULL)
		return;
	vs_loop_remove(dbq->loop, &dbq->io);
	PQfinish(dbq->conn);
	answer_all(&dbq->flight, VS_ECLOSED);
	answer_all(&dbq->waiting, VS_ECLOSED);
	vs_loop_timer_clear(dbq->loop, &dbq->timer);
	vs_pq_conninfo_fini(&dbq->info);
	free(dbq);
}

int
vs_dbq_listen(struct vs_dbq *dbq, const char *channel)
{
	if (!vs_pq_channel_ok(channel))
		return VS_EINVAL;
	if (dbq->nchannels == VS_PQ_MAX_CHANNELS)
		return VS_EFULL;
	memcpy(dbq->channel[dbq->nchannels++], channel, strlen(channel) + 1);
	dbq_kick(dbq);
	return 0;
}

/* Still in flight, it keeps its place: answers come in the order of the questions. */
static void
request_on_deadline(struct vs_timer *timer)
{
	struct request *req = timer->ctx;
	bool sent = req->exchange.stmt != NULL;

	req->expired = true;
	(void)snprintf(req->dbq->errtext, sizeof(req->dbq->errtext), "%s in time",
	    sent ? "no answer" : "not connected");
	request_answer(req, VS_EDB, NULL);
	if (!sent)
		request_free(req);
}

int
vs_dbq_run(struct vs_dbq *dbq, const struct vs_stmt *stmt, const struct vs_arg *args, size_t nargs,
    vs_msec deadline, vs_dbq_fn fn, void *ctx, uint64_t *ret_ticket)
{
	struct vs_pq_args check;
	struct request *req;
	int rc = vs_pq_args(stmt, args, nargs, &check);

	if (rc < 0)
		return rc;
	if (dbq->count >= dbq->max_queue)
		return VS_EFULL;
	req = request_new(dbq, stmt, args, nargs);
	if (req == NULL)
		return VS_ENOMEM;
	rc = vs_loop_timer(dbq->loop, &req->deadline, deadline, request_on_deadline, req);
	if (rc < 0) {
		request_free(req);
		return rc;
	}
	req->fn = fn;
	req->ctx = ctx;
	vs_list_append(&dbq->waiting, &req->node);
	if (ret_ticket != NULL)
		*ret_ticket = req->ticket;
	dbq_kick(dbq);
	return 0;
}

static bool
list_forget(struct vs_node *list, uint64_t ticket)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, list) {
		struct request *req = VS_CONTAINER(it, struct request, node);

		if (req->ticket == ticket) {
			req->fn = NULL;
			return true;
		}
	}
	return false;
}

void
vs_dbq_forget(struct vs_dbq *dbq, uint64_t ticket)
{
	(void)(list_forget(&dbq->flight, ticket) || list_forget(&dbq->waiting, ticket) ||
	       list_forget(&dbq->lost, ticket));
}

const char *
vs_dbq_errtext(const struct vs_dbq *dbq)
{
	return dbq->errtext;
}

bool
vs_dbq_is_up(const struct vs_dbq *dbq)
{
	return dbq->state == UP;
}
