/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/chrome.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/jsonio.h"

#define LISTENING        "DevTools listening on ws://127.0.0.1:"
#define LINE_MAX_BYTES   512
#define ANSWER_MAX_BYTES (256 * 1024)
#define RETRY_MS         5
#define PLACED_TRIES     400
#define SIZE_TRIES       20

#define NARROWEST 500 /* a window of Chrome's, whatever the screen */

/*
 * The steps, in order; each is one command and what its answer leads to. Until the
 * window is maximised the browser process is asked, which answers when a page's process
 * is still being started. A viewport narrower than any window is emulated instead (NARROW
 * and EMULATE): every page is attached to as long as the browser lives, because an
 * emulation ends with its session.
 */
enum step {
	STEP_DONE,
	STEP_TARGETS,
	STEP_PLACED,
	STEP_ATTACH,
	STEP_SIZE,
	STEP_RESIZE,
	STEP_NARROW,
	STEP_EMULATE
};

static int
chrome_params(const struct chrome *chrome, struct vs_buf *out)
{
	switch (chrome->step) {
	case STEP_TARGETS:
		return vs_buf_puts(out, "\"method\":\"Target.getTargets\"");
	case STEP_ATTACH:
		return vs_buf_printf(out,
		    "\"method\":\"Target.attachToTarget\","
		    "\"params\":{\"targetId\":\"%s\",\"flatten\":true}",
		    chrome->target);
	case STEP_SIZE:
		return vs_buf_printf(out,
		    "\"method\":\"Runtime.evaluate\",\"sessionId\":\"%s\","
		    "\"params\":{\"expression\":\"innerWidth+'x'+innerHeight\"}",
		    chrome->session);
	case STEP_PLACED:
		return vs_buf_printf(out,
		    "\"method\":\"Browser.getWindowForTarget\",\"params\":{\"targetId\":\"%s\"}",
		    chrome->target);
	case STEP_NARROW:
		return vs_buf_puts(out,
		    "\"method\":\"Target.setAutoAttach\",\"params\":{\"autoAttach\":true,"
		    "\"waitForDebuggerOnStart\":false,\"flatten\":true,"
		    "\"filter\":[{\"type\":\"page\"}]}");
	case STEP_EMULATE:
		return vs_buf_printf(out,
		    "\"method\":\"Emulation.setDeviceMetricsOverride\",\"sessionId\":\"%s\","
		    "\"params\":{\"width\":%" PRId64 ",\"height\":%" PRId64
		    ",\"deviceScaleFactor\":0,\"mobile\":false}",
		    chrome->session, chrome->viewport.width, chrome->viewport.height);
	default:
		return vs_buf_printf(out,
		    "\"method\":\"Browser.setContentsSize\",\"params\":{\"windowId\":%" PRId64
		    ",\"width\":%" PRId64 ",\"height\":%" PRId64 "}",
		    chrome->window, chrome->viewport.width, chrome->viewport.height);
	}
}

/*
 * One command is on its way at a time and all are short, so the pipe always has room;
 * if it has not, the browser is lost and its exit or the start's deadline will tell.
 */
static void
chrome_call(struct chrome *chrome, enum step step)
{
	struct vs_buf out;

	vs_buf_init(&out, 1024);
	chrome->step = step;
	int rc = vs_buf_printf(&out, "{\"id\":%d,", (int)step);
	if (rc == 0)
		rc = chrome_params(chrome, &out);
	if (rc == 0)
		rc = vs_buf_append(&out, "}", 2); /* and its NUL, which ends a message */
	if (rc == 0)
		(void)!write(chrome->in_fd, vs_buf_data(&out), vs_buf_len(&out));
	vs_buf_fini(&out);
}

static void
chrome_again(struct vs_timer *timer)
{
	struct chrome *chrome = timer->ctx;

	chrome_call(chrome, (enum step)chrome->step);
}

static void
chrome_go(struct chrome *chrome, enum step step)
{
	chrome->tries = 0;
	chrome_call(chrome, step);
}

/* Ask the same again in a moment. False: often enough. */
static bool
chrome_retry(struct chrome *chrome, int max_tries)
{
	return ++chrome->tries < max_tries &&
	       vs_loop_timer(chrome->loop, &chrome->again, vs_loop_now(chrome->loop) + RETRY_MS,
		   chrome_again, chrome) == 0;
}

static struct json_object *
json_at(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(obj, key, &value) ? value : NULL;
}

