/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cdpd/client_close.h"
#include "cdpd/conn_states.h"
#include "cdpd/dial.h"
#include "cdpd/lookup.h"
#include "cdpd/reply.h"
#include "cdpd/server.h"
#include "cdpd/session.h"
#include "cdpd/tunnel.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

struct handshake *
handshake_new(struct conn *c)
{
	struct handshake *hs = calloc(1, sizeof(*hs));

	if (hs == NULL)
		return NULL;
	hs->c = c;
	vs_list_init(&hs->node);
	vs_buf_init(&hs->in, VS_HTTP_HEAD_MAX + 1024);
	vs_buf_init(&hs->answer, VS_HTTP_HEAD_MAX + 1024);
	vs_ulid_new(hs->request_id);
	return hs;
}

/* The client's address and credentials are nobody's business any longer. */
static void
handshake_wipe(struct handshake *hs)
{
	if (hs->in.base != NULL)
		explicit_bzero(hs->in.base, hs->in.size);
	vs_buf_fini(&hs->in);
}

/* It neither waits for the session nor for the database any more. */
static void
handshake_detach(struct handshake *hs, struct server *srv)
{
	struct session *session = hs->session;

	if (hs->lookup != NULL)
		lookup_forget(hs->lookup);
	hs->lookup = NULL;
	hs->session = NULL;
	vs_list_remove(&hs->node);
	if (session != NULL)
		session_put(&srv->sessions, session);
}

void
handshake_free(struct handshake *hs, struct server *srv)
{
	if (hs == NULL)
		return;
	handshake_detach(hs, srv);
	handshake_wipe(hs);
	vs_buf_fini(&hs->answer);
	free(hs->ws_protocol);
	if (hs->token != NULL)
		explicit_bzero(hs->token, strlen(hs->token));
	free(hs->token);
	free(hs);
}

static void
handshake_log_refusal(const struct conn *c, enum vs_problem problem)
{
	const struct session *session = c->handshake->session;

	if (session == NULL && c->tunnel != NULL)
		session = c->tunnel->session;
	log_info("cdp.refused", VS_LOG_STR("session", session != NULL ? session->id : NULL),
	    VS_LOG_STR("workspace", session != NULL ? session->workspace_id : NULL),
	    VS_LOG_STR("request_id", c->handshake->request_id),
	    VS_LOG_INT("status", vs_problem_row(problem)->status),
	    VS_LOG_STR("problem", vs_problem_row(problem)->slug), VS_LOG_STR("why", c->why));
}

enum conn_next
handshake_answer(struct conn *c, const struct vs_buf *answer)
{
	struct handshake *hs = c->handshake;

	vs_buf_init(&c->out, vs_buf_len(answer)); /* nothing was written before */
	conn_send(c, vs_buf_data(answer), vs_buf_len(answer));
	handshake_wipe(hs);
	handshake_detach(hs, c->srv);
	if (c->tunnel != NULL)
		tunnel_leave(c->tunnel);
	if (c->peer != NULL)
		conn_fail(c->peer, "answered");
	conn_goto(c, &client_answered);
	return handshake_told(c);
}

enum conn_next
handshake_refuse(struct conn *c, enum vs_problem problem, const char *detail)
{
	struct handshake *hs = c->handshake;
	enum conn_next next;
	struct vs_buf out;
	struct vs_problem_doc doc = {
		.problem = problem,
		.public_url = c->srv->conf->platform_public_url,
		.detail = detail,
		.instance = hs->path[0] != '\0' ? hs->path : NULL,
		.request_id = hs->request_id,
	};

	handshake_log_refusal(c, problem);
	vs_buf_init(&out, 8192);
	if (reply_problem(&doc, &out) < 0)
		conn_fail(c, "no-memory");
	next = handshake_answer(c, &out);
	vs_buf_fini(&out);
	return next;
}

enum conn_next
handshake_told(struct conn *c)
{
	conn_flush(c);
	c->deadline = c->moved + c->state->timeout_ms;
	if (vs_buf_len(&c->out) > 0)
		return CONN_WAIT;
	(void)shutdown(c->fd, SHUT_WR); /* a dead client is noticed by reading */
	conn_goto(c, &client_linger);
	return CONN_WAIT;
}

