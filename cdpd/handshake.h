/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * handshake - a client between its first byte and the upgrade or the refusal.
 *
 * head -> asking -> (early -> asking)* -> dialing -> open, or answered with a document.
 * Nothing is asked of the database before the token has been found right, and the token
 * is wiped when nothing needs it any more.
 *
 * Owner: its conn. Threads: one.
 */

#include <stdbool.h>

#include "cdpd/conn.h"
#include "cdpd/request.h"
#include "cdpd/route.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/list.h"
#include "lib/problem.h"
#include "lib/ulid.h"

#define WS_PROTOCOL_SIZE	256

struct lookup;
struct session;

struct handshake {
	struct vs_node	 node;			/* on session->handshakes once there is one */
	struct conn	*c;			/* its owner */
	struct session	*session;		/* NULL before the token was found right */
	struct lookup	*lookup;		/* the question under way; NULL: none */
	uint32_t	 news_seen;		/* session->news when it was asked */
	vs_msec		 wait_until;		/* for RUNNING */
	struct vs_buf	 in;			/* head; later what came with it */
	struct vs_buf	 answer;		/* the agent's head; later what came with it */
	enum route_kind	 kind;
	char		 agent_path[ROUTE_PATH_SIZE];
	char		 path[REQUEST_PATH_SIZE];	/* without the query; "": too long to be shown */
	char		 request_id[REQUEST_ID_SIZE];
	char		 ws_key[25];
	char		*ws_protocol;		/* owned; NULL: none asked for */
	char		*token;			/* owned, wiped; ROUTE_DOCUMENT only: goes into its URLs */
};

/* NULL: no memory. */
struct handshake *handshake_new(struct conn *c);
void	handshake_free(struct handshake *hs, struct server *srv);

/* Answer with a problem document and close. detail: static or borrowed, NULL: the title. */
enum conn_next	handshake_refuse(struct conn *c, enum vs_problem problem, const char *detail);

/* The whole answer: write it, count the client out again, and close. */
enum conn_next	handshake_answer(struct conn *c, const struct vs_buf *answer);

/* Ask the database; called again when the session is RUNNING. */
void	handshake_ask(struct conn *c);

/* A verdict for a client; called by lookup.c, which drives it afterwards. */
struct cdp_client_grant;
void	handshake_verdict(struct conn *c, int rc, const struct cdp_client_grant *grant,
	    const char *client_id);

/* The session has ended while this one was on its way in. */
void	handshake_session_ended(struct conn *c);

/* Handlers. */
enum conn_next	handshake_read(struct conn *c);
enum conn_next	handshake_db_late(struct conn *c);
enum conn_next	handshake_wait_over(struct conn *c);
enum conn_next	handshake_told(struct conn *c);
enum conn_next	handshake_linger(struct conn *c);
