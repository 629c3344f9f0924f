/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * egress_req - what a proxy request asks for, and the request that goes on. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/httphead.h"

#define EGRESS_HOST_SIZE	254

struct egress_req {
	bool		 connect;	/* CONNECT; else plain http */
	char		 host[EGRESS_HOST_SIZE];	/* name or address, without brackets */
	uint16_t	 port;
	struct vs_str	 authority;	/* as written, for Host */
	struct vs_str	 path;		/* with query; "" means "/" */
};

/* VS_EPROTO: nothing that a proxy understands. */
int	egress_req_parse(const struct vs_http_head *head, struct egress_req *ret_req) VS_MUST_USE;

/* The head for the origin server: path form, no hop-by-hop or proxy fields, one request. */
int	egress_req_head(const struct vs_http_head *head, const struct egress_req *req,
	    struct vs_buf *out) VS_MUST_USE;

/* One of Chrome's own services? */
bool	egress_req_phones_home(const char *host);
