/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/tunnel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cdpd/client_close.h"
#include "cdpd/conn_states.h"
#include "cdpd/handshake.h"
#include "cdpd/relay.h"
#include "cdpd/server.h"
#include "cdpd/session.h"
#include "lib/err.h"
#include "lib/log.h"

#define TUNNEL_INJECT_MAX 4096
#define TUNNEL_GONE_MS    60000 /* without a pong or anything else */

struct tunnel *
tunnel_new(struct conn *client, struct session *session, const char *client_id,
    const char *request_id, bool keep_alive)
{
	size_t size = strlen(request_id) + 1;
	struct tunnel *t = calloc(1, sizeof(*t) + size);

	if (t == NULL)
		return NULL;
	t->session = session;
	t->client = client;
	t->leave = CDP_LEAVE_ABORTED; /* until it is let in */
	t->keep_alive = keep_alive;
	t->began = vs_loop_now(client->srv->loop);
	memcpy(t->id, client_id, sizeof(t->id));
	memcpy(t->request_id, request_id, size);
	vs_list_append(&session->tunnels, &t->node);
	client->tunnel = t;
	return t;
}

void
tunnel_leave(struct tunnel *t)
{
	if (t->left)
		return;
	t->left = true;
	/* The end of the session has removed its clients already. */
	if (!t->session->ended)
		client_close_tell(t->client->srv, t->id, t->leave, t->request_id);
}

void
tunnel_may_part(struct tunnel *t)
{
	struct conn *client = t->client;

	if (!t->parted || !client->track.closed)
		return;
	conn_goto(client, &client_draining);
	if (vs_buf_len(&client->out) == 0)
		conn_fail(client, "client-close");
}

/* The Close frame, unless Chrome's own has passed; then only the client's answer is awaited. */
static void
tunnel_part(struct tunnel *t)
{
	uint8_t frame[127];
	size_t len;

	if (!t->parted) {
		len = vs_ws_close(t->close_code, t->close_reason, frame);
		conn_send(t->client, frame, len);
		t->parted = true;
	}
	if (t->upstream != NULL)
		conn_fail(t->upstream, "closed");
	conn_goto(t->client, &client_closing);
	tunnel_leave(t);
	tunnel_may_part(t);
}

void
tunnel_close(struct tunnel *t, uint16_t code, const char *reason)
{
	if (t->close_code != 0 || t->client == NULL)
		return;
	t->close_code = code;
	t->close_reason = reason;
	if (t->client->why == NULL)
		t->client->why = t->client->track.closed ? "client-close" : "closed";
	conn_goto(t->client, &client_closing);
	if (t->upstream == NULL || !t->upstream->mid_frame)
		tunnel_part(t);
}

int
tunnel_inject(struct tunnel *t, const void *frame, size_t len)
{
	if (t->upstream == NULL || !t->upstream->mid_frame) {
		conn_send(t->client, frame, len);
		return 0;
	}
	if (t->inject == NULL) {
		t->inject = malloc(sizeof(*t->inject));
		if (t->inject == NULL)
			return VS_ENOMEM;
		vs_buf_init(t->inject, TUNNEL_INJECT_MAX);
	}
	return vs_buf_append(t->inject, frame, len);
}

static void
tunnel_drop_inject(struct tunnel *t)
{
	if (t->inject == NULL)
		return;
	vs_buf_fini(t->inject);
	free(t->inject);
	t->inject = NULL;
}

void
tunnel_at_boundary(struct tunnel *t)
{
	if (t->inject != NULL) {
		conn_send(t->client, vs_buf_data(t->inject), vs_buf_len(t->inject));
		tunnel_drop_inject(t);
	}
	if (t->close_code != 0)
		tunnel_part(t);
}

void
tunnel_start(struct conn *client)
{
	struct tunnel *t = client->tunnel;
	struct handshake *hs = client->handshake;

	t->opened = true;
	t->leave = CDP_LEAVE_DISCONNECT;
	t->heard = vs_loop_now(client->srv->loop);
	conn_goto(client, &tunnel_open);
	conn_goto(t->upstream, &tunnel_open);
	client->handshake = NULL;
	relay_early(t->upstream, &hs->answer);
	relay_early(client, &hs->in);
	handshake_free(hs, client->srv);
	log_info("cdp.opened", VS_LOG_STR("session", t->session->id),
	    VS_LOG_STR("workspace", t->session->workspace_id), VS_LOG_STR("client", t->id),
	    VS_LOG_STR("request_id", t->request_id),
	    VS_LOG_INT("ms", vs_loop_now(client->srv->loop) - t->began));
}

enum conn_next
tunnel_orphan_over(struct conn *c)
{
	tunnel_close(c->tunnel, CLOSE_INTERNAL, "browser gone");
	return CONN_WAIT;
}

