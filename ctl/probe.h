/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * probe - open a connect_url as a client does and ask the browser for its version.
 */

#include "lib/base.h"
#include "lib/buf.h"

#define PROBE_PRODUCT_SIZE	129

/*
 * url: ws://host[:port]/path?query. deadline: monotonic, for all of it but the name
 * look-up. VS_EINVAL: not such a URL; VS_EUNSUPP: wss://; VS_ETIMEDOUT; VS_EAUTH,
 * VS_ENOENT, VS_ESTATE by the answer's status; VS_ECLOSED, VS_EPROTO, VS_EIO. Each
 * with a sentence in fault that does not hold the token.
 */
int	probe_run(const char *url, vs_msec deadline, struct vs_buf *fault,
	    char ret_product[PROBE_PRODUCT_SIZE]) VS_MUST_USE;

/* The parts of a ws:// URL; the seam for the tests. */
struct probe_url {
	char	host[256], port[6];
	char	target[4096];		/* path and query */
};
int	probe_url_parse(const char *url, struct probe_url *ret_url) VS_MUST_USE;
