/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jsonio - JSON in through lib/jsonscan.h and json-c, JSON out, and a validator
 * driven by tables.
 *
 * A struct vs_json_field row describes one member. vs_json_check() walks an object
 * once, collects every fault with its JSON pointer, refuses unknown members, and
 * stores what is right into the struct behind dst. OpenAPI can be made from the
 * same rows.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/cleanup.h"
#include "lib/jsonscan.h"

static inline void
vs_cleanup_json(struct json_object **obj)
{
	if (*obj != NULL)
		(void)json_object_put(*obj);
}
#define vs_autojson	vs_auto(vs_cleanup_json)

/*
 * Scan, then parse. Any JSON value; a text that is null gives NULL. *ret_obj is owned
 * (json_object_put). Errors as from vs_json_scan().
 */
int	vs_json_parse(const char *text, size_t len, struct vs_json_fault *fault,
	    struct json_object **ret_obj) VS_MUST_USE;

/* One fault of a document: an RFC 6901 pointer and a sentence. */
struct vs_json_issue {
	const char	*pointer;	/* arena */
	const char	*detail;	/* arena or static */
};

#define VS_JSON_MAX_ISSUES	100	/* later ones are counted only */

struct vs_json_issues {
	struct vs_arena		*arena;		/* borrowed */
	struct vs_json_issue	 item[VS_JSON_MAX_ISSUES];
	size_t			 count, dropped;
};

/* pointer is copied. A detail is cut at 500 bytes. */
void	vs_json_issue(struct vs_json_issues *issues, const char *pointer, const char *fmt, ...)
	    VS_PRINTF(3, 4);

/* parent/name, with '~' and '/' of the name escaped (RFC 6901). NULL: no memory. */
const char	*vs_json_pointer(struct vs_arena *arena, const char *parent, const char *name);

enum vs_json_type {
	VS_JSON_STR,		/* const char * (arena copy) */
	VS_JSON_INT,		/* int64_t; 600.0 is refused */
	VS_JSON_BOOL,		/* bool */
	VS_JSON_OBJ,		/* a struct, described by sub */
	VS_JSON_ANY		/* struct json_object * (borrowed): custom checks it */
};

struct vs_json_field {
	const char		*name;
	enum vs_json_type	 type;
	bool			 required;
	bool			 nullable;	/* null counts as absent */
	size_t			 offset;	/* of the value in dst */
	size_t			 present;	/* of a bool in dst set when given; SIZE_MAX: none */
	int64_t			 min, max;	/* INT: value, both 0: any; STR: length in code
						 * points, max 0: only the text's own cap */
	const char *const	*one_of;	/* STR: NULL-terminated list, or NULL */
	const struct vs_json_field *sub;	/* OBJ: its rows */
	size_t			 nsub;
	/* When type and bounds are right. Adds its own issues; pointer is the member's,
	 * dst the struct that the member was stored in. */
	void			(*custom)(struct json_object *value, const char *pointer,
	    void *dst, struct vs_json_issues *issues);
	const char		*help;		/* one sentence, for OpenAPI */
};

/*
 * Check obj against the rows; values land in dst, strings in issues->arena.
 * pointer is obj's own place ("" for the document). True when nothing was wrong.
 */
bool	vs_json_check(struct json_object *obj, const char *pointer,
	    const struct vs_json_field *fields, size_t nfields, void *dst,
	    struct vs_json_issues *issues);

/* Compact text of obj in the arena, *ret_len without the NUL. NULL: no memory. */
const char	*vs_json_text(struct vs_arena *arena, struct json_object *obj, size_t *ret_len);

/* Members in one line each; out of memory is remembered by *oom, never lost. */
void	vs_json_put_str(struct json_object *obj, const char *key, const char *value, bool *oom); /* NULL: null */
void	vs_json_put_int(struct json_object *obj, const char *key, int64_t value, bool *oom);
void	vs_json_put_bool(struct json_object *obj, const char *key, bool value, bool *oom);
void	vs_json_put_time(struct json_object *obj, const char *key, int64_t wall_ms, bool *oom); /* 0: null */
void	vs_json_put(struct json_object *obj, const char *key, struct json_object *value, bool *oom); /* takes value; NULL sets oom */
