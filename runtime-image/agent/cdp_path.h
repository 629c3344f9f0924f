/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cdp_path - which of Chrome's debugging endpoints a request under /cdp means, and the
 * head that Chrome is sent for it. Pure.
 *
 * Chrome gets a head of our own making: only the websocket fields of the client's are
 * taken over, Host is an address, there is no Origin. Endpoints that change something
 * over plain HTTP (/json/new, /json/close) are not among them.
 */

#include <stdbool.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/httphead.h"

#define CDP_PATH_SIZE	128

/*
 * cdp_path: what a bare /cdp stands for. VS_ENOENT: no such endpoint; VS_EINVAL: a
 * websocket endpoint asked for without upgrade, or the other way round.
 */
int	cdp_path_map(const struct vs_http_head *head, const char *cdp_path,
	    char ret_path[CDP_PATH_SIZE], bool *ret_websocket) VS_MUST_USE;

int	cdp_path_head(const struct vs_http_head *head, const char *path, bool websocket,
	    unsigned port, struct vs_buf *out) VS_MUST_USE;
