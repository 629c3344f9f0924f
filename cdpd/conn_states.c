/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/conn_states.h"

#include "cdpd/dial.h"
#include "cdpd/fetch.h"
#include "cdpd/handshake.h"
#include "cdpd/relay.h"
#include "cdpd/tunnel.h"

/* clang-format off */
#define STATE(sym, title, ms, in, out, late, ...)				\
	const struct conn_state sym = { .name = (title), .timeout_ms = (ms),	\
	    .readable = (in), .writable = (out), .expired = (late), __VA_ARGS__ }

/*    symbol            name             limit  readable           writable         expired */
STATE(client_head,      "head",          10000, handshake_read,    NULL,            NULL);
STATE(client_asking,    "asking",        10000, NULL,              NULL,            handshake_db_late);
STATE(client_early,     "early",         0,     NULL,              NULL,            handshake_wait_over);
STATE(client_dialing,   "dialing",       0,     NULL,              NULL,            NULL);
STATE(client_answered,  "answered",      5000,  NULL,              handshake_told,  NULL);
STATE(client_linger,    "linger",        2000,  handshake_linger,  NULL,            NULL);

STATE(tunnel_open,      "open",          0,     relay_read,        relay_flush,     relay_close_late, .edge = true);
STATE(client_draining,  "draining",      5000,  NULL,              relay_drain,     NULL);
STATE(client_orphan,    "orphan",        2000,  relay_gone_read,   relay_flush,     tunnel_orphan_over);
STATE(client_closing,   "closing",       2000,  relay_close_read,  relay_flush,     NULL);

STATE(upstream_connect, "connect",       5000,  NULL,              dial_connected,  NULL);
STATE(upstream_document, "document",      10000, fetch_read,        relay_flush,     NULL);
STATE(upstream_answer,  "answer",        10000, dial_answer,       relay_flush,     NULL);
