/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/model/api_key.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"

enum { KEY_FIND, KEY_TOUCH, KEY_INSERT, KEY_STMT_COUNT };

const struct vs_stmt api_key_stmts[] = {
	[KEY_FIND] = {
		.name = "api_key_find", .nparams = 1, .ncols = 5, .rows = VS_ROWS_OPT,
		.repeatable = true,
		.sql =
		    "SELECT workspace_id, role, secret_sha256, revoked, workspace_status"
		    "  FROM ventus.api_key_find($1::text)",
	},
	[KEY_TOUCH] = {
		.name = "api_key_touch", .nparams = 1, .ncols = 1, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql = "SELECT ventus.api_key_touch($1::text)",
	},
	[KEY_INSERT] = {
		.name = "api_key_insert", .nparams = 5, .ncols = 0, .rows = VS_ROWS_NONE,
		.sql =
		    "INSERT INTO ventus.api_key (id, workspace_id, name, role, secret_sha256)"
		    " VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea)",
	},
};
const size_t api_key_stmts_count = VS_COUNTOF(api_key_stmts);
static_assert(VS_COUNTOF(api_key_stmts) == KEY_STMT_COUNT, "one row per statement");

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

/* The secret's place in a well-formed key, with ret_key->id and prefix filled; or NULL. */
static const char *
key_split(const char *key, struct api_key *ret_key)
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

#define TOUCH_SLOTS    256
#define TOUCH_PAUSE_MS (60 * 1000)

/* When this process last noted a key's use. A collision costs a statement, no more. */
static struct {
	char id[VS_ULID_SIZE];
	vs_msec at;
} touched[TOUCH_SLOTS];

static void
key_touch(struct vs_db *db, const char *id)
{
	vs_autores PGresult *res = NULL;
	vs_msec now = vs_clock_mono_ms();
	uint32_t hash = 0;

	for (const char *c = id; *c != '\0'; c++)
		hash = hash * 31 + (unsigned char)*c;
	hash %= TOUCH_SLOTS;
	if (strcmp(touched[hash].id, id) == 0 && now - touched[hash].at < TOUCH_PAUSE_MS)
		return;
	/* last_used_at is a hint for people: a request does not fail over it. */
	if (vs_db_run(db, NULL, &api_key_stmts[KEY_TOUCH], VS_ARGS(VS_TEXT(id)), &res) < 0)
		return;
	memcpy(touched[hash].id, id, VS_ULID_SIZE);
	touched[hash].at = now;
}

enum { FIND_WORKSPACE, FIND_ROLE, FIND_SHA256, FIND_REVOKED, FIND_WORKSPACE_STATUS };

/* Does the row found for this key let the bearer of secret in? */
static bool
row_admits(const PGresult *res, const char *secret)
{
	vs_autofree uint8_t *want = NULL;
	uint8_t have[SHA256_DIGEST_LENGTH];
	size_t len = 0;

	want = vs_col_bytes(res, 0, FIND_SHA256, &len);
	if (want == NULL || len != sizeof(have))
		return false;
	(void)SHA256((const uint8_t *)secret, API_KEY_SECRET_LEN, have);
	return CRYPTO_memcmp(want, have, sizeof(have)) == 0 && !vs_col_bool(res, 0, FIND_REVOKED) &&
	       strcmp(vs_col_text(res, 0, FIND_WORKSPACE_STATUS), "ACTIVE") == 0;
}

int
api_key_check(struct vs_db *db, const char *key, struct api_key *ret_key)
{
	vs_autores PGresult *res = NULL;
	struct api_key found;
	const char *secret, *workspace;
	int rc;

	memset(&found, 0, sizeof(found));
	secret = key_split(key, &found);
	if (secret == NULL)
		return VS_EAUTH;
	rc = vs_db_run(db, NULL, &api_key_stmts[KEY_FIND], VS_ARGS(VS_TEXT(found.id)), &res);
	if (rc < 0)
		return rc;
	if (PQntuples(res) == 0 || !row_admits(res, secret))
		return VS_EAUTH;
	workspace = vs_col_text(res, 0, FIND_WORKSPACE);
	if (!vs_ulid_ok(workspace, strlen(workspace)))
		return VS_EDBBUG;
	memcpy(found.workspace_id, workspace, VS_ULID_SIZE);
	found.role = api_role_parse(vs_col_text(res, 0, FIND_ROLE));
	if (found.role == ROLE_NONE)
		return VS_EAUTH;
	key_touch(db, found.id);
	*ret_key = found;
	return 0;
}

int
api_key_insert(struct vs_db *db, const char *workspace_id, const char *name, enum api_role role,
    const char *id, const uint8_t sha256[32])
{
	return vs_db_run(db, NULL, &api_key_stmts[KEY_INSERT],
	    VS_ARGS(VS_TEXT(id), VS_TEXT(workspace_id), VS_TEXT(name), VS_TEXT(api_role_text(role)),
		VS_BYTES(sha256, 32)),
	    NULL);
}
