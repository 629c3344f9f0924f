/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fcgi/req.h"
#include "lib/err.h"

/* A peer that sends text in small pieces, then ends or breaks. */
struct peer {
	const char *text;
	size_t left;
	int end; /* 0 or -1 */
};

struct fixture {
	struct vs_arena arena;
	struct peer peer;
	struct req_source source;
	struct req req;
	const char *fault;
};

static int
peer_read(void *ctx, char *bytes, int room)
{
	struct peer *peer = ctx;
	size_t some = peer->left < 7 ? peer->left : 7;

	if (some > (size_t)room)
		some = (size_t)room;
	if (some == 0)
		return peer->end;
	memcpy(bytes, peer->text, some);
	peer->text += some;
	peer->left -= some;
	return (int)some;
}

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	vs_arena_init(&fx->arena, 1024 * 1024);
	fx->source = (struct req_source){ .read = peer_read, .ctx = &fx->peer };
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	req_fini(&fx->req);
	vs_arena_fini(&fx->arena);
	free(fx);
	return 0;
}

static int
init(struct fixture *fx, const char *const *params, const char *body)
{
	fx->source.params = (char *const *)(const void *)params;
	fx->peer = (struct peer){ .text = body, .left = strlen(body) };
	return req_init(&fx->req, &fx->arena, &fx->source, &fx->fault);
}

#define PARAMS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void
req_init__takes_what_the_web_server_says(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    init(fx,
		PARAMS("REQUEST_METHOD=POST", "SCRIPT_NAME=/v1/sessions", "QUERY_STRING=a=b",
		    "CONTENT_TYPE=application/json", "CONTENT_LENGTH=12", "REMOTE_ADDR=192.0.2.7",
		    "HTTP_AUTHORIZATION=Bearer x", "HTTP_IDEMPOTENCY_KEY=k",
		    "HTTP_X_REASON=because", "HTTP_USER_AGENT=curl", "HTTP_X_REQUEST_ID=r-1._",
		    "PATH=/bin"),
		""),
	    0);
	assert_int_equal(fx->req.method, METHOD_POST);
	assert_string_equal(fx->req.path, "/v1/sessions");
	assert_int_equal(fx->req.query.count, 1);
	assert_string_equal(fx->req.content_type, "application/json");
	assert_int_equal(fx->req.content_length, 12);
	assert_string_equal(fx->req.ip, "192.0.2.7");
	assert_string_equal(fx->req.authorization, "Bearer x");
	assert_string_equal(fx->req.idempotency_key, "k");
	assert_string_equal(fx->req.reason, "because");
	assert_string_equal(fx->req.user_agent, "curl");
	assert_string_equal(fx->req.request_id, "r-1._");
}

static void
req_init__stands_a_request_without_anything(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(init(fx, PARAMS("X=Y"), ""), 0);
	assert_int_equal(fx->req.method, METHOD_OTHER);
	assert_string_equal(fx->req.path, "");
	assert_null(fx->req.authorization);
	assert_null(fx->req.ip);
	assert_int_equal(strlen(fx->req.request_id), VS_ULID_LEN);
}

static void
req_init__makes_a_new_request_id_when_the_callers_is_odd(void **state)
{
	static const char *const odd[] = { "HTTP_X_REQUEST_ID=", "HTTP_X_REQUEST_ID=a b",
		"HTTP_X_REQUEST_ID=a\nb", "HTTP_X_REQUEST_ID=\xc3\xa9",
		("HTTP_X_REQUEST_ID="
		 "0123456789012345678901234567890123456789012345678901234567890123"
		 "4") };
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(odd); i++) {
		assert_int_equal(init(fx, PARAMS(odd[i]), ""), 0);
		assert_true(vs_ulid_ok(fx->req.request_id, strlen(fx->req.request_id)));
	}
}

static void
req_init__refuses_a_header_that_comes_twice(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    init(fx, PARAMS("HTTP_X_REASON=a", "HTTP_ACCEPT=*/*", "HTTP_X_REASON=b"), ""),
	    VS_EINVAL);
	assert_non_null(fx->fault);
	assert_int_equal(init(fx, PARAMS("HTTP_FOO=a", "HTTP_FOO=a"), ""), VS_EINVAL);
	/* Neither one may become the request's id. */
	assert_int_equal(
	    init(fx, PARAMS("HTTP_X_REQUEST_ID=a", "HTTP_X_REQUEST_ID=b"), ""), VS_EINVAL);
	assert_int_equal(strlen(fx->req.request_id), VS_ULID_LEN);
}