enum conn_next
handshake_linger(struct conn *c)
{
	return conn_discard(c) ? conn_close(c, "refused") : CONN_WAIT;
}

/* 0, VS_EAUTH: no token of ours, VS_EFORBIDDEN: another session's. c->why is for the log. */
static int
handshake_check_token(struct conn *c, const struct vs_http_head *head, const struct route *route,
    struct vs_jwt_claims *ret_claims)
{
	char token[VS_JWT_MAX + 1];
	int rc;

	c->why = "no token";
	rc = route_token(head, token);
	if (rc == 0)
		rc = vs_jwt_verify(c->srv->ring, c->srv->conf->platform_public_url, VS_JWT_CDP,
		    token, vs_clock_wall_ms() / 1000, ret_claims, &c->why);
	if (rc == 0 && route->kind == ROUTE_DOCUMENT)
		c->handshake->token = strdup(token);
	explicit_bzero(token, sizeof(token));
	if (rc < 0)
		return VS_EAUTH;
	c->why = "token of another session";
	if (strcmp(ret_claims->sid, route->session_id) != 0)
		return VS_EFORBIDDEN;
	c->why = NULL;
	return 0;
}

/* Keep what the agent will be told; the rest of the head, the token above all, goes. */
static int
handshake_keep(struct handshake *hs, const struct vs_http_head *head)
{
	const struct vs_str *key = vs_http_find(head, "Sec-WebSocket-Key");
	const struct vs_str *protocol = vs_http_find(head, "Sec-WebSocket-Protocol");
	size_t left = vs_buf_len(&hs->in) - head->size;
	struct vs_buf rest;
	int rc;

	if (key != NULL && key->len == sizeof(hs->ws_key) - 1)
		memcpy(hs->ws_key, key->ptr, key->len);
	if (protocol != NULL) {
		if (protocol->len >= WS_PROTOCOL_SIZE)
			return VS_ETOOBIG;
		hs->ws_protocol = strndup(protocol->ptr, protocol->len);
		if (hs->ws_protocol == NULL)
			return VS_ENOMEM;
	}
	vs_buf_init(&rest, hs->in.cap);
	rc = vs_buf_append(&rest, vs_buf_data(&hs->in) + head->size, left);
	handshake_wipe(hs);
	hs->in = rest;
	return rc;
}

static enum conn_next
handshake_head(struct conn *c, const struct vs_http_head *head)
{
	struct handshake *hs = c->handshake;
	struct vs_jwt_claims claims;
	enum vs_problem fault;
	struct route route;
	int rc;

	request_id_take(head, hs->request_id);
	request_path_take(head, hs->path);
	if (route_find(head->target, &route) < 0)
		return handshake_refuse(c, VS_PROBLEM_NOT_FOUND, NULL);
	fault =
	    route.kind == ROUTE_TUNNEL ? request_upgrade_fault(head) : request_document_fault(head);
	if (fault != VS_PROBLEM_NONE)
		return handshake_refuse(c, fault, NULL);
	rc = handshake_check_token(c, head, &route, &claims);
	if (rc == VS_EFORBIDDEN)
		return handshake_refuse(
		    c, VS_PROBLEM_FORBIDDEN, "The token is for another session.");
	if (rc < 0)
		return handshake_refuse(c, VS_PROBLEM_UNAUTHENTICATED, NULL);
	rc = handshake_keep(hs, head);
	if (rc == VS_ETOOBIG)
		return handshake_refuse(
		    c, VS_PROBLEM_BAD_REQUEST, "Sec-WebSocket-Protocol is too long.");
	hs->session = rc < 0 ? NULL : session_get(&c->srv->sessions, claims.sid, claims.wid);
	if (hs->session == NULL)
		return conn_close(c, "no-memory");
	vs_list_append(&hs->session->handshakes, &hs->node);
	hs->kind = route.kind;
	memcpy(hs->agent_path, route.agent_path, sizeof(hs->agent_path));
	hs->wait_until = vs_loop_now(c->srv->loop) + c->srv->conf->cdpd_connect_wait_seconds * 1000;
	handshake_ask(c);
	return CONN_WAIT;
}

