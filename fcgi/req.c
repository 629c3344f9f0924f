/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/req.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"

#define IP_MAX 45 /* INET6_ADDRSTRLEN - 1 */

/* What is taken from the parameters, and where it goes. */
static const struct {
	const char *name;
	size_t offset; /* of a const char * in struct req */
} params[] = {
	{ "REQUEST_METHOD", offsetof(struct req, method_name) },
	{ "SCRIPT_NAME", offsetof(struct req, path) },
	{ "QUERY_STRING", offsetof(struct req, query_text) },
	{ "CONTENT_TYPE", offsetof(struct req, content_type) },
	{ "REMOTE_ADDR", offsetof(struct req, ip) },
	{ "HTTP_AUTHORIZATION", offsetof(struct req, authorization) },
	{ "HTTP_IDEMPOTENCY_KEY", offsetof(struct req, idempotency_key) },
	{ "HTTP_USER_AGENT", offsetof(struct req, user_agent) },
	{ "HTTP_X_REASON", offsetof(struct req, reason) },
};

/* The value of name; *ret_count says how often it is there. */
static const char *
find_param(char *const *list, const char *name, size_t name_len, int *ret_count)
{
	const char *value = NULL;
	int count = 0;

	for (; *list != NULL; list++) {
		if (strncmp(*list, name, name_len) != 0 || (*list)[name_len] != '=')
			continue;
		if (count++ == 0)
			value = *list + name_len + 1;
	}
	*ret_count = count;
	return value;
}

static void
take_request_id(struct req *req)
{
	int count;
	const char *text = find_param(
	    req->source->params, "HTTP_X_REQUEST_ID", strlen("HTTP_X_REQUEST_ID"), &count);
	size_t len = text != NULL ? strlen(text) : 0;
	bool good = count == 1 && len >= 1 && len <= REQUEST_ID_MAX;

	for (size_t i = 0; good && i < len; i++)
		good = isalnum((unsigned char)text[i]) || strchr("._-", text[i]) != NULL;
	if (good)
		memcpy(req->request_id, text, len + 1);
	else
		vs_ulid_new(req->request_id);
}

/* No header may come twice: CGI keeps one name for X-Reason and X_Reason. */
static bool
has_repeated_header(char *const *list)
{
	for (; *list != NULL; list++) {
		const char *equals = strchr(*list, '=');
		int count;

		if (equals == NULL || strncmp(*list, "HTTP_", strlen("HTTP_")) != 0)
			continue;
		(void)find_param(list, *list, (size_t)(equals - *list), &count);
		if (count > 1)
			return true;
	}
	return false;
}

/* For the audit log: at most max characters, each printable ASCII. */
static const char *
tame(struct vs_arena *arena, const char *text, size_t max)
{
	char *copy;

	if (text == NULL || *text == '\0')
		return NULL;
	copy = vs_arena_strndup(arena, text, strnlen(text, max));
	for (char *c = copy; c != NULL && *c != '\0'; c++) {
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
	return copy;
}

static int
take_content_length(struct req *req)
{
	int count;
	const char *text =
	    find_param(req->source->params, "CONTENT_LENGTH", strlen("CONTENT_LENGTH"), &count);

	req->content_length = 0;
	if (text == NULL || *text == '\0')
		return 0;
	errno = 0;
	req->content_length = strtoll(text, NULL, 10);
	if (strspn(text, "0123456789") != strlen(text) || errno != 0)
		return VS_EINVAL;
	return 0;
}

int
req_init(struct req *ret_req, struct vs_arena *arena, const struct req_source *source,
    const char **ret_fault)
{
	struct req *req = ret_req;
	int count;

	memset(req, 0, sizeof(*req));
	req->arena = arena;
	req->source = source;
	take_request_id(req);
	for (size_t i = 0; i < VS_COUNTOF(params); i++) {
		const char *value =
		    find_param(source->params, params[i].name, strlen(params[i].name), &count);

		memcpy((char *)req + params[i].offset, &value, sizeof(value));
	}
	if (req->method_name == NULL)
		req->method_name = "";
	if (req->path == NULL)
		req->path = "";
	if (req->query_text == NULL)
		req->query_text = "";
	req->ip = tame(arena, req->ip, IP_MAX);
	req->user_agent = tame(arena, req->user_agent, USER_AGENT_MAX);
	req->method = method_parse(req->method_name);
	*ret_fault = "a header is given more than once";
	if (has_repeated_header(source->params))
		return VS_EINVAL;
	*ret_fault = "the Content-Length is not a number";
	if (take_content_length(req) < 0)
		return VS_EINVAL;
	*ret_fault = "the query string is not valid";
	if (query_parse(arena, req->query_text, &req->query) < 0)
		return VS_EINVAL;
	return 0;
}

void
req_fini(struct req *req)
{
	if (req->json != NULL)
		(void)json_object_put(req->json);
	req->json = NULL;
}

/* Read up to room bytes; less only at the end. Negative when the peer broke. */
static int64_t
read_up_to(struct req *req, char *bytes, int64_t room)
{
	int64_t have = 0;

	while (have < room) {
		int64_t left = room - have;
		int got = req->source->read(
		    req->source->ctx, bytes + have, left > INT32_MAX ? INT32_MAX : (int)left);

		if (got < 0)
			return VS_EPROTO;
		if (got == 0)
			break;
		have += got;
	}
	return have;
}

int
req_read_body(struct req *req, int64_t max_bytes)
{
	char *bytes, extra;
	int64_t got;

	assert(!req->body_taken);
	if (req->content_length > max_bytes)
		return VS_ETOOBIG;
	bytes = vs_arena_alloc(req->arena, (size_t)req->content_length + 1);
	if (bytes == NULL)
		return VS_ENOMEM;
	got = read_up_to(req, bytes, req->content_length);
	if (got != req->content_length || read_up_to(req, &extra, 1) != 0)
		return VS_EPROTO;
	req->body = (const uint8_t *)bytes;
	req->body_taken = true;
	return 0;
}

void
req_drain(struct req *req)
{
	char bytes[8192];

	while (!req->body_taken)
		req->body_taken = read_up_to(req, bytes, sizeof(bytes)) < (int64_t)sizeof(bytes);
}

bool
req_is_json(const struct req *req)
{
	static const char type[] = "application/json";
	static const char charset[] = "charset=";
	const char *at = req->content_type;

	if (at == NULL || strncasecmp(at, type, sizeof(type) - 1) != 0)
		return false;
	at += sizeof(type) - 1;
	at += strspn(at, " \t");
	if (*at == '\0')
		return true;
	if (*at != ';')
		return false;
	at++;
	at += strspn(at, " \t");
	if (strncasecmp(at, charset, sizeof(charset) - 1) != 0)
		return false;
	at += sizeof(charset) - 1;
	return strcasecmp(at, "utf-8") == 0 || strcasecmp(at, "\"utf-8\"") == 0;
}