static void
req_init__tames_what_goes_to_the_audit_log(void **state)
{
	struct fixture *fx = *state;
	char agent[16 + 2 * USER_AGENT_MAX];

	memset(agent, 'x', sizeof(agent));
	memcpy(agent, "HTTP_USER_AGENT=", 16);
	agent[sizeof(agent) - 1] = '\0';
	agent[17] = '\n';
	agent[18] = (char)0xff;
	assert_int_equal(init(fx, PARAMS(agent, "REMOTE_ADDR=1\t2"), ""), 0);
	assert_int_equal(strlen(fx->req.user_agent), USER_AGENT_MAX);
	assert_memory_equal(fx->req.user_agent, "x??x", 4);
	assert_string_equal(fx->req.ip, "1?2");
}

static void
req_init__refuses_a_length_that_is_no_number(void **state)
{
	static const char *const odd[] = { "CONTENT_LENGTH=-1", "CONTENT_LENGTH=+1",
		"CONTENT_LENGTH=1x", "CONTENT_LENGTH= 1", "CONTENT_LENGTH=99999999999999999999" };
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(odd); i++)
		assert_int_equal(init(fx, PARAMS(odd[i]), ""), VS_EINVAL);
	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH="), ""), 0);
	assert_int_equal(fx->req.content_length, 0);
}

static void
req_read_body__reads_as_much_as_was_said(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH=20"), "12345678901234567890"), 0);
	assert_int_equal(req_read_body(&fx->req, 20), 0);
	assert_memory_equal(fx->req.body, "12345678901234567890", 20);
	assert_true(fx->req.body_taken);
	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH=0"), ""), 0);
	assert_int_equal(req_read_body(&fx->req, 20), 0);
}

static void
req_read_body__refuses_more_or_less_than_was_said(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH=5"), "1234"), 0);
	assert_int_equal(req_read_body(&fx->req, 20), VS_EPROTO);
	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH=5"), "123456"), 0);
	assert_int_equal(req_read_body(&fx->req, 20), VS_EPROTO);
	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH=5"), "123"), 0);
	fx->peer.end = -1;
	assert_int_equal(req_read_body(&fx->req, 20), VS_EPROTO);
}

static void
req_read_body__refuses_too_much_before_it_reads(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(init(fx, PARAMS("CONTENT_LENGTH=21"), "123456789012345678901"), 0);
	assert_int_equal(req_read_body(&fx->req, 20), VS_ETOOBIG);
	assert_int_equal(fx->peer.left, 21);
	req_drain(&fx->req);
	assert_int_equal(fx->peer.left, 0);
	assert_true(fx->req.body_taken);
}

static void
req_is_json__looks_at_type_and_charset(void **state)
{
	static const struct {
		const char *param;
		bool want;
	} rows[] = {
		{ "CONTENT_TYPE=application/json", true },
		{ "CONTENT_TYPE=Application/JSON", true },
		{ "CONTENT_TYPE=application/json; charset=utf-8", true },
		{ "CONTENT_TYPE=application/json;charset=UTF-8", true },
		{ "CONTENT_TYPE=application/json ; charset=\"utf-8\"", true },
		{ "CONTENT_TYPE=application/json; charset=latin1", false },
		{ "CONTENT_TYPE=application/json; boundary=x", false },
		{ "CONTENT_TYPE=application/json;", false },
		{ "CONTENT_TYPE=application/jsonx", false },
		{ "CONTENT_TYPE=application/json-patch+json", false },
		{ "CONTENT_TYPE=text/json", false },
		{ "CONTENT_TYPE=", false },
		{ "X=Y", false },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		assert_int_equal(init(fx, PARAMS(rows[i].param), ""), 0);
		if (req_is_json(&fx->req) != rows[i].want)
			fail_msg("%s", rows[i].param);
	}
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(req_init__takes_what_the_web_server_says),
		TEST(req_init__stands_a_request_without_anything),
		TEST(req_init__makes_a_new_request_id_when_the_callers_is_odd),
		TEST(req_init__refuses_a_header_that_comes_twice),
		TEST(req_init__tames_what_goes_to_the_audit_log),
		TEST(req_init__refuses_a_length_that_is_no_number),
		TEST(req_read_body__reads_as_much_as_was_said),
		TEST(req_read_body__refuses_more_or_less_than_was_said),
		TEST(req_read_body__refuses_too_much_before_it_reads),
		TEST(req_is_json__looks_at_type_and_charset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
