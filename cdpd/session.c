/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdpd/conn_states.h"
#include "cdpd/handshake.h"
#include "cdpd/server.h"
#include "cdpd/tunnel.h"
#include "lib/model/sess.h"

/* FNV-1a; the ids are random enough that nothing better is needed. */
static size_t
session_bucket(const char *id)
{
	uint32_t hash = 2166136261U;

	for (; *id != '\0'; id++)
		hash = (hash ^ (uint8_t)*id) * 16777619U;
	return hash % SESSION_BUCKETS;
}

struct session *
session_find(struct session_table *table, const char *id)
{
	struct session *session = table->bucket[session_bucket(id)];

	while (session != NULL && strcmp(session->id, id) != 0)
		session = session->next;
	return session;
}

struct session *
session_get(struct session_table *table, const char *id, const char *workspace_id)
{
	struct session *session = session_find(table, id);
	struct session **bucket = &table->bucket[session_bucket(id)];

	if (session != NULL)
		return session;
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return NULL;
	memcpy(session->id, id, sizeof(session->id));
	memcpy(session->workspace_id, workspace_id, sizeof(session->workspace_id));
	vs_list_init(&session->handshakes);
	vs_list_init(&session->tunnels);
	session->next = *bucket;
	*bucket = session;
	table->count++;
	return session;
}

void
session_put(struct session_table *table, struct session *session)
{
	struct session **at = &table->bucket[session_bucket(session->id)];

	if (session->pins > 0 || !vs_list_empty(&session->handshakes) ||
	    !vs_list_empty(&session->tunnels))
		return;
	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	assert(table->count > 0);
	table->count--;
	free(session);
}

static void
session_tell_handshakes(struct session *session, bool running)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &session->handshakes) {
		struct conn *c = VS_CONTAINER(it, struct handshake, node)->c;

		if (session->ended)
			handshake_session_ended(c);
		else if (running && c->state == &client_early)
			handshake_ask(c);
		conn_drive(c, 0);
	}
}

static void
session_tell_tunnels(struct session *session)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &session->tunnels) {
		struct tunnel *t = VS_CONTAINER(it, struct tunnel, node);
		struct conn *c = t->client;

		if (t->opened)
			tunnel_close(t, session->close_code, session->close_reason);
		else
			handshake_session_ended(c);
		conn_drive(c, 0);
	}
}

void
session_news(struct server *srv, const char *id, const char *status, const char *why)
{
	struct session *session = session_find(&srv->sessions, id);
	bool running = strcmp(status, sess_status_text(SESS_RUNNING)) == 0;

	if (session == NULL)
		return;
	session->news++;
	session->pins++;
	if (!session->ended)
		session->ended =
		    close_code_find(status, why, &session->close_code, session->close_reason);
	session_tell_handshakes(session, running);
	if (session->ended)
		session_tell_tunnels(session);
	session->pins--;
	session_put(&srv->sessions, session);
}

void
session_notified(struct server *srv, const char *payload)
{
	char id[VS_ULID_SIZE], status[16], why[48];

	if (sscanf(payload, "%26s %15s %47s", id, status, why) == 3)
		session_news(srv, id, status, why);
}

size_t
session_poll_ids(struct session_table *table, size_t max, char *ret_ids)
{
	const struct session *session;
	char *at = ret_ids;
	size_t count = 0, in_bucket;

	*at++ = '{';
	for (; table->poll_bucket < SESSION_BUCKETS; table->poll_bucket++) {
		in_bucket = 0;
		for (session = table->bucket[table->poll_bucket]; session != NULL;
		     session = session->next)
			in_bucket++;
		if (count + in_bucket > max && count > 0)
			break;
		for (session = table->bucket[table->poll_bucket]; session != NULL && count < max;
		     session = session->next, count++) {
			if (count > 0)
				*at++ = ',';
			at = mempcpy(at, session->id, VS_ULID_LEN);
		}
	}
	if (count == 0)
		table->poll_bucket = 0;
	at = mempcpy(at, "}", 2);
	assert((size_t)(at - ret_ids) <= SESSION_IDS_SIZE(max));
	return count;
}
