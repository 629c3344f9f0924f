/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sess - a session: what a client asks for (spec), what the row says (sess), and
 * the only ways to read or change one.
 *
 * sess_spec.c parses and checks a create body, sess_print.c makes the JSON,
 * sess_sql.c holds the statements. Strings live in the arena given.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/db.h"
#include "lib/jsonio.h"
#include "lib/ulid.h"

enum sess_status {
	SESS_NO_STATUS,
#define SESS_STATUS(name, final) SESS_##name,
#define SESS_EVENT(name, text)
#define SESS_ERROR(code)
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
};

enum sess_event {
#define SESS_STATUS(name, final)
#define SESS_EVENT(name, text) SESS_EVENT_##name,
#define SESS_ERROR(code)
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
	SESS_EVENT_COUNT
};

const char	*sess_status_text(enum sess_status status);
enum sess_status sess_status_parse(const char *text);	/* SESS_NO_STATUS: none such */
bool	sess_status_final(enum sess_status status);
const char	*sess_event_text(enum sess_event event);

/*
 * Has a session in this status reached the other one, or passed it? Every final
 * status has passed all others.
 */
bool	sess_status_reached(enum sess_status now, enum sess_status wanted);

/* Who acts; what the audit log will say. */
struct caller {
	const char	*kind;		/* "key" or "system" */
	const char	*id;		/* masked key prefix, or the daemon's name */
	const char	*workspace_id;	/* NULL: any (daemons only) */
	const char	*ip, *user_agent, *request_id;	/* may be NULL */
};

/* A create, as asked for. Absent strings are NULL. */
struct sess_spec {
	const char	*region, *runtime_kind;
	int64_t		 timeout_seconds, keep_alive_seconds;
	int64_t		 viewport_width, viewport_height;
	const char	*user_agent;
	const char	*proxy_url, *proxy_username, *proxy_password;
	const char	*profile_id;
	int64_t		 profile_version;	/* 0: newest */
	const char	*storage_state;		/* compact JSON */
	const char	*labels;		/* compact JSON object */
	bool		 recording_enabled;
};

/*
 * Parse and check a create body. 0; VS_EINVAL with every fault in issues; VS_EUNSUPP
 * when the fields are well-formed but impossible or not available yet, with the
 * fields in issues and *ret_impossible telling the two apart.
 */
int	sess_spec_parse(struct json_object *body, struct vs_arena *arena, struct sess_spec *ret_spec,
	    struct vs_json_issues *issues, bool *ret_impossible) VS_MUST_USE;

/* The row. Times are wall milliseconds, 0 for NULL. */
struct sess {
	char		 id[VS_ULID_SIZE], workspace_id[VS_ULID_SIZE];
	enum sess_status status;
	const char	*region, *runtime_kind;
	int64_t		 timeout_seconds, keep_alive_seconds;
	int64_t		 viewport_width, viewport_height;
	const char	*user_agent;
	const char	*proxy_url, *proxy_username;
	const char	*profile_id;
	int64_t		 profile_version;
	const char	*labels;
	bool		 recording_enabled;
	int64_t		 created_at, provisioning_at, running_at, expires_at, ended_at;
	int64_t		 created_at_us;		/* the same to the microsecond: lists are cut by it */
	const char	*release_reason, *error_code, *error_message;
	int64_t		 cdp_clients;
	int64_t		 queue_position;	/* 1 is next; 0 when not QUEUED */
	const char	*request_id;
};

/* Links that only the API can make; NULL prints null. */
struct sess_links {
	const char	*connect_url, *live_view_url, *recording_url;
};

/* The session as the contract has it. NULL: no memory. now_ms is for billable_seconds. */
struct json_object *sess_print(const struct sess *sess, const struct sess_links *links,
    int64_t now_ms);

/* RUNNING time rounded up to the second; EXPIRED bills to expires_at. */
int64_t	sess_billable_seconds(const struct sess *sess, int64_t now_ms);

struct sess_admission {
	const struct sess_spec	*spec;
	const char		*id;		/* a new ULID */
	const char		*idempotency_key;
	const uint8_t		*payload_sha256;	/* 32 bytes */
	const uint8_t		*proxy_password, *storage_state;	/* sealed; NULL: none */
	size_t			 proxy_password_len, storage_state_len;
};

