/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/httpc.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/list.h"

#define BODY_MAX_DEFAULT 65536
#define HEAD_MAX         65536
#define CONNECT_MS       5000
#define CONNECTIONS_MAX  64 /* kept open, idle */

/* A socket of libcurl's; freed after the batch, since an event may point at it. */
struct sock {
	struct vs_node node; /* on httpc->dead_socks once libcurl has let go */
	struct vs_watch watch;
	struct vs_httpc *httpc;
};

struct vs_httpc_call {
	struct vs_node node; /* on httpc->calls or httpc->dead_calls */
	struct vs_httpc *httpc;
	CURL *easy;
	struct curl_slist *headers;
	struct vs_httpc_hooks hooks;
	struct vs_buf in; /* what libcurl brought and hooks.body has not seen */
	size_t head_bytes, body_bytes, max_body_bytes;
	int failed; /* our reason to abort, told before libcurl's */
	bool streams;
	bool dead;
};

struct vs_httpc {
	struct vs_loop *loop;
	CURLM *multi;
	struct vs_timer timer;
	struct vs_node calls, dead_calls, dead_socks;
};

static void
call_bury(struct vs_httpc_call *call)
{
	if (call->dead)
		return;
	call->dead = true;
	(void)curl_multi_remove_handle(call->httpc->multi, call->easy);
	vs_list_remove(&call->node);
	vs_list_append(&call->httpc->dead_calls, &call->node);
}

static void
call_free(struct vs_httpc_call *call)
{
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	vs_buf_fini(&call->in);
	free(call);
}

/* After each batch: nothing points here any more. */
static void
httpc_free_dead(void *ctx)
{
	struct vs_httpc *httpc = ctx;
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &httpc->dead_calls) {
		vs_list_remove(it);
		call_free(VS_CONTAINER(it, struct vs_httpc_call, node));
	}
	VS_LIST_EACH(it, tmp, &httpc->dead_socks) {
		vs_list_remove(it);
		free(VS_CONTAINER(it, struct sock, node));
	}
}

static int
err_from_curl(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return VS_ETIMEDOUT;
	case CURLE_OUT_OF_MEMORY:
		return VS_ENOMEM;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return VS_EPROTO;
	default:
		return VS_ECLOSED;
	}
}

/* The last word of a call. The call stays in memory until the batch is over. */
static void
call_finish(struct vs_httpc_call *call, int rc)
{
	struct vs_httpc_answer answer = { .status = 0 };
	struct vs_httpc_hooks hooks = call->hooks;
	long status = 0;

	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call_bury(call);
	if (rc == 0 && status < 100)
		rc = VS_EPROTO;
	answer.status = (int)status;
	if (!call->streams) {
		answer.body = vs_buf_data(&call->in);
		answer.body_len = vs_buf_len(&call->in);
	}
	hooks.done(hooks.ctx, rc, rc == 0 ? &answer : NULL);
}

/* Hand over what libcurl brought in. False: the call is over. */
static bool
call_deliver(struct vs_httpc_call *call)
{
	size_t len = vs_buf_len(&call->in);
	int rc;

	if (!call->streams || len == 0)
		return true;
	rc = call->hooks.body(call->hooks.ctx, vs_buf_data(&call->in), len);
	if (call->dead)
		return false;
	vs_buf_consume(&call->in, len);
	if (rc < 0) {
		call_finish(call, rc);
		return false;
	}
	return true;
}

/*
 * After libcurl has run, and outside of it: hooks. A hook may bury any call, so the
 * walk starts again from the head after each delivery that reached one.
 */
static void
httpc_deliver(struct vs_httpc *httpc)
{
	struct vs_node *it = httpc->calls.next;

	while (it != &httpc->calls) {
		struct vs_httpc_call *call = VS_CONTAINER(it, struct vs_httpc_call, node);

		if (!call->streams || vs_buf_len(&call->in) == 0) {
			it = it->next;
			continue;
		}
		(void)call_deliver(call);
		it = httpc->calls.next;
	}
}

