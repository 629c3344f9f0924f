/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * api_key - vs_<ULID>.<32 of [A-Za-z0-9]>: making, parsing and checking keys.
 *
 * Only the SHA-256 of the secret is stored. The part left of the dot is the masked
 * prefix, the only form that lists, logs and the audit log show.
 */

#include <stdbool.h>

#include "lib/base.h"
#include "lib/db.h"
#include "lib/ulid.h"

#define API_KEY_SECRET_LEN	32
#define API_KEY_SIZE		(3 + VS_ULID_LEN + 1 + API_KEY_SECRET_LEN + 1)
#define API_KEY_PREFIX_SIZE	(3 + VS_ULID_LEN + 1)

enum api_role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_SYSTEM };	/* each may all before it */

struct api_key {
	char		 id[VS_ULID_SIZE];
	char		 prefix[API_KEY_PREFIX_SIZE];
	char		 workspace_id[VS_ULID_SIZE];
	enum api_role	 role;
};

enum api_role	 api_role_parse(const char *text);
const char	*api_role_text(enum api_role role);

/* A new key and the hash to store. VS_EIO: no randomness. */
int	api_key_new(char ret_key[API_KEY_SIZE], char ret_id[VS_ULID_SIZE], uint8_t ret_sha256[32])
	    VS_MUST_USE;

/* The secret's place in a well-formed key, with id and prefix of ret_key filled; or NULL. */
const char	*api_key_split(const char *key, struct api_key *ret_key);

/*
 * Who the bearer is: parse, look up, compare in constant time, refuse revoked keys
 * and suspended workspaces. VS_EAUTH for all of these; VS_EDB. Notes the use at most
 * once a minute per process.
 */
int	api_key_check(struct vs_db *db, const char *key, struct api_key *ret_key) VS_MUST_USE;

/* Store a key (ventusctl; a role that owns the schema). */
int	api_key_insert(struct vs_db *db, const char *workspace_id, const char *name, enum api_role role,
	    const char *id, const uint8_t sha256[32]) VS_MUST_USE;

extern const struct vs_stmt api_key_stmts[];
extern const size_t api_key_stmts_count;