/* An id of Chrome's, which goes into later commands: letters, digits and '-' only. */
static bool
json_copy_id(struct json_object *obj, const char *key, char *ret_id, size_t size)
{
	const char *id = json_object_get_string(json_at(obj, key));

	if (id == NULL || strlen(id) >= size ||
	    id[strspn(id, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] != 0)
		return false;
	memcpy(ret_id, id, strlen(id) + 1);
	return true;
}

static bool
chrome_find_page(struct chrome *chrome, struct json_object *result)
{
	struct json_object *infos = json_at(result, "targetInfos");

	for (size_t i = 0; infos != NULL && i < json_object_array_length(infos); i++) {
		struct json_object *info = json_object_array_get_idx(infos, i);
		const char *type = json_object_get_string(json_at(info, "type"));

		if (type != NULL && strcmp(type, "page") == 0)
			return json_copy_id(
			    info, "targetId", chrome->target, sizeof(chrome->target));
	}
	return false;
}

static bool
chrome_size_fits(const struct chrome *chrome, struct json_object *result)
{
	const char *size = json_object_get_string(json_at(json_at(result, "result"), "value"));
	char want[48];

	(void)snprintf(want, sizeof(want), "%" PRId64 "x%" PRId64, chrome->viewport.width,
	    chrome->viewport.height);
	return size != NULL && strcmp(size, want) == 0;
}

static void
chrome_set_placed(struct chrome *chrome)
{
	chrome->placed = true;
	chrome->changed(chrome->ctx);
}

static void
chrome_targets(struct chrome *chrome, struct json_object *result)
{
	if (chrome_find_page(chrome, result))
		chrome_go(chrome, STEP_PLACED);
	else if (!chrome_retry(chrome, PLACED_TRIES))
		chrome_set_placed(chrome);
}

/* A window that is never maximised is still better than no session: it is resized. */
static void
chrome_window(struct chrome *chrome, struct json_object *result)
{
	struct json_object *state = json_at(json_at(result, "bounds"), "windowState");
	const char *text = json_object_get_string(state);

	if ((text == NULL || strcmp(text, "maximized") != 0) && chrome_retry(chrome, PLACED_TRIES))
		return;
	chrome->window = json_object_get_int64(json_at(result, "windowId"));
	if (chrome->viewport.width < NARROWEST) {
		chrome_go(chrome, STEP_NARROW);
		return;
	}
	chrome_go(chrome, STEP_ATTACH);
	chrome_set_placed(chrome);
}

static void
chrome_size(struct chrome *chrome, struct json_object *result)
{
	if (chrome_size_fits(chrome, result) || chrome->resized)
		chrome->step = STEP_DONE;
	else if (!chrome_retry(chrome, SIZE_TRIES))
		chrome_go(chrome, STEP_RESIZE);
}

static void
chrome_answered(struct chrome *chrome, struct json_object *result)
{
	switch (chrome->step) {
	case STEP_TARGETS:
		chrome_targets(chrome, result);
		break;
	case STEP_PLACED:
		chrome_window(chrome, result);
		break;
	case STEP_ATTACH:
		chrome->step = STEP_DONE; /* the page may have been closed by now */
		if (json_copy_id(result, "sessionId", chrome->session, sizeof(chrome->session)))
			chrome_go(chrome, STEP_SIZE);
		break;
	case STEP_SIZE:
		chrome_size(chrome, result);
		break;
	case STEP_NARROW:
		break; /* an event follows for every page */
	case STEP_EMULATE:
		if (!chrome->placed)
			chrome_set_placed(chrome);
		break;
	default:
		chrome->resized = true;
		chrome_go(chrome, STEP_SIZE);
	}
}

static bool
chrome_is_attached(const struct chrome *chrome, struct json_object *obj)
{
	const char *method = json_object_get_string(json_at(obj, "method"));

	return (chrome->step == STEP_NARROW || chrome->step == STEP_EMULATE) && method != NULL &&
	       strcmp(method, "Target.attachedToTarget") == 0;
}

static void
chrome_message(struct chrome *chrome, const char *text, size_t len)
{
	vs_autojson struct json_object *obj = NULL;
	struct vs_json_fault fault;

	if (chrome->step == STEP_DONE || vs_json_parse(text, len, &fault, &obj) < 0)
		return;
	/* Events have no id; an error has no result and is tried again by its step. */
	if (json_object_get_int(json_at(obj, "id")) == chrome->step)
		chrome_answered(chrome, json_at(obj, "result"));
	else if (chrome_is_attached(chrome, obj) &&
		 json_copy_id(
		     json_at(obj, "params"), "sessionId", chrome->session, sizeof(chrome->session)))
		chrome_go(chrome, STEP_EMULATE);
}

static void
chrome_lost(struct chrome *chrome, struct vs_watch *watch)
{
	vs_loop_remove(chrome->loop, watch);
	watch->fd = -1;
}

static void
chrome_on_answer(struct vs_watch *watch, uint32_t revents)
{
	struct chrome *chrome = watch->ctx;
	const char *end;
	uint8_t *at;
	size_t room;

	(void)revents;
	if (vs_buf_reserve(&chrome->answer, 4096, &at, &room) < 0) {
		chrome_lost(chrome, watch);
		return;
	}
	ssize_t len = read(watch->fd, at, room);
	if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
		chrome_lost(chrome, watch);
	if (len <= 0)
		return;
	vs_buf_filled(&chrome->answer, (size_t)len);
	while (vs_buf_len(&chrome->answer) > 0 && (end = memchr(vs_buf_data(&chrome->answer), '\0',
						       vs_buf_len(&chrome->answer))) != NULL) {
		const char *text = (const char *)vs_buf_data(&chrome->answer);

		chrome_message(chrome, text, (size_t)(end - text));
		vs_buf_consume(&chrome->answer, (size_t)(end - text) + 1);
	}
	vs_buf_trim(&chrome->answer);
}

bool
chrome_parse_listening(const char *line, uint16_t *ret_port, char ret_path[CHROME_PATH_SIZE])
{
	static const char browser[] = "/devtools/browser/";
	unsigned long port;
	char *end;

	if (strncmp(line, LISTENING, sizeof(LISTENING) - 1) != 0)
		return false;
	line += sizeof(LISTENING) - 1;
	port = strtoul(line, &end, 10);
	if (*line < '0' || *line > '9' || port == 0 || port > 65535)
		return false;
	if (strncmp(end, browser, sizeof(browser) - 1) != 0)
		return false;
	const char *id = end + sizeof(browser) - 1;
	size_t len = strspn(id, "-0123456789abcdefABCDEF");
	if (len == 0 || id[len] != '\0' || strlen(end) >= CHROME_PATH_SIZE)
		return false;
	memcpy(ret_path, end, strlen(end) + 1);
	*ret_port = (uint16_t)port;
	return true;
}

/* Whole lines out of the held bytes; a line too long for us is none we look for. */
static void
chrome_scan_lines(struct chrome *chrome)
{
	struct vs_buf *buf = &chrome->line;
	char line[LINE_MAX_BYTES];
	const char *end;

	while (chrome->port == 0 && vs_buf_len(buf) > 0 &&
	       (end = memchr(vs_buf_data(buf), '\n', vs_buf_len(buf))) != NULL) {
		size_t len = (size_t)(end - (const char *)vs_buf_data(buf));

		(void)snprintf(
		    line, sizeof(line), "%.*s", (int)len, (const char *)vs_buf_data(buf));
		vs_buf_consume(buf, len + 1);
		if (chrome_parse_listening(line, &chrome->port, chrome->cdp_path))
			chrome->changed(chrome->ctx);
	}
}

static void
chrome_on_log(struct vs_watch *watch, uint32_t revents)
{
	struct chrome *chrome = watch->ctx;
	char bytes[LINE_MAX_BYTES];

	(void)revents;
	ssize_t len = read(watch->fd, bytes, sizeof(bytes));
	if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
		chrome_lost(chrome, watch);
	if (len <= 0 || chrome->port != 0)
		return;
	if (vs_buf_room(&chrome->line) < (size_t)len)
		vs_buf_clear(&chrome->line); /* a line longer than any we look for */
	(void)!vs_buf_append(&chrome->line, bytes, (size_t)len);
	chrome_scan_lines(chrome);
	if (chrome->port != 0) {
		vs_buf_clear(&chrome->line);
		vs_buf_trim(&chrome->line);
	}
}

void
chrome_init(struct chrome *chrome, struct vs_loop *loop, const struct agent_viewport *viewport,
    void (*changed)(void *ctx), void *ctx)
{
	*chrome = (struct chrome){ .loop = loop,
		.log = { .fd = -1 },
		.out = { .fd = -1 },
		.in_fd = -1,
		.viewport = *viewport,
		.changed = changed,
		.ctx = ctx };
	vs_buf_init(&chrome->line, 2 * LINE_MAX_BYTES);
	vs_buf_init(&chrome->answer, ANSWER_MAX_BYTES);
}

int
chrome_attach(struct chrome *chrome, int in_fd, int out_fd, int log_fd)
{
	int rc = vs_loop_add(chrome->loop, &chrome->out, out_fd, EPOLLIN, chrome_on_answer, chrome);

	if (rc == 0)
		rc =
		    vs_loop_add(chrome->loop, &chrome->log, log_fd, EPOLLIN, chrome_on_log, chrome);
	if (rc < 0)
		return rc;
	chrome->in_fd = in_fd;
	/* The pipe keeps it until Chrome is there to read it. */
	chrome_call(chrome, STEP_TARGETS);
	return 0;
}

void
chrome_fini(struct chrome *chrome)
{
	if (chrome->loop == NULL)
		return;
	vs_loop_timer_clear(chrome->loop, &chrome->again);
	vs_loop_remove(chrome->loop, &chrome->out);
	vs_loop_remove(chrome->loop, &chrome->log);
	vs_buf_fini(&chrome->line);
	vs_buf_fini(&chrome->answer);
}

bool
chrome_ready(const struct chrome *chrome)
{
	return chrome->placed && chrome->port != 0;
}
