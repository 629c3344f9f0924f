/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * discovery - Chrome's /json documents with addresses that lead back to the door the
 * client came by.
 *
 * What the document says of Chrome's own address is replaced or left out; everything
 * else stays. It comes from a session's browser, so it is read as hostile. Pure.
 */

#include <stddef.h>

#include "lib/base.h"
#include "lib/buf.h"

struct discovery_door {
	const char	*public_url;	/* http://... or https://... */
	const char	*session_id;
	const char	*token;
};

/* Append the document to out. VS_EINVAL: it is none of Chrome's; VS_EFULL, VS_ENOMEM. */
int	discovery_rewrite(const struct discovery_door *door, const char *text, size_t len,
	    struct vs_buf *out) VS_MUST_USE;
