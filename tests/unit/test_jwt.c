/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/b64url.h"
#include "lib/err.h"
#include "lib/jwt.h"
#include "tests/support/keys.h"

#define ISSUER     "https://ventus.example"
#define NOW        INT64_C(1796000000)
#define SID        "01J00000000000000000000001"
#define WID        "01J00000000000000000000002"
#define JTI        "01J00000000000000000000003"
#define HEAD       "{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\"}"
#define IDS        "\"sid\":\"" SID "\",\"wid\":\"" WID "\",\"jti\":\"" JTI "\""
#define CDP        "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000," IDS "}"
#define VIEW(more) "{\"iss\":\"" ISSUER "\",\"aud\":\"view\",\"iat\":1796000000," IDS more "}"

static struct vs_keyring *ring;

static int
group_setup(void **state)
{
	(void)state;
	ring = keys_new("a b");
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	vs_keyring_free(ring);
	return 0;
}

/* A token of any head and body, signed over these very bytes. */
static void
forge(const char *head, const char *body, const EVP_MD *md, const void *key, size_t key_len,
    char ret_token[8192])
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len = 0;
	size_t len;

	vs_b64url_encode((const uint8_t *)head, strlen(head), ret_token);
	len = strlen(ret_token);
	ret_token[len++] = '.';
	vs_b64url_encode((const uint8_t *)body, strlen(body), ret_token + len);
	len = strlen(ret_token);
	assert_non_null(
	    HMAC(md, key, (int)key_len, (const uint8_t *)ret_token, len, mac, &mac_len));
	ret_token[len++] = '.';
	vs_b64url_encode(mac, mac_len, ret_token + len);
}

static void
forge_signed(const char *head, const char *body, char ret_token[8192])
{
	forge(head, body, EVP_sha256(), vs_keyring_find(ring, "b", VS_KEY_TOKEN), VS_KEY_BYTES,
	    ret_token);
}

static int
verify(enum vs_jwt_aud aud, const char *token, const char **ret_why)
{
	struct vs_jwt_claims claims;

	return vs_jwt_verify(ring, ISSUER, aud, token, NOW, &claims, ret_why);
}

static void
expect_refused_row(const char *name, enum vs_jwt_aud aud, const char *token, const char *why)
{
	const char *got = NULL;

	if (verify(aud, token, &got) != VS_EAUTH)
		fail_msg("%s: taken", name);
	if (got == NULL || strcmp(got, why) != 0)
		fail_msg("%s: refused for \"%s\" instead of \"%s\"", name, got, why);
}

static void
expect_refused(enum vs_jwt_aud aud, const char *token, const char *why)
{
	expect_refused_row("token", aud, token, why);
}

static struct vs_jwt_claims
claims_of(enum vs_jwt_aud aud)
{
	struct vs_jwt_claims claims = {
		.aud = aud, .sid = SID, .wid = WID, .jti = JTI, .iat_s = NOW
	};

	if (aud == VS_JWT_VIEW)
		claims.exp_s = NOW + 300;
	return claims;
}

static char *
sign(const struct vs_jwt_claims *claims)
{
	char *token = NULL;

	assert_int_equal(vs_jwt_sign(ring, ISSUER, claims, &token), 0);
	return token;
}

static void
jwt_sign__makes_what_verify_takes(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct vs_jwt_claims in = claims_of(i < 2 ? VS_JWT_CDP : VS_JWT_VIEW), out;
		char *token;

		in.control = i == 3;
		token = sign(&in);
		assert_int_equal(
		    vs_jwt_verify(ring, ISSUER, in.aud, token, NOW + 1, &out, NULL), 0);
		assert_memory_equal(&in, &out, sizeof(in));
		free(token);
	}
}

static void
jwt_sign__refuses_claims_that_could_not_be_verified(void **state)
{
	struct vs_jwt_claims claims = claims_of(VS_JWT_CDP);
	char *token = NULL;
	char issuer[3000];

	(void)state;
	claims.exp_s = NOW;
	assert_int_equal(vs_jwt_sign(ring, ISSUER, &claims, &token), VS_EINVAL);
	claims = claims_of(VS_JWT_VIEW);
	claims.exp_s = 0;
	assert_int_equal(vs_jwt_sign(ring, ISSUER, &claims, &token), VS_EINVAL);
	claims = claims_of(VS_JWT_CDP);
	claims.sid[0] = '8';
	assert_int_equal(vs_jwt_sign(ring, ISSUER, &claims, &token), VS_EINVAL);
	claims = claims_of(VS_JWT_CDP);
	memset(issuer, 'x', sizeof(issuer));
	issuer[sizeof(issuer) - 1] = '\0';
	assert_int_equal(vs_jwt_sign(ring, issuer, &claims, &token), VS_EINVAL);
	assert_null(token);
}

