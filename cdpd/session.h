/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * session - what this worker knows of one session: who waits for it, who is in it.
 *
 * An entry exists while a handshake or a tunnel is on it. News of a session comes by
 * notification or by the poll, in the same form, and is told to everybody on the
 * entry; a lost notification only delays it.
 *
 * Owner: the table. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cdpd/close_code.h"
#include "lib/base.h"
#include "lib/list.h"
#include "lib/ulid.h"

struct server;

struct session {
	struct session	*next;		/* in its bucket */
	char		 id[VS_ULID_SIZE], workspace_id[VS_ULID_SIZE];
	struct vs_node	 handshakes;	/* struct handshake.node */
	struct vs_node	 tunnels;	/* struct tunnel.node */
	uint32_t	 news;		/* how often something was heard of it */
	uint32_t	 pins;		/* kept while the lists are walked */
	bool		 ended;
	uint16_t	 close_code;	/* once ended */
	char		 close_reason[CLOSE_REASON_SIZE];
};

#define SESSION_BUCKETS	4096

struct session_table {
	struct session	*bucket[SESSION_BUCKETS];
	size_t		 count;
	size_t		 poll_bucket;	/* where the next poll goes on */
};

struct session	*session_find(struct session_table *table, const char *id);

/* The entry, made when there is none. NULL: no memory. */
struct session	*session_get(struct session_table *table, const char *id,
		    const char *workspace_id);

/* Frees the entry when nobody is on it. */
void	session_put(struct session_table *table, struct session *session);

/* What has been heard: tell everybody on the entry, if there is one. */
void	session_news(struct server *srv, const char *id, const char *status, const char *why);

/* The payload of a notification: "<id> <status> <why>". A malformed one is ignored. */
void	session_notified(struct server *srv, const char *payload);

/*
 * Up to max ids, from where the last call stopped, as "{ULID,...}" into ret_ids, which
 * has room for them. The number of them; 0: the round is over.
 */
#define SESSION_IDS_SIZE(max)	((size_t)(max) * (VS_ULID_LEN + 1) + 3)
size_t	session_poll_ids(struct session_table *table, size_t max, char *ret_ids);
