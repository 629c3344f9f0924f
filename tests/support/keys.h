/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * keys - a keyring of the test's own, made of files whose 32 bytes are all the same.
 */

#include "lib/keyring.h"

/* kids: "a" or "a b": the key of the nth name is 32 bytes of n. Fails the test if not. */
struct vs_keyring	*keys_new(const char *kids);

/* The same as files in a directory that is there. */
void	keys_write(const char *dir, const char *kids);
