/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conn_states - every state a connection can be in; the table is in conn_states.c.
 */

#include "cdpd/conn.h"

/* A client before it is let in. */
extern const struct conn_state client_head;	/* its request head arrives */
extern const struct conn_state client_asking;	/* the database is asked */
extern const struct conn_state client_early;	/* the session is not RUNNING yet */
extern const struct conn_state client_dialing;	/* the agent is being dialed */
extern const struct conn_state client_answered;	/* a document, mostly a problem's, is on its way */
extern const struct conn_state client_linger;	/* all is written; its end of file is awaited */

/* A tunnel. */
extern const struct conn_state tunnel_open;	/* both halves: frames pass */
extern const struct conn_state client_draining;	/* the client sends no more, but replies still pass */
extern const struct conn_state client_orphan;	/* the browser is gone; why is not known yet */
extern const struct conn_state client_closing;	/* our Close frame is out; its is awaited */

/* The way to the agent. */
extern const struct conn_state upstream_connect;
extern const struct conn_state upstream_answer;	/* to the upgrade */
extern const struct conn_state upstream_document;
