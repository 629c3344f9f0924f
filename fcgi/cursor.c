/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/cursor.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "lib/b64url.h"
#include "lib/err.h"

#define MAC_BYTES 16
#define KEY_BYTES 8
#define RAW_MAX   (1 + VS_KID_MAX + KEY_BYTES + VS_ULID_LEN + MAC_BYTES)

static_assert(CURSOR_SIZE >= VS_B64URL_SIZE(RAW_MAX), "the longest cursor fits");

/* The signature of the first len bytes of raw, behind them. */
static void
sign(const struct cursor_scope *scope, const char *kid, const uint8_t *raw, size_t len,
    uint8_t ret_mac[EVP_MAX_MD_SIZE])
{
	const uint8_t *key = vs_keyring_find(scope->ring, kid, VS_KEY_CURSOR);
	uint8_t text[64 + 1 + VS_ULID_SIZE + RAW_MAX];
	size_t list_len = strlen(scope->list), used = 0;
	unsigned int mac_len;

	assert(key != NULL && list_len <= 64 && len <= RAW_MAX);
	memcpy(text, scope->list, list_len + 1);
	used += list_len + 1;
	memcpy(text + used, scope->workspace_id, VS_ULID_SIZE);
	used += VS_ULID_SIZE;
	memcpy(text + used, raw, len);
	used += len;
	/* With these arguments it cannot fail but for memory; zeroes then match nothing. */
	memset(ret_mac, 0, EVP_MAX_MD_SIZE);
	(void)HMAC(EVP_sha256(), key, VS_KEY_BYTES, text, used, ret_mac, &mac_len);
}

void
cursor_print(
    const struct cursor_scope *scope, const struct cursor *cursor, char ret_text[CURSOR_SIZE])
{
	const char *kid = vs_keyring_current(scope->ring);
	size_t kid_len = strlen(kid), used;
	uint8_t raw[RAW_MAX], mac[EVP_MAX_MD_SIZE];

	raw[0] = (uint8_t)kid_len;
	memcpy(raw + 1, kid, kid_len);
	used = 1 + kid_len;
	for (int i = 0; i < KEY_BYTES; i++)
		raw[used++] = (uint8_t)((uint64_t)cursor->key >> (8 * (KEY_BYTES - 1 - i)));
	memcpy(raw + used, cursor->id, VS_ULID_LEN);
	used += VS_ULID_LEN;
	sign(scope, kid, raw, used, mac);
	memcpy(raw + used, mac, MAC_BYTES);
	vs_b64url_encode(raw, used + MAC_BYTES, ret_text);
}

int
cursor_parse(const struct cursor_scope *scope, const char *text, struct cursor *ret_cursor)
{
	uint8_t raw[RAW_MAX], mac[EVP_MAX_MD_SIZE];
	char kid[VS_KID_MAX + 1];
	struct cursor cursor = { .key = 0 };
	size_t len, kid_len, signed_len;
	uint64_t key = 0;

	if (vs_b64url_decode(text, strlen(text), raw, sizeof(raw), &len) < 0 || len < 1)
		return VS_EINVAL;
	kid_len = raw[0];
	signed_len = 1 + kid_len + KEY_BYTES + VS_ULID_LEN;
	if (kid_len < 1 || kid_len > VS_KID_MAX || len != signed_len + MAC_BYTES)
		return VS_EINVAL;
	memcpy(kid, raw + 1, kid_len);
	kid[kid_len] = '\0';
	if (vs_keyring_find(scope->ring, kid, VS_KEY_CURSOR) == NULL)
		return VS_EINVAL;
	sign(scope, kid, raw, signed_len, mac);
	if (CRYPTO_memcmp(mac, raw + signed_len, MAC_BYTES) != 0)
		return VS_EINVAL;
	for (size_t i = 0; i < KEY_BYTES; i++)
		key = key << 8 | raw[1 + kid_len + i];
	cursor.key = (int64_t)key;
	memcpy(cursor.id, raw + 1 + kid_len + KEY_BYTES, VS_ULID_LEN);
	*ret_cursor = cursor;
	return 0;
}
