/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/seal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define IV_BYTES      12
#define TAG_BYTES     16
#define WRAPPED_BYTES (IV_BYTES + VS_KEY_BYTES + TAG_BYTES)
#define MAX_PLAIN     (64 * 1024 * 1024)
#define MAX_PLACE     512

VS_DEFINE_AUTO(cleanup_cipher_ctx, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

/* "table|column|row|kid": what a sealed value is bound to. */
struct place_data {
	uint8_t bytes[MAX_PLACE];
	size_t len;
};

/* One AES-256-GCM operation; text of the same length in and out. */
struct gcm {
	const uint8_t *key; /* VS_KEY_BYTES */
	const uint8_t *iv;  /* IV_BYTES */
	const uint8_t *in;
	uint8_t *out;
	size_t len;
	uint8_t *tag; /* TAG_BYTES; written or checked */
};

/* Where the parts of an envelope lie. */
struct envelope {
	char kid[VS_KID_MAX + 1];
	const uint8_t *wrapped; /* IV, data key, tag */
	const uint8_t *iv, *tag, *text;
	size_t text_len;
};

static size_t
envelope_head_len(size_t kid_len)
{
	return 3 + kid_len + WRAPPED_BYTES + IV_BYTES + TAG_BYTES;
}

static int
place_put(struct place_data *data, const char *text)
{
	size_t len = strlen(text);

	if (len + 1 > sizeof(data->bytes) - data->len)
		return VS_EINVAL;
	memcpy(data->bytes + data->len, text, len);
	data->len += len;
	data->bytes[data->len++] = '|';
	return 0;
}

static int
place_data(const struct vs_seal_place *place, const char *kid, struct place_data *ret_data)
{
	const char *const parts[] = { place->table, place->column, place->row_id, kid };
	int rc = 0;

	ret_data->len = 0;
	for (size_t i = 0; rc == 0 && i < VS_COUNTOF(parts); i++)
		rc = place_put(ret_data, parts[i]);
	return rc;
}

static int
gcm_seal(const struct gcm *gcm, const struct place_data *aad)
{
	vs_auto(cleanup_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (ctx == NULL)
		return VS_ENOMEM;
	if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, gcm->key, gcm->iv) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, aad->bytes, (int)aad->len) != 1 ||
	    EVP_EncryptUpdate(ctx, gcm->out, &n, gcm->in, (int)gcm->len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, gcm->out + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, gcm->tag) != 1)
		return VS_EIO;
	return 0;
}

static int
gcm_open(const struct gcm *gcm, const struct place_data *aad)
{
	vs_auto(cleanup_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (ctx == NULL)
		return VS_ENOMEM;
	if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, gcm->key, gcm->iv) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, aad->bytes, (int)aad->len) != 1 ||
	    EVP_DecryptUpdate(ctx, gcm->out, &n, gcm->in, (int)gcm->len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, gcm->tag) != 1)
		return VS_EIO;
	return EVP_DecryptFinal_ex(ctx, gcm->out + n, &n) == 1 ? 0 : VS_EAUTH;
}

/* Fill the envelope at out: a fresh data key, wrapped by key, around plain. */
static int
seal_into(uint8_t *out, const uint8_t *key, const char *kid, const struct place_data *aad,
    const void *plain, size_t len)
{
	size_t kid_len = strlen(kid);
	uint8_t *wrapped = out + 3 + kid_len;
	uint8_t *iv = wrapped + WRAPPED_BYTES;
	uint8_t data_key[VS_KEY_BYTES];
	int rc = 0;

	out[0] = 'v';
	out[1] = '1';
	out[2] = (uint8_t)kid_len;
	memcpy(out + 3, kid, kid_len);
	if (RAND_priv_bytes(data_key, sizeof(data_key)) != 1 ||
	    RAND_bytes(wrapped, IV_BYTES) != 1 || RAND_bytes(iv, IV_BYTES) != 1)
		rc = VS_EIO;
	if (rc == 0)
		rc = gcm_seal(&(struct gcm){ .key = key,
				  .iv = wrapped,
				  .in = data_key,
				  .out = wrapped + IV_BYTES,
				  .len = sizeof(data_key),
				  .tag = wrapped + IV_BYTES + VS_KEY_BYTES },
		    aad);
	if (rc == 0)
		rc = gcm_seal(&(struct gcm){ .key = data_key,
				  .iv = iv,
				  .in = plain,
				  .out = iv + IV_BYTES + TAG_BYTES,
				  .len = len,
				  .tag = iv + IV_BYTES },
		    aad);
	OPENSSL_cleanse(data_key, sizeof(data_key));
	return rc;
}

