/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/gate.h"

#include <string.h>
#include <strings.h>

#include "lib/err.h"

int
gate_authenticate(struct app *app, struct req *req)
{
	static const char scheme[] = "Bearer ";
	int rc;

	if (req->authorization == NULL ||
	    strncasecmp(req->authorization, scheme, sizeof(scheme) - 1) != 0)
		return VS_EAUTH;
	rc = api_key_check(app->db, req->authorization + sizeof(scheme) - 1, &req->key);
	if (rc < 0)
		return rc;
	req->caller = (struct caller){
		.kind = "key",
		.id = req->key.prefix,
		.workspace_id = req->key.workspace_id,
		.ip = req->ip,
		.user_agent = req->user_agent,
		.request_id = req->request_id,
	};
	return 0;
}

bool
gate_allows(const struct req *req, enum api_role least)
{
	return req->key.role >= least;
}
