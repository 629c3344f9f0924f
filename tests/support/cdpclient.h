/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cdpclient - calls to a Chrome over a websocket, for tests. What fails ends the test.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "tests/support/wsclient.h"

struct cdpclient {
	struct wsclient	 ws;
	int		 last_id;
	char		 session[64];	/* of the page attached to; "" none */
	char		 target[64];
};

/* fields: more lines of the request's head. */
void	cdpclient_open(struct cdpclient *cdp, const char *socket_path, const char *target,
	    const char *fields);
void	cdpclient_close(struct cdpclient *cdp);

/* params: JSON, or NULL. The answer's result, owned. */
struct json_object	*cdpclient_call(struct cdpclient *cdp, const char *method, const char *params);
void	cdpclient_do(struct cdpclient *cdp, const char *method, const char *params);
void	cdpclient_post(struct cdpclient *cdp, const char *method, const char *params); /* no wait */

/* The first page, if there is one: into cdp->target. */
bool	cdpclient_find_page(struct cdpclient *cdp);

/* Later evaluations go to cdp->target. */
void	cdpclient_attach(struct cdpclient *cdp);

/* The value of a JavaScript expression (awaited) as text, owned. */
char	*cdpclient_eval(struct cdpclient *cdp, const char *expression);
