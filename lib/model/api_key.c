/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/model/api_key.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/err.h"

static const char *const role_texts[] = {
	[ROLE_NONE] = "none",
	[ROLE_VIEWER] = "viewer",
	[ROLE_OPERATOR] = "operator",
	[ROLE_ADMIN] = "admin",
	[ROLE_SYSTEM] = "system",
};

enum api_role
api_role_parse(const char *text)
{
	for (size_t i = ROLE_VIEWER; text != NULL && i < VS_COUNTOF(role_texts); i++) {
		if (strcmp(text, role_texts[i]) == 0)
			return (enum api_role)i;
	}
	return ROLE_NONE;
}

const char *
api_role_text(enum api_role role)
{
	return role_texts[role];
}

/* count characters of [A-Za-z0-9], each as likely as any other. */
static int
random_alnum(char *out, size_t count)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const size_t letters = sizeof(alphabet) - 1;
	uint8_t bytes[64];
	size_t made = 0;

	while (made < count) {
		if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
			return VS_EIO;
		/* The bytes above the last whole multiple would favour the first letters. */
		for (size_t i = 0; i < sizeof(bytes) && made < count; i++) {
			if (bytes[i] < 256 - 256 % letters)
				out[made++] = alphabet[bytes[i] % letters];
		}
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return 0;
}

int
api_key_new(char ret_key[API_KEY_SIZE], char ret_id[VS_ULID_SIZE], uint8_t ret_sha256[32])
{
	char secret[API_KEY_SECRET_LEN + 1] = "";
	int rc;

	rc = random_alnum(secret, API_KEY_SECRET_LEN);
	if (rc < 0)
		return rc;
	vs_ulid_new(ret_id);
	memcpy(ret_key, "vs_", 3);
	memcpy(ret_key + 3, ret_id, VS_ULID_LEN);
	ret_key[3 + VS_ULID_LEN] = '.';
	memcpy(ret_key + API_KEY_PREFIX_SIZE, secret, sizeof(secret));
	(void)SHA256((const uint8_t *)secret, API_KEY_SECRET_LEN, ret_sha256);
	OPENSSL_cleanse(secret, sizeof(secret));
	return 0;
}

const char *
api_key_split(const char *key, struct api_key *ret_key)
{
	const char *secret = key + API_KEY_PREFIX_SIZE;

	if (strlen(key) != API_KEY_SIZE - 1 || memcmp(key, "vs_", 3) != 0 ||
	    !vs_ulid_ok(key + 3, VS_ULID_LEN) || key[3 + VS_ULID_LEN] != '.')
		return NULL;
	for (const char *c = secret; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c))
			return NULL;
	}
	memcpy(ret_key->id, key + 3, VS_ULID_LEN);
	ret_key->id[VS_ULID_LEN] = '\0';
	memcpy(ret_key->prefix, key, API_KEY_PREFIX_SIZE - 1);
	ret_key->prefix[API_KEY_PREFIX_SIZE - 1] = '\0';
	return secret;
}
