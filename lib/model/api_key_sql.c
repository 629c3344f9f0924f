/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/model/api_key.h"

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
	secret = api_key_split(key, &found);
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
