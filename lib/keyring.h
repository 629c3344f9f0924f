/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * keyring - the platform's symmetric keys, one 32-byte file per key id.
 *
 * From each key a purpose key is derived (HKDF-SHA256, the purpose as info), so
 * that a token key can never open a sealed column. The greatest kid by strcmp is
 * current: it signs and seals. All others verify and open, so rotation is to add a
 * file and reload.
 *
 * Owner: the daemon. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"

#define VS_KEY_BYTES	32
#define VS_KID_MAX	32	/* [A-Za-z0-9_-]{1,32} */

struct vs_keyring;

enum vs_key_purpose {
	VS_KEY_TOKEN,		/* HS256 of connect and viewer tokens */
	VS_KEY_SEAL,		/* AES-256-GCM of sealed columns */
	VS_KEY_RUNTIME,		/* the secret of a runtime */
	VS_KEY_CURSOR		/* list cursors */
};

/*
 * Read every <kid>.key of dir. VS_ECONF with a sentence in fault: no key, a file
 * of another size, a mode that others can read. VS_EIO, VS_ENOMEM.
 */
int	vs_keyring_load(const char *dir, struct vs_buf *fault, struct vs_keyring **ret_ring) VS_MUST_USE;
void	vs_keyring_free(struct vs_keyring *ring);	/* wipes */

const char	*vs_keyring_current(const struct vs_keyring *ring);	/* a kid, borrowed */

/* Borrowed, VS_KEY_BYTES long; NULL: no such kid. */
const uint8_t	*vs_keyring_find(const struct vs_keyring *ring, const char *kid,
		    enum vs_key_purpose purpose);

/*
 * The secret of one runtime, as 64 hex characters and a NUL: HMAC-SHA256 of the
 * runtime's id under the kid's VS_KEY_RUNTIME. Nothing to store, nothing to leak
 * from the database. VS_ENOENT: no such kid.
 */
#define VS_RUNTIME_SECRET_SIZE	65
int	vs_keyring_runtime_secret(const struct vs_keyring *ring, const char *kid,
	    const char *runtime_id, char ret_secret[VS_RUNTIME_SECRET_SIZE]) VS_MUST_USE;
