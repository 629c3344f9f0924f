/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/egress_req.h"

#include <string.h>
#include <strings.h>

#include "lib/err.h"

static const char *const phone_home[] = {
#define HOST(name) name,
#include "runtime-image/agent/egress_hosts.def"
#undef HOST
};

/* Apart from what begins with Proxy- and what Connection names. */
static const char *const dropped_fields[] = { "Connection", "Host", "Keep-Alive", "TE", "Trailer",
	"Transfer-Encoding", "Upgrade" };

bool
egress_req_phones_home(const char *host)
{
	size_t len = strlen(host);

	while (len > 0 && host[len - 1] == '.')
		len--;
	for (size_t i = 0; i < VS_COUNTOF(phone_home); i++) {
		size_t name_len = strlen(phone_home[i]);

		if (len < name_len ||
		    strncasecmp(host + len - name_len, phone_home[i], name_len) != 0)
			continue;
		if (len == name_len || host[len - name_len - 1] == '.')
			return true;
	}
	return false;
}

static int
port_parse(struct vs_str text, uint16_t *ret_port)
{
	unsigned port = 0;

	if (text.len == 0 || text.len > 5)
		return VS_EPROTO;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return VS_EPROTO;
		port = port * 10 + (unsigned)(text.ptr[i] - '0');
	}
	if (port == 0 || port > 65535)
		return VS_EPROTO;
	*ret_port = (uint16_t)port;
	return 0;
}

static bool
all_of(struct vs_str text, const char *set)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\0' || strchr(set, text.ptr[i]) == NULL)
			return false;
	}
	return text.len > 0;
}

/* "name", "name:port", "[v6]", "[v6]:port"; port 0: it must be given. */
static int
authority_parse(struct vs_str text, uint16_t default_port, struct egress_req *req)
{
	bool v6 = text.len > 0 && text.ptr[0] == '[';
	const char *end = v6 ? memchr(text.ptr, ']', text.len) : memchr(text.ptr, ':', text.len);

	if (v6 && end == NULL)
		return VS_EPROTO;
	struct vs_str host = { text.ptr + v6,
		(size_t)((end == NULL ? text.ptr + text.len : end) - text.ptr) - v6 };
	struct vs_str rest = { host.ptr + host.len + v6, text.len - host.len - 2 * (size_t)v6 };
	if (host.len >= sizeof(req->host) ||
	    !all_of(host, v6 ? "0123456789abcdefABCDEF:."
			     : "-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return VS_EPROTO;
	req->port = default_port;
	if (rest.len > 0 && rest.ptr[0] != ':')
		return VS_EPROTO;
	if (rest.len > 0 &&
	    port_parse((struct vs_str){ rest.ptr + 1, rest.len - 1 }, &req->port) < 0)
		return VS_EPROTO;
	if (req->port == 0)
		return VS_EPROTO;
	memcpy(req->host, host.ptr, host.len);
	req->host[host.len] = '\0';
	req->authority = text;
	return 0;
}

int
egress_req_parse(const struct vs_http_head *head, struct egress_req *ret_req)
{
	static const char scheme[] = "http://";
	size_t skip = sizeof(scheme) - 1, len;
	struct vs_str target = head->target;

	*ret_req = (struct egress_req){ .connect = vs_str_eq(head->method, "CONNECT") };
	if (ret_req->connect)
		return authority_parse(target, 0, ret_req);
	if (target.len < skip || strncasecmp(target.ptr, scheme, skip) != 0)
		return VS_EPROTO;
	target.ptr += skip;
	target.len -= skip;
	for (len = 0; len < target.len && strchr("/?#", target.ptr[len]) == NULL; len++)
		;
	ret_req->path = (struct vs_str){ target.ptr + len, target.len - len };
	return authority_parse((struct vs_str){ target.ptr, len }, 80, ret_req);
}

static bool
field_dropped(const struct vs_http_head *head, const struct vs_http_field *field)
{
	char name[64];

	for (size_t i = 0; i < VS_COUNTOF(dropped_fields); i++) {
		if (vs_str_eq_nocase(field->name, dropped_fields[i]))
			return true;
	}
	if (field->name.len >= 6 && strncasecmp(field->name.ptr, "Proxy-", 6) == 0)
		return true;
	if (field->name.len >= sizeof(name))
		return false;
	memcpy(name, field->name.ptr, field->name.len);
	name[field->name.len] = '\0';
	return vs_http_has_token(head, "Connection", name);
}

int
egress_req_head(const struct vs_http_head *head, const struct egress_req *req, struct vs_buf *out)
{
	bool rooted = req->path.len > 0 && req->path.ptr[0] == '/';

	int rc = vs_buf_printf(out, "%.*s %s%.*s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n",
	    (int)head->method.len, head->method.ptr, rooted ? "" : "/", (int)req->path.len,
	    req->path.ptr == NULL ? "" : req->path.ptr, (int)req->authority.len,
	    req->authority.ptr);
	for (size_t i = 0; rc == 0 && i < head->nfields; i++) {
		const struct vs_http_field *field = &head->field[i];

		if (!field_dropped(head, field))
			rc = vs_buf_printf(out, "%.*s: %.*s\r\n", (int)field->name.len,
			    field->name.ptr, (int)field->value.len, field->value.ptr);
	}
	return rc < 0 ? rc : vs_buf_puts(out, "\r\n");
}