static void
httpc_pump(struct vs_httpc *httpc)
{
	struct vs_httpc_call *call;
	CURLMsg *msg;
	int left, rc;

	httpc_deliver(httpc);
	while ((msg = curl_multi_info_read(httpc->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		rc = err_from_curl(msg->data.result);
		call = NULL;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
		if (call == NULL || call->dead)
			continue;
		call_finish(call, call->failed != 0 ? call->failed : rc);
	}
}

static void
httpc_action(struct vs_httpc *httpc, curl_socket_t fd, int events)
{
	int running;

	(void)curl_multi_socket_action(httpc->multi, fd, events, &running);
	httpc_pump(httpc);
}

static void
on_timer(struct vs_timer *timer)
{
	httpc_action(timer->ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int
timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
	struct vs_httpc *httpc = ctx;

	(void)multi;
	if (timeout_ms < 0) {
		vs_loop_timer_clear(httpc->loop, &httpc->timer);
		return 0;
	}
	return vs_loop_timer(httpc->loop, &httpc->timer, vs_clock_mono_ms() + timeout_ms, on_timer,
		   httpc) == 0
		   ? 0
		   : -1;
}

static void
on_socket(struct vs_watch *watch, uint32_t revents)
{
	struct sock *sock = watch->ctx;
	int events = 0;

	if (revents & (EPOLLIN | EPOLLHUP))
		events |= CURL_CSELECT_IN;
	if (revents & EPOLLOUT)
		events |= CURL_CSELECT_OUT;
	if (revents & EPOLLERR)
		events |= CURL_CSELECT_ERR;
	httpc_action(sock->httpc, watch->fd, events);
}

static uint32_t
events_from_curl(int what)
{
	return (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
}

static void
sock_bury(struct sock *sock)
{
	vs_loop_remove(sock->httpc->loop, &sock->watch);
	vs_list_append(&sock->httpc->dead_socks, &sock->node);
}

static int
socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *sock_ctx)
{
	struct vs_httpc *httpc = ctx;
	struct sock *sock = sock_ctx;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock != NULL)
			sock_bury(sock);
		return 0;
	}
	if (sock != NULL) {
		vs_loop_set(httpc->loop, &sock->watch, events_from_curl(what));
		return 0;
	}
	sock = calloc(1, sizeof(*sock));
	if (sock == NULL)
		return -1;
	sock->httpc = httpc;
	vs_list_init(&sock->node);
	if (vs_loop_add(httpc->loop, &sock->watch, fd, events_from_curl(what), on_socket, sock) <
	    0) {
		free(sock);
		return -1;
	}
	(void)curl_multi_assign(httpc->multi, fd, sock);
	return 0;
}

static size_t
on_head(char *bytes, size_t size, size_t count, void *ctx)
{
	struct vs_httpc_call *call = ctx;

	(void)bytes;
	call->head_bytes += size * count;
	if (call->head_bytes <= HEAD_MAX)
		return size * count;
	call->failed = VS_ETOOBIG;
	return 0;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct vs_httpc_call *call = ctx;
	size_t len = size * count;
	long status = 0;
	int rc;

	/* The body of an error answer is not the stream that the caller reads. */
	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->hooks.body != NULL && (status < 200 || status > 299))
		call->streams = false;
	call->body_bytes += len;
	rc = call->body_bytes > call->max_body_bytes ? VS_ETOOBIG
						     : vs_buf_append(&call->in, bytes, len);
	if (rc == 0)
		return len;
	call->failed = rc == VS_EFULL ? VS_ETOOBIG : rc;
	return CURL_WRITEFUNC_ERROR;
}

