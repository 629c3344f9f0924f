/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent reads from a client, from a page's proxy requests, from its
 * specification and from Chrome. A request that is passed on is one request, and of
 * the form it claims; an allow-list entry that is taken permits its own address.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"
#include "runtime-image/agent/addr_policy.h"
#include "runtime-image/agent/cdp_path.h"
#include "runtime-image/agent/chrome.h"
#include "runtime-image/agent/egress_req.h"
#include "runtime-image/agent/oom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OWN_FIELDS 4 /* what a passed-on head may have more than the one that came */

/* What was built must be a whole head, with nothing behind it. */
static void
check_built(struct vs_buf *out, struct vs_http_head *ret_head)
{
	assert(vs_http_request((const char *)vs_buf_data(out), vs_buf_len(out), ret_head) == 0);
	assert(ret_head->size == vs_buf_len(out));
	assert(vs_http_find(ret_head, "Host") != NULL);
	assert(vs_http_find(ret_head, "Authorization") == NULL ||
	       vs_http_find(ret_head, "Upgrade") == NULL);
}

static void
fuzz_egress(const struct vs_http_head *head)
{
	static struct vs_http_head built;
	struct egress_req req;
	struct vs_buf out;

	if (egress_req_parse(head, &req) < 0)
		return;
	assert(req.host[0] != '\0' && strlen(req.host) < EGRESS_HOST_SIZE && req.port != 0);
	(void)egress_req_phones_home(req.host);
	if (req.connect)
		return;
	vs_buf_init(&out, 65536);
	assert(egress_req_head(head, &req, &out) == 0);
	check_built(&out, &built);
	assert(built.target.ptr[0] == '/');
	assert(vs_http_has_token(&built, "Connection", "close") && !built.chunked);
	for (size_t i = 0; i < built.nfields; i++) {
		assert(built.field[i].name.len < 6 ||
		       strncasecmp(built.field[i].name.ptr, "Proxy-", 6) != 0);
	}
	vs_buf_fini(&out);
}

static void
fuzz_cdp(const struct vs_http_head *head)
{
	static struct vs_http_head built;
	char path[CDP_PATH_SIZE];
	struct vs_buf out;
	bool websocket;

	if (cdp_path_map(head, "/devtools/browser/a", path, &websocket) < 0)
		return;
	assert(strncmp(path, websocket ? "/devtools/" : "/json/", websocket ? 10 : 6) == 0);
	vs_buf_init(&out, 65536);
	assert(cdp_path_head(head, path, websocket, 9222, &out) == 0);
	check_built(&out, &built);
	assert(vs_str_eq(built.target, path) && vs_http_find(&built, "Origin") == NULL);
	vs_buf_fini(&out);
}

static void
fuzz_texts(const char *text)
{
	struct addr_policy policy = { .count = 0 };
	char path[CHROME_PATH_SIZE];
	uint64_t count;
	uint16_t port;

	if (addr_policy_allow(&policy, text) == 0)
		assert(policy.count == 1 && policy.allow[0].bits <= 128 &&
		       policy.allow[0].port_lo <= policy.allow[0].port_hi);
	if (chrome_parse_listening(text, &port, path))
		assert(port != 0 && strncmp(path, "/devtools/browser/", 18) == 0);
	(void)oom_parse(text, &count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vs_http_head head;
	char *text = malloc(size + 1);

	assert(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	fuzz_texts(text);
	if (vs_http_request(text, size, &head) == 0 &&
	    head.nfields + OWN_FIELDS <= VS_HTTP_MAX_FIELDS) {
		fuzz_egress(&head);
		fuzz_cdp(&head);
	}
	free(text);
	return 0;
}
