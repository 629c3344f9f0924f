/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/fetch.h"

#include <errno.h>
#include <sys/socket.h>

#include "cdpd/discovery.h"
#include "cdpd/handshake.h"
#include "cdpd/reply.h"
#include "cdpd/server.h"
#include "cdpd/session.h"
#include "cdpd/tunnel.h"
#include "lib/err.h"
#include "lib/httphead.h"
#include "lib/log.h"

#define FETCH_DOCUMENT_MAX (256U * 1024)      /* parsing one takes all tunnels' time */
#define FETCH_VERBATIM_MAX (4U * 1024 * 1024) /* Chrome's protocol description is 1.5 MiB */
#define FETCH_HEAD_MAX     (VS_HTTP_HEAD_MAX + 1024U)

static size_t
fetch_max(const struct handshake *hs)
{
	return hs->kind == ROUTE_VERBATIM ? FETCH_VERBATIM_MAX : FETCH_DOCUMENT_MAX;
}

/* The document as the client gets it. */
static int
fetch_print(const struct conn *client, const char *body, size_t len, struct vs_buf *out)
{
	const struct handshake *hs = client->handshake;
	const struct discovery_door door = {
		.public_url = client->srv->conf->platform_public_url,
		.session_id = client->tunnel->session->id,
		.token = hs->token,
	};
	struct vs_buf doc;
	int rc;

	if (hs->kind == ROUTE_VERBATIM)
		return reply_json(body, len, hs->request_id, out);
	if (hs->token == NULL)
		return VS_ENOMEM;
	vs_buf_init(&doc, out->cap);
	rc = discovery_rewrite(&door, body, len, &doc);
	if (rc == 0)
		rc = reply_json(vs_buf_data(&doc), vs_buf_len(&doc), hs->request_id, out);
	vs_buf_fini(&doc);
	return rc;
}

/* It is whole: give it to the client, and be done with the agent. */
static enum conn_next
fetch_done(struct conn *c, const char *body, size_t len)
{
	struct conn *client = c->peer;
	const struct handshake *hs = client->handshake;
	struct vs_buf out;
	int rc;

	vs_buf_init(&out, 2 * fetch_max(hs) + FETCH_HEAD_MAX);
	rc = fetch_print(client, body, len, &out);
	if (rc == 0) {
		log_info("cdp.answered", VS_LOG_STR("session", client->tunnel->session->id),
		    VS_LOG_STR("request_id", hs->request_id), VS_LOG_STR("path", hs->agent_path));
		(void)handshake_answer(client, &out); /* its verdict is WAIT */
	}
	vs_buf_fini(&out);
	return conn_close(c, rc < 0 ? "browser answered nonsense" : "answered");
}

/* Whether all of it is there: by its length, or by the end of the stream. */
static enum conn_next
fetch_check(struct conn *c, const struct vs_buf *in, bool ended)
{
	struct vs_http_head head;
	size_t have;
	int rc;

	rc = vs_http_answer((const char *)vs_buf_data(in), vs_buf_len(in), &head);
	if (rc == VS_EAGAIN && !ended)
		return CONN_WAIT;
	if (rc < 0 || head.chunked)
		return conn_close(c, "agent answered nonsense");
	if (head.status != 200)
		return conn_close(c, "agent refused");
	have = vs_buf_len(in) - head.size;
	if (head.content_length >= 0 && have >= (size_t)head.content_length)
		have = (size_t)head.content_length;
	else if (head.content_length >= 0 || !ended)
		return ended ? conn_close(c, "agent closed") : CONN_WAIT;
	return fetch_done(c, (const char *)vs_buf_data(in) + head.size, have);
}

enum conn_next
fetch_read(struct conn *c)
{
	struct handshake *hs = c->peer->handshake;
	struct vs_buf *in = &hs->answer;
	uint8_t *at;
	size_t room;
	ssize_t n;

	if (in->base == NULL)
		vs_buf_init(in, fetch_max(hs) + FETCH_HEAD_MAX);
	if (vs_buf_reserve(in, 0, &at, &room) < 0)
		return conn_close(c, "document too large");
	n = recv(c->fd, at, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CONN_WAIT;
	if (n > 0)
		vs_buf_filled(in, (size_t)n);
	return fetch_check(c, in, n <= 0);
}