int
vs_seal(const struct vs_keyring *ring, const struct vs_seal_place *place, const void *plain,
    size_t len, uint8_t **ret_sealed, size_t *ret_len)
{
	const char *kid = vs_keyring_current(ring);
	size_t total = envelope_head_len(strlen(kid)) + len;
	struct place_data aad;
	uint8_t *sealed;
	int rc;

	if (len > MAX_PLAIN)
		return VS_ETOOBIG;
	rc = place_data(place, kid, &aad);
	if (rc < 0)
		return rc;
	sealed = malloc(total);
	if (sealed == NULL)
		return VS_ENOMEM;
	rc = seal_into(sealed, vs_keyring_find(ring, kid, VS_KEY_SEAL), kid, &aad, plain, len);
	if (rc < 0) {
		free(sealed);
		return rc;
	}
	*ret_sealed = sealed;
	*ret_len = total;
	return 0;
}

static int
envelope_parse(const uint8_t *sealed, size_t len, struct envelope *ret_env)
{
	size_t kid_len;

	if (len < 3 || sealed[0] != 'v' || sealed[1] != '1')
		return VS_EAUTH;
	kid_len = sealed[2];
	if (kid_len == 0 || kid_len > VS_KID_MAX || len < envelope_head_len(kid_len) ||
	    len - envelope_head_len(kid_len) > MAX_PLAIN)
		return VS_EAUTH;
	memcpy(ret_env->kid, sealed + 3, kid_len);
	ret_env->kid[kid_len] = '\0';
	ret_env->wrapped = sealed + 3 + kid_len;
	ret_env->iv = ret_env->wrapped + WRAPPED_BYTES;
	ret_env->tag = ret_env->iv + IV_BYTES;
	ret_env->text = ret_env->tag + TAG_BYTES;
	ret_env->text_len = len - envelope_head_len(kid_len);
	return strlen(ret_env->kid) == kid_len ? 0 : VS_EAUTH;
}

/* Open the envelope into plain, which has room for its text. */
static int
unseal_into(
    const struct envelope *env, const uint8_t *key, const struct place_data *aad, uint8_t *plain)
{
	uint8_t data_key[VS_KEY_BYTES], tag[TAG_BYTES];
	int rc;

	memcpy(tag, env->wrapped + IV_BYTES + VS_KEY_BYTES, TAG_BYTES);
	rc = gcm_open(&(struct gcm){ .key = key,
			  .iv = env->wrapped,
			  .in = env->wrapped + IV_BYTES,
			  .out = data_key,
			  .len = sizeof(data_key),
			  .tag = tag },
	    aad);
	memcpy(tag, env->tag, TAG_BYTES);
	if (rc == 0)
		rc = gcm_open(&(struct gcm){ .key = data_key,
				  .iv = env->iv,
				  .in = env->text,
				  .out = plain,
				  .len = env->text_len,
				  .tag = tag },
		    aad);
	OPENSSL_cleanse(data_key, sizeof(data_key));
	return rc;
}

int
vs_unseal(const struct vs_keyring *ring, const struct vs_seal_place *place, const uint8_t *sealed,
    size_t len, char **ret_plain, size_t *ret_len)
{
	struct envelope env;
	struct place_data aad;
	const uint8_t *key;
	char *plain;
	int rc;

	rc = envelope_parse(sealed, len, &env);
	if (rc < 0)
		return rc;
	key = vs_keyring_find(ring, env.kid, VS_KEY_SEAL);
	if (key == NULL)
		return VS_EAUTH;
	rc = place_data(place, env.kid, &aad);
	if (rc < 0)
		return rc;
	plain = malloc(env.text_len + 1);
	if (plain == NULL)
		return VS_ENOMEM;
	rc = unseal_into(&env, key, &aad, (uint8_t *)plain);
	if (rc < 0) {
		vs_seal_wipe(plain, env.text_len);
		return rc;
	}
	plain[env.text_len] = '\0';
	*ret_plain = plain;
	*ret_len = env.text_len;
	return 0;
}

void
vs_seal_wipe(char *plain, size_t len)
{
	if (plain == NULL)
		return;
	OPENSSL_cleanse(plain, len);
	free(plain);
}
