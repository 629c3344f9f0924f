/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * problem - RFC 9457 problem documents, the same from ventus-api and cdpd.
 */

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/jsonio.h"

enum vs_problem {
	VS_PROBLEM_NONE,
#define PROBLEM(name, status, slug, title) VS_PROBLEM_##name,
#include "lib/problem.def"
#undef PROBLEM
	VS_PROBLEM_COUNT
};

struct vs_problem_row {
	int		 status;
	const char	*slug, *title;
};

const struct vs_problem_row	*vs_problem_row(enum vs_problem problem);

struct vs_problem_doc {
	enum vs_problem			 problem;
	const char			*public_url;	/* base of type */
	const char			*detail;	/* passes the scrubber; NULL: the first issue, or the title */
	const char			*instance;	/* path without query; may be NULL */
	const char			*request_id;
	const struct vs_json_issues	*issues;	/* may be NULL: no errors member */
};

/* Append the document's JSON. */
int	vs_problem_print(const struct vs_problem_doc *doc, struct vs_buf *out) VS_MUST_USE;
