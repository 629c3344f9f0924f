/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * query - the query string, taken apart and checked against a table of parameters.
 *
 * Unknown parameters and repeated ones are faults: a mistyped filter must not
 * silently list everything. Faults point at /query/<name>.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/jsonio.h"

#define QUERY_MAX_PARAMS	100

struct query_param {
	const char	*name, *value;	/* decoded, UTF-8, without NUL; arena */
};

struct query {
	struct query_param	 param[QUERY_MAX_PARAMS];
	size_t			 count;
};

/* VS_EINVAL: a bad escape, not UTF-8, a control character. VS_EFULL. VS_ENOMEM. */
int	query_parse(struct vs_arena *arena, const char *text, struct query *ret_query) VS_MUST_USE;

/* What an endpoint takes. A name that ends in '.' takes every name that begins so. */
struct query_rule {
	const char	*name;
	bool		 repeatable;
	/* Store the value in dst or say what is wrong with it. */
	void		(*take)(void *dst, const struct query_param *param, const char *pointer,
	    struct vs_json_issues *issues);
};

/* True when nothing was wrong. */
bool	query_check(const struct query *query, const struct query_rule *rules, size_t nrules,
	    void *dst, struct vs_json_issues *issues);

/* An integer of min..max in *ret_value, or an issue. */
void	query_take_int(const struct query_param *param, int64_t min, int64_t max,
	    const char *pointer, struct vs_json_issues *issues, int64_t *ret_value);

/*
 * The query again with the value of name replaced (or appended), escaped, for a Link.
 * NULL: no memory.
 */
const char	*query_with(struct vs_arena *arena, const struct query *query, const char *name,
		    const char *value);