enum conn_next
handshake_read(struct conn *c)
{
	struct handshake *hs = c->handshake;
	struct vs_http_head head;
	uint8_t *at;
	size_t room;
	ssize_t n;
	int rc;

	if (vs_buf_reserve(&hs->in, 0, &at, &room) < 0)
		return conn_close(c, "no-memory");
	n = recv(c->fd, at, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CONN_WAIT;
	if (n <= 0)
		return conn_close(c, "client-gone");
	vs_buf_filled(&hs->in, (size_t)n);
	rc = vs_http_request((const char *)vs_buf_data(&hs->in), vs_buf_len(&hs->in), &head);
	if (rc == VS_EAGAIN)
		return CONN_WAIT;
	if (rc == VS_ETOOBIG)
		return handshake_refuse(
		    c, VS_PROBLEM_BAD_REQUEST, "The request head is too large.");
	if (rc < 0)
		return handshake_refuse(c, VS_PROBLEM_BAD_REQUEST, NULL);
	return handshake_head(c, &head);
}

void
handshake_ask(struct conn *c)
{
	struct handshake *hs = c->handshake;

	hs->news_seen = hs->session->news;
	if (lookup_start(c) < 0)
		(void)handshake_refuse(c, VS_PROBLEM_UNAVAILABLE, NULL); /* its verdict is WAIT */
	else
		conn_goto(c, &client_asking);
}

enum conn_next
handshake_db_late(struct conn *c)
{
	c->why = "database";
	return handshake_refuse(c, VS_PROBLEM_UNAVAILABLE, NULL);
}

enum conn_next
handshake_wait_over(struct conn *c)
{
	return handshake_refuse(c, VS_PROBLEM_CONNECT_TIMEOUT, NULL);
}

void
handshake_session_ended(struct conn *c)
{
	struct handshake *hs = c->handshake;
	const struct session *session = hs->session != NULL ? hs->session : c->tunnel->session;
	char detail[CLOSE_REASON_SIZE + 32];

	(void)snprintf(
	    detail, sizeof(detail), "The session has ended (%s).", session->close_reason);
	(void)handshake_refuse(c, VS_PROBLEM_SESSION_ENDED, detail); /* its verdict is WAIT */
}

/* Counted: from here on it is a tunnel, to be counted out whatever becomes of it. */
static void
handshake_admit(struct conn *c, const struct cdp_client_grant *grant, const char *client_id)
{
	struct handshake *hs = c->handshake;
	struct server *srv = c->srv;
	int rc;

	if (tunnel_new(c, hs->session, client_id, hs->request_id, grant->keep_alive_seconds > 0) ==
	    NULL) {
		client_close_tell(srv, client_id, CDP_LEAVE_ABORTED, hs->request_id);
		conn_fail(c, "no-memory");
		return;
	}
	handshake_detach(hs, srv);
	rc = dial_start(c, grant);
	if (rc < 0) {
		c->why = vs_err_text(rc);
		(void)handshake_refuse(c, VS_PROBLEM_BAD_GATEWAY, NULL); /* its verdict is WAIT */
		return;
	}
	conn_goto(c, &client_dialing);
}

static void
handshake_hold(struct conn *c)
{
	struct handshake *hs = c->handshake;

	/* It changed while the answer was on its way. */
	if (hs->session->news != hs->news_seen) {
		handshake_ask(c);
		return;
	}
	conn_goto(c, &client_early);
	c->deadline = hs->wait_until;
}

void
handshake_verdict(
    struct conn *c, int rc, const struct cdp_client_grant *grant, const char *client_id)
{
	struct session *session = c->handshake->session;

	c->handshake->lookup = NULL;
	if (rc == VS_ENOENT) {
		(void)handshake_refuse(c, VS_PROBLEM_NOT_FOUND, NULL);
	} else if (rc < 0) {
		c->why = vs_err_text(rc);
		(void)handshake_refuse(c, VS_PROBLEM_UNAVAILABLE, NULL);
	} else if (grant->verdict == CDP_OPEN) {
		handshake_admit(c, grant, client_id);
	} else if (grant->verdict == CDP_WAIT) {
		handshake_hold(c);
	} else if (grant->verdict == CDP_FULL) {
		(void)handshake_refuse(c, VS_PROBLEM_CLIENT_LIMIT, NULL);
	} else {
		session->ended = close_code_find(
		    grant->status, grant->why, &session->close_code, session->close_reason);
		handshake_session_ended(c);
	}
}