/* The tests below forge by hand: this one shows that the hand is right. */
static void
jwt_verify__takes_a_token_made_by_hand(void **state)
{
	char token[8192];
	const char *why = "";

	(void)state;
	forge_signed(HEAD, CDP, token);
	assert_int_equal(verify(VS_JWT_CDP, token, &why), 0);
	assert_null(why);
	forge_signed(HEAD, VIEW(",\"exp\":1796000300,\"mode\":\"view\""), token);
	assert_int_equal(verify(VS_JWT_VIEW, token, NULL), 0);
}

static const struct {
	const char *name, *head, *why;
} heads[] = {
	{ "none", "{\"alg\":\"none\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "None", "{\"alg\":\"None\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "hs256", "{\"alg\":\"hs256\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "HS384", "{\"alg\":\"HS384\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "RS256", "{\"alg\":\"RS256\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "ES256", "{\"alg\":\"ES256\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "no alg", "{\"kid\":\"b\",\"typ\":\"JWT\"}", "the algorithm is not HS256" },
	{ "alg null", "{\"alg\":null,\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "alg list", "{\"alg\":[\"HS256\"],\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the algorithm is not HS256" },
	{ "alg twice", "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\"}",
	    "the header is not strict JSON" },
	{ "crit", "{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\",\"crit\":[\"x\"]}",
	    "the header has other members" },
	{ "jku", "{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\",\"jku\":\"http://x/\"}",
	    "the header has other members" },
	{ "jwk", "{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\",\"jwk\":{}}",
	    "the header has other members" },
	{ "typ", "{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWE\"}",
	    "the header has other members" },
	{ "no typ", "{\"alg\":\"HS256\",\"kid\":\"b\",\"x\":1}", "the header has other members" },
	{ "unknown kid", "{\"alg\":\"HS256\",\"kid\":\"c\",\"typ\":\"JWT\"}", "no such key id" },
	{ "path kid", "{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\",\"typ\":\"JWT\"}",
	    "no such key id" },
	{ "empty kid", "{\"alg\":\"HS256\",\"kid\":\"\",\"typ\":\"JWT\"}", "no such key id" },
	{ "kid null", "{\"alg\":\"HS256\",\"kid\":null,\"typ\":\"JWT\"}", "no such key id" },
	{ "kid number", "{\"alg\":\"HS256\",\"kid\":0,\"typ\":\"JWT\"}", "no such key id" },
	{ "other kid", "{\"alg\":\"HS256\",\"kid\":\"a\",\"typ\":\"JWT\"}",
	    "the signature is wrong" },
	{ "list", "[\"HS256\"]", "the header is not strict JSON" },
	{ "string", "\"HS256\"", "the header is not strict JSON" },
	{ "empty", "", "the header is not strict JSON" },
	{ "junk", "{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\"}x",
	    "the header is not strict JSON" },
	{ "quotes", "{'alg':'HS256','kid':'b','typ':'JWT'}", "the header is not strict JSON" },
	{ "NUL", "{\"alg\":\"HS256\",\"kid\":\"b\\u0000\",\"typ\":\"JWT\"}",
	    "the header is not strict JSON" },
};

static void
jwt_verify__refuses_every_other_header(void **state)
{
	char token[8192];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(heads); i++) {
		forge_signed(heads[i].head, CDP, token);
		expect_refused_row(heads[i].name, VS_JWT_CDP, token, heads[i].why);
	}
}

static const struct {
	const char *name;
	enum vs_jwt_aud aud;
	const char *body, *why;
} bodies[] = {
	{ "other issuer", VS_JWT_CDP,
	    "{\"iss\":\"https://evil.example\",\"aud\":\"cdp\",\"iat\":1796000000," IDS "}",
	    "another issuer" },
	{ "no issuer", VS_JWT_CDP, "{\"aud\":\"cdp\",\"iat\":1796000000," IDS "}",
	    "another issuer" },
	{ "longer issuer", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "/\",\"aud\":\"cdp\",\"iat\":1796000000," IDS "}",
	    "another issuer" },
	{ "cdp for view", VS_JWT_VIEW, CDP, "another audience" },
	{ "view for cdp", VS_JWT_CDP, VIEW(",\"exp\":1796000300,\"mode\":\"view\""),
	    "another audience" },
	{ "audience list", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":[\"cdp\"],\"iat\":1796000000," IDS "}",
	    "another audience" },
	{ "duplicate claim", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"view\",\"aud\":\"cdp\",\"iat\":1796000000," IDS "}",
	    "the claims are not strict JSON" },
	{ "claims list", VS_JWT_CDP, "[]", "the claims are not strict JSON" },
	{ "no claims", VS_JWT_CDP, "{}", "another issuer" },
	{ "no sid", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000,\"wid\":\"" WID
	    "\",\"jti\":\"" JTI "\"}",
	    "an id is missing or malformed" },
	{ "short sid", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER
	    "\",\"aud\":\"cdp\",\"iat\":1796000000,\"sid\":\"01J\",\"wid\":\"" WID
	    "\",\"jti\":\"" JTI "\"}",
	    "an id is missing or malformed" },
	{ "future iat", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000006," IDS "}",
	    "iat is missing or in the future" },
	{ "no iat", VS_JWT_CDP, "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\"," IDS "}",
	    "iat is missing or in the future" },
	{ "iat text", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":\"1796000000\"," IDS "}",
	    "iat is missing or in the future" },
	{ "iat real", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000.0," IDS "}",
	    "iat is missing or in the future" },
	{ "iat negative", VS_JWT_CDP, "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":-1," IDS "}",
	    "iat is missing or in the future" },
	{ "nbf", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000,\"nbf\":1796000006," IDS
	    "}",
	    "not valid yet" },
	{ "nbf text", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000,\"nbf\":\"0\"," IDS "}",
	    "not valid yet" },
	{ "exp in cdp", VS_JWT_CDP,
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000,\"exp\":1796000300," IDS
	    "}",
	    "a cdp token has no exp" },
	{ "no exp", VS_JWT_VIEW, VIEW(",\"mode\":\"view\""), "exp is missing or malformed" },
	{ "exp text", VS_JWT_VIEW, VIEW(",\"exp\":\"1796000300\",\"mode\":\"view\""),
	    "exp is missing or malformed" },
	{ "exp huge", VS_JWT_VIEW, VIEW(",\"exp\":999999999999999,\"mode\":\"view\""),
	    "exp is missing or malformed" },
	{ "expired", VS_JWT_VIEW, VIEW(",\"exp\":1795999995,\"mode\":\"view\""), "expired" },
	{ "no mode", VS_JWT_VIEW, VIEW(",\"exp\":1796000300"), "the mode is missing or unknown" },
	{ "other mode", VS_JWT_VIEW, VIEW(",\"exp\":1796000300,\"mode\":\"admin\""),
	    "the mode is missing or unknown" },
};

static void
jwt_verify__refuses_every_other_claim_set(void **state)
{
	char token[8192];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(bodies); i++) {
		forge_signed(HEAD, bodies[i].body, token);
		expect_refused_row(bodies[i].name, bodies[i].aud, token, bodies[i].why);
	}
}

static void
jwt_verify__allows_five_seconds_of_skew(void **state)
{
	char token[8192];

	(void)state;
	forge_signed(HEAD, VIEW(",\"exp\":1795999996,\"mode\":\"view\""), token);
	assert_int_equal(verify(VS_JWT_VIEW, token, NULL), 0);
	forge_signed(
	    HEAD, "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000005," IDS "}", token);
	assert_int_equal(verify(VS_JWT_CDP, token, NULL), 0);
}

static void
jwt_verify__refuses_every_other_key(void **state)
{
	static const uint8_t zeros[VS_KEY_BYTES];
	static const char pem[] = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n";
	char token[8192];

	(void)state;
	forge(HEAD, CDP, EVP_sha256(), "", 0, token);
	expect_refused(VS_JWT_CDP, token, "the signature is wrong");
	forge(HEAD, CDP, EVP_sha256(), zeros, sizeof(zeros), token);
	expect_refused(VS_JWT_CDP, token, "the signature is wrong");
	forge(HEAD, CDP, EVP_sha256(), pem, strlen(pem), token);
	expect_refused(VS_JWT_CDP, token, "the signature is wrong");
	forge(
	    HEAD, CDP, EVP_sha256(), vs_keyring_find(ring, "b", VS_KEY_SEAL), VS_KEY_BYTES, token);
	expect_refused(VS_JWT_CDP, token, "the signature is wrong");
	forge(
	    HEAD, CDP, EVP_sha512(), vs_keyring_find(ring, "b", VS_KEY_TOKEN), VS_KEY_BYTES, token);
	expect_refused(VS_JWT_CDP, token, "not canonical base64url");
}

static void
jwt_verify__refuses_another_shape(void **state)
{
	char token[8192], other[8200];
	size_t len;

	(void)state;
	forge_signed(HEAD, CDP, token);
	len = strlen(token);
	expect_refused(VS_JWT_CDP, "", "not three segments");
	expect_refused(VS_JWT_CDP, "..", "the signature has another length");
	(void)snprintf(other, sizeof(other), "%s.", token);
	expect_refused(VS_JWT_CDP, other, "not three segments");
	(void)snprintf(other, sizeof(other), "%s.AAAA", token);
	expect_refused(VS_JWT_CDP, other, "not three segments");
	(void)snprintf(other, sizeof(other), "%s=", token);
	expect_refused(VS_JWT_CDP, other, "not canonical base64url");
	(void)snprintf(other, sizeof(other), " %s", token);
	expect_refused(VS_JWT_CDP, other, "not canonical base64url");
	(void)snprintf(other, sizeof(other), "%.*s", (int)(strrchr(token, '.') - token + 1), token);
	expect_refused(VS_JWT_CDP, other, "the signature has another length");
	(void)snprintf(other, sizeof(other), "%.*s", (int)(strrchr(token, '.') - token), token);
	expect_refused(VS_JWT_CDP, other, "not three segments");
	for (size_t cut = 0; cut < len; cut++) {
		(void)snprintf(other, sizeof(other), "%.*s", (int)cut, token);
		assert_int_equal(verify(VS_JWT_CDP, other, NULL), VS_EAUTH);
	}
}

static void
jwt_verify__refuses_every_changed_character(void **state)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char token[8192];

	(void)state;
	forge_signed(HEAD, CDP, token);
	for (size_t i = 0; token[i] != '\0'; i++) {
		char was = token[i];

		/* Also the trailing bits of the signature: one text, one token. */
		for (const char *c = alphabet; *c != '\0'; c++) {
			token[i] = *c;
			if (*c != was && verify(VS_JWT_CDP, token, NULL) != VS_EAUTH)
				fail_msg("'%c' at %zu instead of '%c'", *c, i, was);
		}
		token[i] = was;
	}
	assert_int_equal(verify(VS_JWT_CDP, token, NULL), 0);
}

static void
jwt_verify__refuses_what_is_longer_than_ours(void **state)
{
	char body[4096], token[8192];

	(void)state;
	(void)snprintf(body, sizeof(body),
	    "{\"iss\":\"" ISSUER "\",\"aud\":\"cdp\",\"iat\":1796000000," IDS ",\"x\":\"%0*d\"}",
	    2000, 0);
	forge_signed(HEAD, body, token);
	expect_refused(VS_JWT_CDP, token, "longer than a token of ours");
}

static void
jwt_verify__takes_tokens_of_an_older_key(void **state)
{
	struct vs_jwt_claims claims = claims_of(VS_JWT_CDP), out;
	struct vs_keyring *older = keys_new("a");
	char *token = NULL;

	(void)state;
	assert_int_equal(vs_jwt_sign(older, ISSUER, &claims, &token), 0);
	assert_int_equal(vs_jwt_verify(ring, ISSUER, VS_JWT_CDP, token, NOW, &out, NULL), 0);
	free(token);
	token = sign(&claims);
	assert_int_equal(
	    vs_jwt_verify(older, ISSUER, VS_JWT_CDP, token, NOW, &out, NULL), VS_EAUTH);
	free(token);
	vs_keyring_free(older);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jwt_sign__makes_what_verify_takes),
		cmocka_unit_test(jwt_sign__refuses_claims_that_could_not_be_verified),
		cmocka_unit_test(jwt_verify__takes_a_token_made_by_hand),
		cmocka_unit_test(jwt_verify__refuses_every_other_header),
		cmocka_unit_test(jwt_verify__refuses_every_other_claim_set),
		cmocka_unit_test(jwt_verify__allows_five_seconds_of_skew),
		cmocka_unit_test(jwt_verify__refuses_every_other_key),
		cmocka_unit_test(jwt_verify__refuses_another_shape),
		cmocka_unit_test(jwt_verify__refuses_every_changed_character),
		cmocka_unit_test(jwt_verify__refuses_what_is_longer_than_ours),
		cmocka_unit_test(jwt_verify__takes_tokens_of_an_older_key),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
