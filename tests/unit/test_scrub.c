/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/err.h"
#include "lib/scrub.h"

#define ID  "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define JWT "eyJhbGciOiJFZERTQSJ9.eyJzaWQiOiJ4In0.c2lnbmF0dXJl-_x"
#define R   VS_SCRUBBED

static const struct {
	const char *in, *want;
} rows[] = {
	/* What has no secret stays as it is. */
	{ "", "" },
	{ "session " ID " moved to RUNNING", "session " ID " moved to RUNNING" },
	{ "/v1/sessions/" ID "/cdp", "/v1/sessions/" ID "/cdp" },
	{ "vs_" ID, "vs_" ID },
	{ "key vs_" ID ". Next", "key vs_" ID ". Next" },
	{ "the key is wrong; no token: none", "the key is wrong; no token: none" },
	{ "a bearer token, or basic auth.", "a bearer token, or basic auth." },
	{ "tokens=3 mypassword=4 keyed=5", "tokens=3 mypassword=4 keyed=5" },
	{ "eyJ eyJa.b lib/buf.c vs_buf.c", "eyJ eyJa.b lib/buf.c vs_buf.c" },
	{ "http://host/a@b?c=d", "http://host/a@b?c=d" },
	{ "token= &x=1", "token= &x=1" },
	/* API keys: the prefix stays. */
	{ "vs_" ID ".aB3dE6gH", "vs_" ID "." R },
	{ "(vs_" ID ".aB3)", "(vs_" ID "." R ")" },
	{ "xvs_" ID ".a.b", "xvs_" ID "." R ".b" },
	{ "vs_" ID ".a vs_" ID ".b", "vs_" ID "." R " vs_" ID "." R },
	/* Tokens. */
	{ "got " JWT " here", "got " R " here" },
	{ "x-" JWT ".", "x-" R "." },
	{ "3D" JWT, "3D" R },
	{ "eyJhbGciOiJFZERTQSJ9.eyJzaWQi", R },
	/* Values in queries and settings. */
	{ "GET /v1/sessions/" ID "/cdp?token=abc&x=1",
	    "GET /v1/sessions/" ID "/cdp?token=" R "&x=1" },
	{ "?key=a&api_key=b&sig=c", "?key=" R "&api_key=" R "&sig=" R },
	{ "?a=1%26token%3Dabc&b", "?a=1%26token%3D" R "&b" },
	{ "PASSWORD=x Password = y", "PASSWORD=" R " Password = " R },
	{ "dbname=v password='a b\\'c' port=1", "dbname=v password='" R "' port=1" },
	{ "ADMIN_API_KEY=abc", "ADMIN_API_KEY=" R },
	{ "accessToken=abc clientSecret=d", "accessToken=" R " clientSecret=" R },
	{ "authorization=Bearer abc def\nnext", "authorization=" R "\nnext" },
	{ "password=p\xc3\xa4ss,)}", "password=" R },
	/* Headers. */
	{ "Authorization: Basic dTpw\r\nHost: x", "Authorization: " R "\r\nHost: x" },
	{ "Set-Cookie: a=b; Path=/", "Set-Cookie: " R },
	{ "X-Api-Key:abc", "X-Api-Key:" R },
	{ "sent Bearer abc.def, then", "sent Bearer " R ", then" },
	{ "bearer  a", "bearer  " R },
	{ "a bearer Bearer a", "a bearer Bearer " R },
	{ "token=Bearer a", "token=Bearer " R },
	{ "Basic dXNlcjpwYXNz", "Basic " R },
	/* JSON, also quoted in JSON, and values that are not strings. */
	{ "{\"password\":\"a\\\"b\",\"id\":\"" ID "\"}",
	    "{\"password\":\"" R "\",\"id\":\"" ID "\"}" },
	{ "{\"token\" : 12,\"a\":1}", "{\"token\" : " R ",\"a\":1}" },
	{ "{\"jwt\":null}", "{\"jwt\":" R "}" },
	{ "{\\\"secret\\\":\\\"a\\\\\\\"b\\\",\\\"x\\\":1}",
	    "{\\\"secret\\\":\\\"" R "\\\",\\\"x\\\":1}" },
	{ "{\"storage_state\":{\"cookies\":[{\"v\":\"}\"}]},\"a\":1}",
	    "{\"storage_state\":" R ",\"a\":1}" },
	{ "\"storage_state\":[{\"a\":1}", "\"storage_state\":" R },
	{ "'password': 'a'", "'password': '" R "'" },
	{ "\"password\":\"open", "\"password\":\"" R },
	/* Userinfo. */
	{ "http://user:pass@host:1/x", "http://" R "@host:1/x" },
	{ "socks5://u:p@ss@host", "socks5://" R "@host" },
	{ "postgres://u@h/db?password=x", "postgres://" R "@h/db?password=" R },
};

