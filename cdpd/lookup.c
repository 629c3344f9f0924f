/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "cdpd/client_close.h"
#include "cdpd/handshake.h"
#include "cdpd/server.h"
#include "cdpd/session.h"
#include "lib/err.h"
#include "lib/model/cdp_client.h"

struct lookup {
	struct server *srv;
	struct conn *c; /* NULL: nobody waits for the answer any more */
	char client_id[VS_ULID_SIZE];
	char request_id[REQUEST_ID_SIZE];
};

static void
lookup_done(void *ctx, int rc, const PGresult *res)
{
	struct lookup *lookup = ctx;
	struct cdp_client_grant grant = { .verdict = CDP_WAIT };
	struct conn *c = lookup->c;
	bool counted;

	/* Without an answer nobody knows; to be counted out twice is harmless. */
	counted = rc < 0 && rc != VS_ECLOSED;
	if (rc == VS_ENOENT)
		rc = VS_EDBBUG; /* a missing reference of ours, not a missing session */
	if (rc == 0) {
		rc = cdp_client_grant_load(res, &grant);
		counted = rc == 0 && grant.verdict == CDP_OPEN;
	}
	if (counted && (c == NULL || rc < 0))
		client_close_tell(
		    lookup->srv, lookup->client_id, CDP_LEAVE_ABORTED, lookup->request_id);
	if (c != NULL) {
		handshake_verdict(c, rc, &grant, lookup->client_id);
		conn_drive(c, 0);
	}
	free(lookup);
}

int
lookup_start(struct conn *c)
{
	struct server *srv = c->srv;
	struct handshake *hs = c->handshake;
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	struct cdp_client_ask ask;
	int rc;

	if (lookup == NULL)
		return VS_ENOMEM;
	lookup->srv = srv;
	lookup->c = c;
	vs_ulid_new(lookup->client_id);
	memcpy(lookup->request_id, hs->request_id, sizeof(lookup->request_id));
	ask = (struct cdp_client_ask){
		.workspace_id = hs->session->workspace_id,
		.session_id = hs->session->id,
		.client_id = lookup->client_id,
		.instance_id = srv->instance.id,
		.max_clients = srv->conf->cdpd_max_cdp_clients,
	};
	/* The row that counts the client names the instance, which must be there before. */
	if (!srv->instance.known)
		instance_beat(srv);
	rc = cdp_client_open(
	    srv->dbq, &ask, vs_loop_now(srv->loop) + SERVER_DB_MS, lookup_done, lookup);
	if (rc < 0) {
		free(lookup);
		return rc;
	}
	hs->lookup = lookup;
	return 0;
}

void
lookup_forget(struct lookup *lookup)
{
	lookup->c = NULL;
}
