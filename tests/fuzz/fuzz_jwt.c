/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "T" and a token: never taken unless its signature is right, and then only with the
 * claims of the seeds. "B", a header, a newline and a body: signed here, so that the
 * checks behind the signature are reached; what is taken has to be sound.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/b64url.h"
#include "lib/err.h"
#include "lib/jwt.h"
#include "tests/support/keys.h"

#define ISSUER   "https://ventus.example"
#define NOW      INT64_C(1796000000)
#define MAX_PART 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vs_keyring *ring;

static void
check_claims(const struct vs_jwt_claims *claims, enum vs_jwt_aud aud)
{
	assert(claims->aud == aud);
	assert(vs_ulid_ok(claims->sid, strlen(claims->sid)));
	assert(vs_ulid_ok(claims->wid, strlen(claims->wid)));
	assert(vs_ulid_ok(claims->jti, strlen(claims->jti)));
	assert(claims->iat_s > 0 && claims->iat_s <= NOW + VS_JWT_LEEWAY_S);
	if (aud == VS_JWT_CDP)
		assert(claims->exp_s == 0 && !claims->control);
	else
		assert(claims->exp_s > NOW - VS_JWT_LEEWAY_S);
}

static void
verify(const char *token)
{
	int taken = 0;

	for (int i = 0; i < 2; i++) {
		enum vs_jwt_aud aud = i == 0 ? VS_JWT_CDP : VS_JWT_VIEW;
		struct vs_jwt_claims claims;
		const char *why = NULL;
		int rc = vs_jwt_verify(ring, ISSUER, aud, token, NOW, &claims, &why);

		assert(rc == 0 || rc == VS_EAUTH);
		assert((rc == 0) == (why == NULL));
		if (rc == 0) {
			check_claims(&claims, aud);
			taken++;
		}
	}
	assert(taken < 2);
}

static size_t
put_segment(char *token, size_t at, const uint8_t *bytes, size_t len)
{
	vs_b64url_encode(bytes, len, token + at);
	return at + strlen(token + at);
}

static void
sign_and_verify(const uint8_t *head, size_t head_len, const uint8_t *body, size_t body_len)
{
	char token[2 * VS_B64URL_SIZE(MAX_PART) + 64];
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len = 0;
	size_t len;

	if (head_len > MAX_PART || body_len > MAX_PART)
		return;
	len = put_segment(token, 0, head, head_len);
	token[len++] = '.';
	len = put_segment(token, len, body, body_len);
	assert(HMAC(EVP_sha256(), vs_keyring_find(ring, "a", VS_KEY_TOKEN), VS_KEY_BYTES,
		   (const uint8_t *)token, len, mac, &mac_len) != NULL);
	token[len++] = '.';
	(void)put_segment(token, len, mac, mac_len);
	verify(token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline;
	char *token;

	if (ring == NULL)
		ring = keys_new("a");
	if (size < 1)
		return 0;
	newline = memchr(data, '\n', size);
	if (data[0] == 'B' && newline != NULL) {
		sign_and_verify(data + 1, (size_t)(newline - data - 1), newline + 1,
		    size - (size_t)(newline - data) - 1);
	} else if (data[0] == 'T') {
		token = malloc(size);
		assert(token != NULL);
		memcpy(token, data + 1, size - 1);
		token[size - 1] = '\0';
		verify(token);
		free(token);
	}
	return 0;
}