static void
scrub_text__replaces_secrets_and_nothing_else(void **state)
{
	struct vs_buf out;

	(void)state;
	vs_buf_init(&out, 4096);
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		vs_buf_clear(&out);
		assert_int_equal(vs_scrub_text(&out, rows[i].in, strlen(rows[i].in)), 0);
		if (strcmp(vs_buf_str(&out), rows[i].want) != 0)
			fail_msg(
			    "%s\n gave %s\n not  %s", rows[i].in, vs_buf_str(&out), rows[i].want);
	}
	vs_buf_fini(&out);
}

static void
scrub_text__leaves_scrubbed_text_alone(void **state)
{
	struct vs_buf out;

	(void)state;
	vs_buf_init(&out, 4096);
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		vs_buf_clear(&out);
		assert_int_equal(vs_scrub_text(&out, rows[i].want, strlen(rows[i].want)), 0);
		assert_string_equal(vs_buf_str(&out), rows[i].want);
	}
	vs_buf_fini(&out);
}

static void
scrub_text__appends_whole_or_not_at_all(void **state)
{
	static const char text[] = "one token=abc two";
	struct vs_buf out;

	(void)state;
	vs_buf_init(&out, 20);
	assert_int_equal(vs_buf_puts(&out, "x"), 0);
	assert_int_equal(vs_scrub_text(&out, text, strlen(text)), VS_EFULL);
	assert_string_equal(vs_buf_str(&out), "x");
	assert_int_equal(vs_scrub_text(&out, "\0a", 2), 0);
	assert_int_equal(vs_buf_len(&out), 3);
	vs_buf_fini(&out);
}

static void
scrub_key__knows_the_keys_of_the_contract(void **state)
{
	static const char *const keys[] = { "authorization", "proxy_authorization", "cookie",
		"set_cookie", "token", "access_token", "refresh_token", "secret", "client_secret",
		"password", "passwd", "passphrase", "api_key", "apikey", "x_api_key", "private_key",
		"connect_url", "live_view_url", "recording_url", "vnc_password", "storage_state",
		"session_token", "csrf_token", "jwt", "bearer", "Set-Cookie", "X-API-Key",
		"ACCESS_TOKEN", "accessToken", "db_password", "apiKey" };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(keys); i++) {
		if (!vs_scrub_key(keys[i]))
			fail_msg("%s", keys[i]);
	}
}

static void
scrub_key__lets_our_log_keys_through(void **state)
{
	static const char *const keys[] = { "", "_", "session", "workspace", "runtime", "conn",
		"request_id", "error", "key", "key_id", "path", "pass", "tokens", "token_count",
		"keyed", "url", "state", "program", "event", "mypassword", "notoken" };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(keys); i++) {
		if (vs_scrub_key(keys[i]))
			fail_msg("%s", keys[i]);
	}
}

/* Text made to make each shape look far ahead and find nothing. */
static void
scrub_text__takes_linear_time_on_hostile_text(void **state)
{
	static const char *const units[] = { "eyJ", "eyJ.", "eyJaaaaaa.", "eyJaaaaaa.aaa.", "//",
		"//a", "//@", "token", "token ", "token=", "token\\", "token='", "token=[",
		"token:\"", "\"token\":{", "Bearer ", "Basic", "vs_" ID ".", "vs_" ID ".a.", "_",
		"\\", "%3D", "token%3D", "Cookie:", "-_", "\"", "a" };
	const size_t size = 1 << 20;
	char *text = malloc(size);
	struct vs_buf out;

	(void)state;
	assert_non_null(text);
	vs_buf_init(&out, 8 * size);
	for (size_t i = 0; i < VS_COUNTOF(units); i++) {
		clock_t before = clock();

		for (size_t at = 0; at < size; at++)
			text[at] = units[i][at % strlen(units[i])];
		vs_buf_clear(&out);
		assert_int_equal(vs_scrub_text(&out, text, size), 0);
		/* Milliseconds when linear; hours when not. */
		if (clock() - before > 5 * CLOCKS_PER_SEC)
			fail_msg("%s", units[i]);
	}
	vs_buf_fini(&out);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scrub_text__replaces_secrets_and_nothing_else),
		cmocka_unit_test(scrub_text__leaves_scrubbed_text_alone),
		cmocka_unit_test(scrub_text__appends_whole_or_not_at_all),
		cmocka_unit_test(scrub_key__knows_the_keys_of_the_contract),
		cmocka_unit_test(scrub_key__lets_our_log_keys_through),
		cmocka_unit_test(scrub_text__takes_linear_time_on_hostile_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
