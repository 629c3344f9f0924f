/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tunnel - a client that has been counted, and its way to Chrome.
 *
 * Lives from the database's "open" until its client's socket is buried. Bytes go
 * straight from one socket to the other; frames.c knows where a frame of ours may go
 * in between (the handlers are relay.c's). Whatever ends it, the client is told in a Close frame, if the stream to
 * it stands at a frame boundary within two seconds.
 *
 * Owner: its client conn. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cdpd/conn.h"
#include "lib/base.h"
#include "lib/list.h"
#include "lib/model/cdp_client.h"
#include "lib/ulid.h"

struct session;

struct tunnel {
	struct vs_node	 node;		/* on session->tunnels */
	struct session	*session;
	struct conn	*client, *upstream;	/* set to NULL by the one that dies */
	struct vs_buf	*inject;	/* our frames, waiting for a boundary towards the client */
	enum cdp_leave	 leave;		/* what its leaving will mean */
	bool		 left;		/* the database is being told, or need not be */
	bool		 keep_alive;
	bool		 opened;	/* upgraded */
	bool		 parted;	/* a Close frame has gone to the client */
	uint16_t	 close_code;	/* decided; 0: not yet */
	const char	*close_reason;	/* static or the session's */
	vs_msec		 began;
	vs_msec		 heard;		/* last byte from the client */
	vs_msec		 pinged;	/* our ping that is not answered yet; 0: none */
	uint64_t	 nonce;		/* of that ping */
	uint64_t	 client_bytes, upstream_bytes, upstream_frames;
	char		 id[VS_ULID_SIZE];
	char		 request_id[];
};

/* NULL: no memory. On failure the database still counts the client. */
struct tunnel	*tunnel_new(struct conn *client, struct session *session, const char *client_id,
		    const char *request_id, bool keep_alive);

/* Upgraded: frames pass from now on. */
void	tunnel_start(struct conn *client);

/* End it: a Close frame at the next boundary. The first code wins. */
void	tunnel_close(struct tunnel *t, uint16_t code, const char *reason);

/* A whole frame of ours to the client, at once or at the next boundary. VS_EFULL, VS_ENOMEM. */
int	tunnel_inject(struct tunnel *t, const void *frame, size_t len) VS_MUST_USE;
/* The stream to the client stands at a boundary: what was waiting goes out. */
void	tunnel_at_boundary(struct tunnel *t);

/* Both sides have sent their Close: the socket goes when everything is written. */
void	tunnel_may_part(struct tunnel *t);

/* Tell the database, once. */
void	tunnel_leave(struct tunnel *t);

/* Called by conn_bury(). */
void	tunnel_client_buried(struct conn *c);
void	tunnel_upstream_buried(struct conn *c);

/* The sweep's: ping an idle client, give up on a silent one. */
void	tunnel_check(struct tunnel *t, vs_msec now);

/* The orphan state's time is over: the end of the session has not been heard of. */
enum conn_next	tunnel_orphan_over(struct conn *c);
