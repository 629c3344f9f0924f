/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime-image/agent/api.h"
#include "runtime-image/agent/api_conn.h"
#include "runtime-image/agent/cdp_path.h"
#include "runtime-image/agent/relay.h"

static enum conn_next api_take_socket(struct conn *conn);
static enum conn_next api_connected(struct conn *conn);
static enum conn_next api_answer(struct conn *conn);
static void api_no_chrome(struct conn *conn);

static const struct conn_state state_socket = {
	.name = "socket", .timeout_ms = 10000, .run = api_take_socket, .timeout = api_no_chrome
};
static const struct conn_state state_connecting = { .name = "connecting",
	.timeout_ms = 10000,
	.poll = { 0, EPOLLOUT },
	.run = api_connected,
	.timeout = api_no_chrome };
static const struct conn_state state_answer = { .name = "answer",
	.timeout_ms = 30000,
	.poll = { 0, EPOLLIN },
	.run = api_answer,
	.timeout = api_no_chrome };

enum conn_next
api_cdp(struct api *api, struct api_conn *ac, const struct api_request *req)
{
	const struct chrome *chrome = &api->agent->chrome;
	char path[CDP_PATH_SIZE];

	if (api->agent->state != AGENT_READY || api->ncdp >= API_MAX_CDP)
		return api_reply(&ac->conn, 503, NULL);
	int rc = cdp_path_map(req->head, chrome->cdp_path, path, &ac->websocket);
	if (rc < 0)
		return api_reply(&ac->conn, rc == VS_ENOENT ? 404 : 400, NULL);
	if (cdp_path_head(req->head, path, ac->websocket, chrome->port, &ac->head) < 0)
		return api_reply(&ac->conn, 400, NULL);
	api->ncdp++;
	ac->is_cdp = true;
	vs_buf_consume(&ac->conn.side[CONN_CLIENT].in, req->head->size);
	conn_goto(&ac->conn, &state_socket);
	return CONN_AGAIN;
}

static void
api_no_chrome(struct conn *conn)
{
	if (api_reply(conn, 504, NULL) == CONN_CLOSE)
		conn_bury(conn);
	else
		conn_drive(conn);
}

static enum conn_next
api_take_socket(struct conn *conn)
{
	struct agent *agent = api_of(conn)->agent;
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons(agent->chrome.port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	int fd;

	if (desk_take_socket(&agent->desk, &fd) < 0)
		return CONN_WAIT;
	int rc = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
	if (rc < 0 && errno != EINPROGRESS) {
		(void)close(fd);
		return api_reply(conn, 502, NULL);
	}
	if (conn_set_upstream(conn, fd) < 0)
		return CONN_CLOSE;
	conn_goto(conn, &state_connecting);
	return rc == 0 ? CONN_AGAIN : CONN_WAIT;
}

void
api_sockets_came(struct api *api)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &api->set.live) {
		struct conn *conn = VS_CONTAINER(it, struct conn, node);

		if (conn->state == &state_socket)
			conn_drive(conn);
	}
}

static enum conn_next
api_connected(struct conn *conn)
{
	struct api_conn *ac = api_conn_of(conn);
	int fd = conn->side[CONN_UPSTREAM].io.fd;

	/* A fresh socket takes a kilobyte whole, unless the connection failed. */
	ssize_t len =
	    send(fd, vs_buf_data(&ac->head), vs_buf_len(&ac->head), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len < 0 && errno == EAGAIN)
		return CONN_WAIT;
	if (len != (ssize_t)vs_buf_len(&ac->head))
		return api_reply(conn, 502, NULL);
	vs_buf_fini(&ac->head);
	conn_goto(conn, &state_answer);
	return CONN_WAIT;
}

/*
 * Only after a 101 may the client talk to Chrome: until then what it sends waits, and
 * with any other answer it is over, so nobody gets a second request past cdp_path_map().
 */
static enum conn_next
api_answer(struct conn *conn)
{
	struct conn_side *upstream = &conn->side[CONN_UPSTREAM];
	struct vs_http_head head;

	int rc = conn_read(conn, CONN_UPSTREAM);
	if (rc == VS_EAGAIN)
		return CONN_WAIT;
	if (rc == 0)
		rc = vs_http_answer(
		    (const char *)vs_buf_data(&upstream->in), vs_buf_len(&upstream->in), &head);
	if (rc == VS_EAGAIN)
		return CONN_WAIT;
	if (rc < 0)
		return api_reply(conn, 502, NULL);
	if (head.status != 101 || !api_conn_of(conn)->websocket) {
		relay_limit(&conn->side[CONN_CLIENT], 0);
		int64_t left =
		    (int64_t)head.size + head.content_length - (int64_t)vs_buf_len(&upstream->in);
		if (head.content_length >= 0)
			relay_limit(upstream, left < 0 ? 0 : left);
	}
	conn_goto(conn, &relay_endless);
	return CONN_AGAIN;
}
