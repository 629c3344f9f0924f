/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * err - the one list of error codes.
 *
 * A function that can fail returns 0 or one of these. errno, libcurl's, libpq's
 * and OpenSSL's codes are translated where they are met, once.
 */

enum vs_err {
	VS_OK = 0,
#define ERR(name, value, text) name = (value),
#include "lib/err.def"
#undef ERR
};

/* A short English text; never NULL, static. */
const char	*vs_err_text(int err);

/* The nearest vs_err for an errno value; VS_EIO when there is none better. */
int	 vs_err_from_errno(int errnum);