/*
 * Admit one session or find the one this key made within 24 hours. 0: created.
 * VS_EEXIST: seen before; ret_sess is the original as it is now, *ret_match tells
 * whether the payload was the same. VS_EDB, VS_ENOMEM and so on: nothing happened.
 */
int	sess_admit(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
	    const struct sess_admission *admission, struct sess *ret_sess, bool *ret_match) VS_MUST_USE;

/* VS_EEXIST with the original, or VS_ENOENT: the key is free. Read-only, for replays. */
int	sess_find_replay(struct vs_db *db, struct vs_arena *arena, const char *workspace_id,
	    const char *idempotency_key, const uint8_t payload_sha256[32], struct sess *ret_sess,
	    bool *ret_match) VS_MUST_USE;

/* In this caller's workspace. VS_ENOENT. */
int	sess_load_for(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
	    const char *id, struct sess *ret_sess) VS_MUST_USE;

struct sess_filter {
	const char	*statuses;	/* "{RUNNING,QUEUED}" or NULL */
	const char	*region, *runtime_kind, *profile_id;
	const char	*labels;	/* JSON object to be contained, or NULL */
	int64_t		 created_after, created_before;	/* ms, exclusive; 0: none */
	const char	*before_id;	/* cursor: the last id of the page before; NULL: first page */
	int64_t		 before_created_at_us;
	int64_t		 limit;
};

/* Newest first; up to limit + 1 rows, so that the caller knows whether there is more. */
int	sess_list_for(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
	    const struct sess_filter *filter, struct sess **ret_rows, size_t *ret_count) VS_MUST_USE;

/* What goes with an event. */
struct sess_move_args {
	const char	*error_code, *error_message;	/* FAIL */
	int64_t		 extend_seconds;		/* EXTEND */
	const char	*reason;			/* FORCE_STOP */
};

/*
 * Raise one event on one session: the only way its status ever changes.
 * ventus.session_move() checks the edge, writes the row, the event and the audit
 * row and notifies - or does nothing.
 *
 * VS_ESTATE  the event means nothing in the present status; ret_sess is the row
 * VS_ENOENT  no such session in this caller's reach
 */
int	sess_move(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
	    const char *id, enum sess_event event, const struct sess_move_args *args,
	    struct sess *ret_sess) VS_MUST_USE;

/* One row of the append-only history. */
struct sess_event_row {
	int64_t		 seq, at, expires_at;
	const char	*event, *from_status, *to_status, *release_reason, *error_code, *request_id;
};

/* In order of their making; up to limit + 1 rows. VS_ENOENT: no such session. */
int	sess_events_for(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
	    const char *id, int64_t after_seq, int64_t limit, struct sess_event_row **ret_rows,
	    size_t *ret_count) VS_MUST_USE;

/*
 * Column list of a session row and its reader, for every module that loads one. p
 * is the row's name with its dot: "s." or "(a.session).". The reader copies strings
 * into the arena and remembers in *oom that there was no room.
 */
#define SESS_COLS	28
#define SESS_COLUMNS(p)									\
	p "id, " p "workspace_id, " p "status, " p "region, " p "runtime_kind, "	\
	p "timeout_seconds, " p "keep_alive_seconds, "					\
	p "viewport_width, " p "viewport_height, " p "user_agent, "			\
	p "proxy_url, " p "proxy_username, " p "profile_id, " p "profile_version, "	\
	p "labels, " p "recording_enabled, "						\
	"ventus.ms(" p "created_at), ventus.ms(" p "provisioning_at), "			\
	"ventus.ms(" p "running_at), ventus.ms(" p "expires_at), "			\
	"ventus.ms(" p "ended_at), "							\
	"(extract(epoch FROM " p "created_at) * 1000000)::bigint, "			\
	p "release_reason, " p "error_code, " p "error_message, " p "cdp_clients, "	\
	"CASE WHEN " p "status = 'QUEUED' THEN ventus.queue_position(" p "id) END, "	\
	p "request_id"
void	sess_from_row(struct sess *ret_sess, struct vs_arena *arena, const PGresult *res, int row,
	    int first_col, bool *oom);

extern const struct vs_stmt sess_stmts[];	/* for tests/it/test_it_stmt.c */
extern const size_t sess_stmts_count;
