/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/agent_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/jsonio.h"
#include "lib/keyring.h"

#define LINE_MAX_BYTES   4096
#define STREAM_MAX_BYTES 65536 /* an agent has a handful of things to say */
#define RETRY_FIRST_MS   5
#define RETRY_MAX_MS     25
#define REQUEST_MS       5000
#define HEALTH_MS        2000
#define STOP_MS          1000

enum request_kind { REQUEST_STOP, REQUEST_DEADLINE, REQUEST_HEALTH, REQUEST_KINDS };

struct request {
	struct agent_client *client;
	struct vs_httpc_call *call; /* NULL: none under way */
	agent_answer_fn fn;
};

struct agent_client {
	struct vs_loop *loop;
	struct vs_httpc *httpc;
	struct agent_hooks hooks;
	char *base_url, *unix_path; /* owned; unix_path NULL: TCP */
	char secret[VS_RUNTIME_SECRET_SIZE];
	struct vs_httpc_call *stream;
	struct vs_buf line;
	struct vs_timer retry;
	vs_msec retry_ms, give_up_at;
	bool answered; /* the stream has brought a line: its end is the agent's */
	bool over;     /* ended or lost was told */
	struct request requests[REQUEST_KINDS];
};

static void stream_open(struct agent_client *client);

static const struct {
	const char *text;
	enum vs_runtime_end end;
} ends[] = {
	{ "stopped", VS_RUNTIME_STOPPED },
	{ "browser_closed", VS_RUNTIME_BROWSER_CLOSED },
	{ "browser_crashed", VS_RUNTIME_BROWSER_CRASHED },
	{ "oom_killed", VS_RUNTIME_OOM_KILLED },
	{ "start_failed", VS_RUNTIME_START_FAILED },
	{ "desktop_crashed", VS_RUNTIME_DESKTOP_CRASHED },
	{ "deadline", VS_RUNTIME_DEADLINE },
};

static bool
end_parse(const char *text, enum vs_runtime_end *ret_end)
{
	for (size_t i = 0; i < VS_COUNTOF(ends); i++) {
		if (strcmp(text, ends[i].text) == 0) {
			*ret_end = ends[i].end;
			return true;
		}
	}
	return false;
}