struct vs_httpc *
vs_httpc_new(struct vs_loop *loop)
{
	struct vs_httpc *httpc;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return NULL;
	httpc = calloc(1, sizeof(*httpc));
	if (httpc == NULL)
		return NULL;
	httpc->loop = loop;
	vs_list_init(&httpc->calls);
	vs_list_init(&httpc->dead_calls);
	vs_list_init(&httpc->dead_socks);
	httpc->multi = curl_multi_init();
	if (httpc->multi == NULL || vs_loop_after_batch(loop, httpc_free_dead, httpc) < 0)
		goto fail;
	(void)curl_multi_setopt(httpc->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	(void)curl_multi_setopt(httpc->multi, CURLMOPT_SOCKETDATA, httpc);
	(void)curl_multi_setopt(httpc->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	(void)curl_multi_setopt(httpc->multi, CURLMOPT_TIMERDATA, httpc);
	(void)curl_multi_setopt(httpc->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	return httpc;
fail:
	(void)curl_multi_cleanup(httpc->multi);
	free(httpc);
	return NULL;
}

void
vs_httpc_free(struct vs_httpc *httpc)
{
	struct vs_node *it, *tmp;

	if (httpc == NULL)
		return;
	VS_LIST_EACH(it, tmp, &httpc->calls) {
		call_bury(VS_CONTAINER(it, struct vs_httpc_call, node));
	}
	(void)curl_multi_cleanup(httpc->multi);
	vs_loop_timer_clear(httpc->loop, &httpc->timer);
	httpc_free_dead(httpc);
	free(httpc);
}

static bool
header_add(struct vs_httpc_call *call, const char *name, const char *value)
{
	char line[2048];
	struct curl_slist *longer;
	int n = snprintf(line, sizeof(line), "%s%s", name, value);

	if (n < 0 || (size_t)n >= sizeof(line) || strpbrk(line, "\r\n") != NULL)
		return false;
	longer = curl_slist_append(call->headers, line);
	if (longer == NULL)
		return false;
	call->headers = longer;
	return true;
}

static bool
headers_make(struct vs_httpc_call *call, const struct vs_httpc_request *req)
{
	/* libcurl would wait for "100 Continue" with large bodies. */
	if (!header_add(call, "Expect:", ""))
		return false;
	if (req->bearer != NULL && !header_add(call, "Authorization: Bearer ", req->bearer))
		return false;
	if (req->body == NULL)
		return true;
	return header_add(call,
	    "Content-Type: ", req->content_type != NULL ? req->content_type : "application/json");
}

#define SET(option, value) ok = ok && curl_easy_setopt(call->easy, (option), (value)) == CURLE_OK

static bool
options_set(struct vs_httpc_call *call, const struct vs_httpc_request *req)
{
	bool ok = true;

	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_URL, req->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTPHEADER, call->headers);
	SET(CURLOPT_HEADERFUNCTION, on_head);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(req->connect_ms > 0 ? req->connect_ms : CONNECT_MS));
	SET(CURLOPT_TIMEOUT_MS, (long)req->total_ms);
	if (req->unix_path != NULL) {
		SET(CURLOPT_UNIX_SOCKET_PATH, req->unix_path);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
	if (req->ca_file != NULL)
		SET(CURLOPT_CAINFO, req->ca_file);
	if (req->body != NULL) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		SET(CURLOPT_COPYPOSTFIELDS, req->body);
	} else if (strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
		SET(CURLOPT_COPYPOSTFIELDS, "");
	}
	SET(CURLOPT_CUSTOMREQUEST, req->method);
	return ok;
}

int
vs_httpc_send(struct vs_httpc *httpc, const struct vs_httpc_request *request,
    const struct vs_httpc_hooks *hooks, struct vs_httpc_call **ret_call)
{
	struct vs_httpc_call *call = calloc(1, sizeof(*call));

	assert(hooks->done != NULL);
	if (call == NULL)
		return VS_ENOMEM;
	call->httpc = httpc;
	call->hooks = *hooks;
	call->streams = hooks->body != NULL;
	call->max_body_bytes =
	    request->max_body_bytes > 0 ? request->max_body_bytes : BODY_MAX_DEFAULT;
	vs_buf_init(&call->in, call->max_body_bytes);
	vs_list_init(&call->node);
	call->easy = curl_easy_init();
	if (call->easy == NULL || !headers_make(call, request) || !options_set(call, request) ||
	    curl_multi_add_handle(httpc->multi, call->easy) != CURLM_OK) {
		call_free(call);
		return VS_EINVAL;
	}
	vs_list_append(&httpc->calls, &call->node);
	*ret_call = call;
	return 0;
}

void
vs_httpc_cancel(struct vs_httpc_call *call)
{
	call_bury(call);
}
