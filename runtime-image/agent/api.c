/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/jsonio.h"
#include "runtime-image/agent/api_conn.h"

#define API_MAX_REQUESTS 64 /* besides the browser's clients */
#define API_BACKLOG      64

typedef enum conn_next (*route_fn)(
    struct api *api, struct api_conn *ac, const struct api_request *req);

static enum conn_next api_request(struct conn *conn);
static enum conn_next api_events(struct conn *conn);

static const struct conn_state state_request = {
	.name = "request", .timeout_ms = 10000, .poll = { EPOLLIN, 0 }, .run = api_request
};
static const struct conn_state state_events = {
	.name = "events", .poll = { EPOLLIN, 0 }, .run = api_events
};

/* --- Answers --- */

static const char *
status_text(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	default:
		return "Gateway Timeout";
	}
}

enum conn_next
api_reply(struct conn *conn, int status, const char *body)
{
	struct vs_buf *out = &conn->side[CONN_UPSTREAM].in;
	size_t len = body == NULL ? 0 : strlen(body);

	vs_buf_clear(out);
	int rc = vs_buf_printf(
	    out, "HTTP/1.1 %d %s\r\nConnection: close\r\n", status, status_text(status));
	if (rc == 0 && status != 204)
		rc = vs_buf_printf(
		    out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", len);
	if (rc == 0)
		rc = vs_buf_printf(out, "\r\n%s", body == NULL ? "" : body);
	if (rc < 0)
		return CONN_CLOSE;
	conn_goto(conn, &conn_draining);
	return CONN_AGAIN;
}

/* The state as one JSON text; NULL: no memory. */
static struct json_object *
api_state(const struct agent *agent, bool with_all)
{
	struct json_object *obj = json_object_new_object();
	bool ended = agent->state == AGENT_ENDED, oom = obj == NULL;

	if (obj == NULL)
		return NULL;
	vs_json_put_str(obj, "state", agent_state_text(agent->state), &oom);
	if (ended || with_all)
		vs_json_put_str(obj, "end", ended ? agent_end_text(agent->end) : NULL, &oom);
	if (ended && agent->detail[0] != '\0')
		vs_json_put_str(obj, "detail", agent->detail, &oom);
	if (agent->state == AGENT_READY || with_all)
		vs_json_put_str(
		    obj, "cdp_path", agent->chrome.port == 0 ? NULL : agent->chrome.cdp_path, &oom);
	if (!oom)
		return obj;
	(void)json_object_put(obj);
	return NULL;
}

static const char *
json_line(struct json_object *obj)
{
	return obj == NULL ? NULL
			   : json_object_to_json_string_ext(
				 obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* --- Routes --- */

static enum conn_next
route_health(struct api *api, struct api_conn *ac, const struct api_request *req)
{
	vs_autojson struct json_object *obj = api_state(api->agent, true);
	const char *text = json_line(obj);

	(void)req;
	return text == NULL ? CONN_CLOSE : api_reply(&ac->conn, 200, text);
}

static int
events_put(const struct agent *agent, struct conn *conn)
{
	vs_autojson struct json_object *obj = api_state(agent, false);
	const char *text = json_line(obj);

	return text == NULL ? VS_ENOMEM
			    : vs_buf_printf(&conn->side[CONN_UPSTREAM].in, "%s\n", text);
}

static enum conn_next
route_events(struct api *api, struct api_conn *ac, const struct api_request *req)
{
	(void)req;
	if (vs_buf_puts(&ac->conn.side[CONN_UPSTREAM].in,
		"HTTP/1.1 200 OK\r\nConnection: close\r\n"
		"Content-Type: application/x-ndjson\r\n\r\n") < 0 ||
	    events_put(api->agent, &ac->conn) < 0)
		return CONN_CLOSE;
	conn_goto(&ac->conn, &state_events);
	return CONN_AGAIN;
}

static enum conn_next
route_stop(struct api *api, struct api_conn *ac, const struct api_request *req)
{
	enum conn_next next = api_reply(&ac->conn, 204, NULL);

	(void)req;
	agent_end(api->agent, END_STOPPED, NULL);
	return next;
}

struct deadline_body {
	int64_t deadline_ms;
};

static const struct vs_json_field deadline_fields[] = {
	{ .name = "deadline_ms",
	    .type = VS_JSON_INT,
	    .required = true,
	    .present = SIZE_MAX,
	    .offset = offsetof(struct deadline_body, deadline_ms),
	    .min = 1,
	    .max = INT64_MAX },
};

static enum conn_next
route_deadline(struct api *api, struct api_conn *ac, const struct api_request *req)
{
	vs_autojson struct json_object *obj = NULL;
	struct vs_arena arena;
	struct vs_json_issues issues = { .arena = &arena };
	struct vs_json_fault fault;
	struct deadline_body body;

	vs_arena_init(&arena, 4096);
	bool good =
	    vs_json_parse(req->body.ptr, req->body.len, &fault, &obj) == 0 &&
	    vs_json_check(obj, "", deadline_fields, VS_COUNTOF(deadline_fields), &body, &issues);
	vs_arena_fini(&arena);
	if (!good)
		return api_reply(&ac->conn, 400, "{\"error\":\"deadline_ms is wanted\"}");
	agent_set_deadline(api->agent, body.deadline_ms);
	return api_reply(&ac->conn, 204, NULL);
}

static const struct route {
	const char *method, *path;
	bool subtree;
	route_fn fn;
} routes[] = {
	{ "GET", "/health", false, route_health },
	{ "GET", "/events", false, route_events },
	{ "GET", "/cdp", true, api_cdp },
	{ "POST", "/deadline", false, route_deadline },
	{ "POST", "/stop", false, route_stop },
};

static bool
route_matches(const struct route *route, struct vs_str path)
{
	size_t len = strlen(route->path);

	if (path.len < len || memcmp(path.ptr, route->path, len) != 0)
		return false;
	return path.len == len || (route->subtree && path.ptr[len] == '/');
}

static enum conn_next
api_dispatch(struct api *api, struct api_conn *ac, const struct api_request *req)
{
	int status = 404;

	for (size_t i = 0; i < VS_COUNTOF(routes); i++) {
		if (!route_matches(&routes[i], req->path))
			continue;
		if (vs_str_eq(req->head->method, routes[i].method))
			return routes[i].fn(api, ac, req);
		status = 405;
	}
	return api_reply(&ac->conn, status, NULL);
}

/* --- The request --- */

/* Every byte is looked at, whatever the first difference. */
static bool
api_authorised(const struct api *api, const struct vs_http_head *head)
{
	static const char scheme[] = "Bearer ";
	const struct vs_str *value = vs_http_find(head, "Authorization");
	const char *secret = api->agent->spec.secret;
	size_t len = strlen(secret), skip = sizeof(scheme) - 1;
	unsigned char differs = 0;

	if (value == NULL || value->len != skip + len || memcmp(value->ptr, scheme, skip) != 0)
		return false;
	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)(value->ptr[skip + i] ^ secret[i]);
	return differs == 0;
}

static struct vs_str
path_of(struct vs_str target)
{
	const char *query = memchr(target.ptr, '?', target.len);

	if (query != NULL)
		target.len = (size_t)(query - target.ptr);
	return target;
}

static enum conn_next
api_request(struct conn *conn)
{
	struct vs_buf *in = &conn->side[CONN_CLIENT].in;
	struct api *api = api_of(conn);
	struct vs_http_head head;

	int rc = conn_read(conn, CONN_CLIENT);
	if (rc < 0)
		return rc == VS_EAGAIN ? CONN_WAIT : CONN_CLOSE;
	rc = vs_http_request((const char *)vs_buf_data(in), vs_buf_len(in), &head);
	if (rc == VS_EAGAIN)
		return CONN_WAIT;
	if (rc < 0)
		return api_reply(conn, 400, NULL);
	if (!api_authorised(api, &head))
		return api_reply(conn, 401, NULL);
	size_t body = head.content_length > 0 ? (size_t)head.content_length : 0;
	if (head.chunked || body > CONN_BUF_MAX - VS_HTTP_HEAD_MAX)
		return api_reply(conn, 413, NULL);
	if (vs_buf_len(in) - head.size < body)
		return CONN_WAIT;
	struct api_request req = { .head = &head,
		.path = path_of(head.target),
		.body = { (const char *)vs_buf_data(in) + head.size, body } };
	return api_dispatch(api, api_conn_of(conn), &req);
}

/* --- Events --- */

static enum conn_next
api_events(struct conn *conn)
{
	struct agent *agent = api_of(conn)->agent;

	int rc = conn_write_to(conn, CONN_CLIENT);
	if (rc < 0 && rc != VS_EAGAIN)
		return CONN_CLOSE;
	if (rc == 0 && agent->state == AGENT_ENDED) {
		agent_told(agent);
		return CONN_CLOSE;
	}
	vs_buf_clear(&conn->side[CONN_CLIENT].in);
	int in = conn_read(conn, CONN_CLIENT);
	if (in < 0 && in != VS_EAGAIN)
		return CONN_CLOSE;
	vs_loop_set(conn->set->loop, &conn->side[CONN_CLIENT].io,
	    rc == VS_EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return CONN_WAIT;
}

void
api_state_changed(struct api *api)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &api->set.live) {
		struct conn *conn = VS_CONTAINER(it, struct conn, node);

		if (conn->state != &state_events)
			continue;
		if (events_put(api->agent, conn) < 0)
			conn_bury(conn);
		else
			conn_drive(conn);
	}
}

/* --- The server --- */

static void
api_accepted(struct conn *conn)
{
	vs_buf_init(&api_conn_of(conn)->head, 2 * VS_HTTP_HEAD_MAX);
	conn_goto(conn, &state_request);
}

static void
api_buried(struct conn *conn)
{
	struct api_conn *ac = api_conn_of(conn);

	vs_buf_fini(&ac->head);
	if (ac->is_cdp)
		api_of(conn)->ncdp--;
}

static int
api_listen(const struct agent_spec *spec, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/agent.sock", spec->dir) >=
	    sizeof(addr.sun_path))
		return VS_ETOOBIG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return vs_err_from_errno(errno);
	/* Nobody connects before the mode is right: umask first, listen last. */
	mode_t old = umask(0117);
	int rc = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	(void)umask(old);
	if (rc == 0 && spec->socket_group >= 0)
		rc = chown(addr.sun_path, (uid_t)-1, (gid_t)spec->socket_group);
	if (rc == 0)
		rc = listen(fd, API_BACKLOG);
	if (rc < 0) {
		rc = vs_err_from_errno(errno);
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int
api_open(struct agent *agent, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));
	int fd = -1;

	if (api == NULL)
		return VS_ENOMEM;
	api->agent = agent;
	api->set = (struct conn_set){
		.conn_size = sizeof(struct api_conn), .accepted = api_accepted, .buried = api_buried
	};
	int rc = conn_set_init(&api->set, agent->loop, API_MAX_CDP + API_MAX_REQUESTS);
	if (rc == 0)
		rc = api_listen(&agent->spec, &fd);
	if (rc == 0)
		rc = conn_set_listen(&api->set, fd);
	if (rc < 0) {
		api_free(api);
		return rc;
	}
	*ret_api = api;
	return 0;
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	conn_set_fini(&api->set);
	free(api);
}