/* Our own, with a nonce: a pong that brings it back is not Chrome's business. */
static void
tunnel_ping(struct tunnel *t, vs_msec now)
{
	uint8_t frame[14 + sizeof(t->nonce)];
	size_t len = vs_ws_head(VS_WS_PING, true, sizeof(t->nonce), NULL, frame);

	if (getrandom(&t->nonce, sizeof(t->nonce), GRND_NONBLOCK) != (ssize_t)sizeof(t->nonce))
		t->nonce ^= (uint64_t)now;
	memcpy(frame + len, &t->nonce, sizeof(t->nonce));
	t->pinged = now;
	if (tunnel_inject(t, frame, len + sizeof(t->nonce)) < 0)
		conn_fail(t->client, "no-memory");
}

void
tunnel_check(struct tunnel *t, vs_msec now)
{
	vs_msec pause = t->client->srv->conf->cdpd_ping_seconds * 1000;

	if (t->client->state != &tunnel_open)
		return;
	if (t->pinged == 0 && now - t->heard >= pause)
		tunnel_ping(t, now);
	else if (t->pinged != 0 && now - t->pinged >= TUNNEL_GONE_MS &&
		 now - t->heard >= TUNNEL_GONE_MS)
		conn_fail(t->client, "no-pong");
}

/* The browser's half is gone and the client can still be told; what it is told. */
static void
tunnel_explain(struct tunnel *t, const struct conn *upstream)
{
	struct conn *client = t->client;
	const struct session *session = t->session;

	if (upstream->track.closed) {
		t->parted = true; /* Chrome's own Close is on its way */
		tunnel_close(t, CLOSE_NORMAL, "closed by the browser");
	} else if (client->track.closed) {
		tunnel_close(t, CLOSE_NORMAL, "");
	} else if (session->ended) {
		tunnel_close(t, session->close_code, session->close_reason);
	} else if (t->leave == CDP_LEAVE_BROWSER_CLOSED) {
		tunnel_close(t, CLOSE_NORMAL, "released");
	} else {
		t->leave = CDP_LEAVE_ABORTED; /* the runtime's end is for reaperd to tell */
		conn_goto(client, &client_orphan);
	}
}

void
tunnel_upstream_buried(struct conn *c)
{
	struct tunnel *t = c->tunnel;
	struct conn *client;

	if (t == NULL)
		return;
	t->upstream = NULL;
	t->upstream_frames = c->track.frames;
	c->tunnel = NULL;
	client = t->client;
	if (client->failed)
		return;
	if (!t->opened && client->state != &client_dialing) {
		return; /* it has its answer */
	} else if (!t->opened) {
		client->why = c->why;
		(void)handshake_refuse(
		    client, VS_PROBLEM_BAD_GATEWAY, NULL); /* its verdict is WAIT */
	} else if (client->state == &client_draining || (c->mid_frame && !t->parted)) {
		/* Nothing can be said, or not in the middle of a frame: flush and go. */
		if (client->state != &client_draining)
			conn_goto(client, &client_draining);
		if (vs_buf_len(&client->out) == 0)
			conn_fail(client, "browser-gone");
		else if (client->why == NULL)
			client->why = "browser-gone";
	} else if (client->state == &tunnel_open) {
		tunnel_explain(t, c);
	}
}

static void
tunnel_log_end(const struct tunnel *t, const struct conn *c)
{
	log_info("cdp.closed", VS_LOG_STR("session", t->session->id),
	    VS_LOG_STR("workspace", t->session->workspace_id), VS_LOG_STR("client", t->id),
	    VS_LOG_STR("request_id", t->request_id), VS_LOG_STR("why", c->why),
	    VS_LOG_INT("code", t->close_code), VS_LOG_STR("reason", t->close_reason),
	    VS_LOG_INT("client_bytes", t->client_bytes),
	    VS_LOG_INT("client_frames", c->track.frames),
	    VS_LOG_INT("browser_bytes", t->upstream_bytes),
	    VS_LOG_INT("browser_frames", t->upstream_frames),
	    VS_LOG_INT("ms", vs_loop_now(c->srv->loop) - t->began));
}

void
tunnel_client_buried(struct conn *c)
{
	struct tunnel *t = c->tunnel;

	if (t == NULL)
		return;
	tunnel_leave(t);
	if (t->upstream != NULL) {
		t->upstream_frames = t->upstream->track.frames;
		t->upstream->tunnel = NULL;
	}
	if (t->opened)
		tunnel_log_end(t, c);
	vs_list_remove(&t->node);
	session_put(&c->srv->sessions, t->session);
	tunnel_drop_inject(t);
	free(t);
	c->tunnel = NULL;
}