static const char *
member_text(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static void
detail_keep(char *dst, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		dst[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	dst[i] = '\0';
}

int
agent_event_parse(const char *line, size_t len, struct agent_event *ret_event)
{
	struct agent_event event = { .ready = false };
	vs_autojson struct json_object *obj = NULL;
	struct vs_json_fault fault;
	const char *state;

	if (vs_json_parse(line, len, &fault, &obj) < 0 ||
	    !json_object_is_type(obj, json_type_object))
		return VS_EPROTO;
	state = member_text(obj, "state");
	event.ready = strcmp(state, "ready") == 0;
	event.ended = strcmp(state, "ended") == 0;
	if (!event.ready && !event.ended && strcmp(state, "starting") != 0)
		return VS_EPROTO;
	if (event.ended && !end_parse(member_text(obj, "end"), &event.end))
		return VS_EPROTO;
	detail_keep(event.detail, sizeof(event.detail), member_text(obj, "detail"));
	*ret_event = event;
	return 0;
}

static void
client_lost(struct agent_client *client, int rc)
{
	if (client->over)
		return;
	client->over = true;
	client->hooks.lost(client->hooks.ctx, rc);
}

static void
client_event(struct agent_client *client, const struct agent_event *event)
{
	client->answered = true;
	if (event->ended) {
		client->over = true;
		client->hooks.ended(
		    client->hooks.ctx, event->end, event->detail[0] != '\0' ? event->detail : NULL);
	} else if (event->ready) {
		client->hooks.ready(client->hooks.ctx);
	}
}

/* Hooks only note what they are told, so the client outlives each of them. */
static int
on_stream_body(void *ctx, const uint8_t *bytes, size_t len)
{
	struct agent_client *client = ctx;
	struct agent_event event;
	const char *text, *end;
	int rc;

	if (vs_buf_append(&client->line, bytes, len) < 0)
		return VS_ETOOBIG;
	while (!client->over && vs_buf_len(&client->line) > 0) {
		text = (const char *)vs_buf_data(&client->line);
		end = memchr(text, '\n', vs_buf_len(&client->line));
		if (end == NULL)
			break;
		rc = agent_event_parse(text, (size_t)(end - text), &event);
		if (rc < 0)
			return rc;
		vs_buf_consume(&client->line, (size_t)(end - text) + 1);
		client_event(client, &event);
	}
	return 0;
}

static void
on_retry(struct vs_timer *timer)
{
	stream_open(timer->ctx);
}

static void
stream_retry(struct agent_client *client, int rc)
{
	vs_msec now = vs_clock_mono_ms();

	if (client->over)
		return;
	if (client->answered || rc == VS_EPROTO || rc == VS_ETOOBIG ||
	    (client->give_up_at != 0 && now >= client->give_up_at)) {
		client_lost(client, rc);
		return;
	}
	if (vs_loop_timer(client->loop, &client->retry, now + client->retry_ms, on_retry, client) <
	    0)
		client_lost(client, VS_ENOMEM);
	client->retry_ms =
	    client->retry_ms * 2 < RETRY_MAX_MS ? client->retry_ms * 2 : RETRY_MAX_MS;
}

static void
on_stream_done(void *ctx, int rc, const struct vs_httpc_answer *answer)
{
	struct agent_client *client = ctx;

	client->stream = NULL;
	vs_buf_clear(&client->line);
	if (rc == 0)
		rc = answer->status == 200 ? VS_ECLOSED : VS_EPROTO;
	stream_retry(client, rc);
}

static int
request_send(struct agent_client *client, struct vs_httpc_request *request, const char *path,
    const struct vs_httpc_hooks *hooks, struct vs_httpc_call **ret_call)
{
	char url[512];
	int n = snprintf(url, sizeof(url), "%s%s", client->base_url, path);

	if (n < 0 || (size_t)n >= sizeof(url))
		return VS_ETOOBIG;
	request->url = url;
	request->unix_path = client->unix_path;
	request->bearer = client->secret;
	return vs_httpc_send(client->httpc, request, hooks, ret_call);
}

static void
stream_open(struct agent_client *client)
{
	struct vs_httpc_request request = {
		.method = "GET", .max_body_bytes = STREAM_MAX_BYTES, .connect_ms = STOP_MS
	};
	struct vs_httpc_hooks hooks = {
		.body = on_stream_body, .done = on_stream_done, .ctx = client
	};
	int rc = VS_ECLOSED;

	/* The usual case just after the start: cheaper than to let libcurl find out. */
	if (client->unix_path == NULL || access(client->unix_path, F_OK) == 0)
		rc = request_send(client, &request, "/events", &hooks, &client->stream);
	if (rc < 0)
		stream_retry(client, rc);
}

static char *
text_copy(const char *text, bool *oom)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	if (text != NULL && copy == NULL)
		*oom = true;
	return copy;
}

struct agent_client *
agent_client_new(struct vs_loop *loop, struct vs_httpc *httpc, const struct agent_peer *peer,
    const struct agent_hooks *hooks)
{
	struct agent_client *client = calloc(1, sizeof(*client));
	vs_msec now = vs_clock_mono_ms();
	bool oom = false;

	if (client == NULL)
		return NULL;
	client->loop = loop;
	client->httpc = httpc;
	client->hooks = *hooks;
	client->base_url = text_copy(peer->base_url, &oom);
	client->unix_path = text_copy(peer->unix_path, &oom);
	(void)snprintf(client->secret, sizeof(client->secret), "%s", peer->secret);
	client->retry_ms = RETRY_FIRST_MS;
	client->give_up_at = peer->give_up_ms > 0 ? now + peer->give_up_ms : 0;
	vs_buf_init(&client->line, LINE_MAX_BYTES);
	/* By the timer, so that no hook is called before the caller has the pointer. */
	if (oom || vs_loop_timer(loop, &client->retry, now, on_retry, client) < 0) {
		agent_client_free(client);
		return NULL;
	}
	return client;
}

void
agent_client_free(struct agent_client *client)
{
	if (client == NULL)
		return;
	vs_loop_timer_clear(client->loop, &client->retry);
	if (client->stream != NULL)
		vs_httpc_cancel(client->stream);
	for (size_t i = 0; i < REQUEST_KINDS; i++) {
		if (client->requests[i].call != NULL)
			vs_httpc_cancel(client->requests[i].call);
	}
	vs_buf_fini(&client->line);
	explicit_bzero(client->secret, sizeof(client->secret));
	free(client->base_url);
	free(client->unix_path);
	free(client);
}

static void
on_request_done(void *ctx, int rc, const struct vs_httpc_answer *answer)
{
	struct request *request = ctx;

	request->call = NULL;
	if (rc == 0 && (answer->status < 200 || answer->status > 299))
		rc = VS_EPROTO;
	request->fn(request->client->hooks.ctx, rc);
}

static int
client_request(struct agent_client *client, enum request_kind kind, const char *path,
    struct vs_httpc_request *http, agent_answer_fn fn)
{
	struct request *request = &client->requests[kind];
	struct vs_httpc_hooks hooks = { .done = on_request_done, .ctx = request };

	if (request->call != NULL)
		return VS_ESTATE;
	request->client = client;
	request->fn = fn;
	return request_send(client, http, path, &hooks, &request->call);
}

int
agent_client_stop(struct agent_client *client, agent_answer_fn fn)
{
	struct vs_httpc_request http = { .method = "POST", .total_ms = STOP_MS };

	return client_request(client, REQUEST_STOP, "/stop", &http, fn);
}

int
agent_client_deadline(struct agent_client *client, int64_t wall_ms, agent_answer_fn fn)
{
	char body[64];
	struct vs_httpc_request http = { .method = "POST",
		.total_ms = REQUEST_MS,
		.body = body,
		.content_type = "application/json" };

	http.body_len =
	    (size_t)snprintf(body, sizeof(body), "{\"deadline_ms\":%" PRId64 "}", wall_ms);
	return client_request(client, REQUEST_DEADLINE, "/deadline", &http, fn);
}

int
agent_client_health(struct agent_client *client, agent_answer_fn fn)
{
	struct vs_httpc_request http = { .method = "GET", .total_ms = HEALTH_MS };

	return client_request(client, REQUEST_HEALTH, "/health", &http, fn);
}
