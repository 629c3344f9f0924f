/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * seal - secrets at rest: AES-256-GCM with a random data key per value, wrapped by
 * the keyring's current VS_KEY_SEAL key.
 *
 * Envelope: 'v','1', kid length, kid, wrapped data key (12 + 32 + 16), IV (12),
 * tag (16), ciphertext. The associated data names the table, column and row, so a
 * ciphertext moved to another row does not open.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/keyring.h"

struct vs_seal_place {
	const char	*table, *column, *row_id;
};

/* ret_sealed is owned. VS_ENOMEM, VS_EIO when OpenSSL fails. */
int	vs_seal(const struct vs_keyring *ring, const struct vs_seal_place *place,
	    const void *plain, size_t len, uint8_t **ret_sealed, size_t *ret_len) VS_MUST_USE;

/*
 * ret_plain is owned and NUL-terminated beyond ret_len; wipe it with
 * vs_seal_wipe(). VS_EAUTH: changed, moved, or an unknown key.
 */
int	vs_unseal(const struct vs_keyring *ring, const struct vs_seal_place *place,
	    const uint8_t *sealed, size_t len, char **ret_plain, size_t *ret_len) VS_MUST_USE;
void	vs_seal_wipe(char *plain, size_t len);	/* cleanse and free; NULL is fine */
