/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jwt - signed tokens of connect_url and live_view_url.
 *
 * The only file that includes libjwt. HS256 only: the header's alg is compared
 * with it and the kid looked up before libjwt decodes a byte, and a key is never
 * NULL or empty, because libjwt accepts a token unverified then. Canonical
 * base64url, exactly three segments, at most VS_JWT_MAX bytes, no crit, no
 * duplicate claim; iss, aud, iat and exp are checked here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/keyring.h"
#include "lib/ulid.h"

#define VS_JWT_MAX	2048
#define VS_JWT_LEEWAY_S	5

enum vs_jwt_aud { VS_JWT_CDP, VS_JWT_VIEW };

struct vs_jwt_claims {
	enum vs_jwt_aud	 aud;
	char		 sid[VS_ULID_SIZE];	/* session */
	char		 wid[VS_ULID_SIZE];	/* workspace */
	char		 jti[VS_ULID_SIZE];
	int64_t		 iat_s;
	int64_t		 exp_s;			/* VIEW only; 0 for CDP, which has none */
	bool		 control;		/* VIEW only: mode "control" */
};

/* Sign with the current key. ret_token is owned. VS_ENOMEM, VS_EINVAL. */
int	vs_jwt_sign(const struct vs_keyring *ring, const char *issuer,
	    const struct vs_jwt_claims *claims, char **ret_token) VS_MUST_USE;

/*
 * VS_EAUTH for every forgery, expiry or malformed token; never says which to the
 * caller's peer, but ret_why (may be NULL) gets a static text for the log.
 */
int	vs_jwt_verify(const struct vs_keyring *ring, const char *issuer, enum vs_jwt_aud aud,
	    const char *token, int64_t now_s, struct vs_jwt_claims *ret_claims,
	    const char **ret_why) VS_MUST_USE;
