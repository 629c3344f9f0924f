/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * page - what every list has in common: limit and cursor in, data, has_more,
 * next_cursor and a Link out.
 */

#include "fcgi/app.h"
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "fcgi/req.h"

#define PAGE_LIMIT_MAX		200
#define PAGE_LIMIT_DEFAULT	50

struct page {
	struct cursor_scope	 scope;		/* what a cursor of this list is good for */
	int64_t			 limit;
	bool			 has_cursor;
	struct cursor		 after;		/* the last row of the page before */
};

void	page_init(struct page *ret_page, const struct app *app, const struct req *req,
	    const char *list);

/* For a row of query_rule each; dst's first member must be the struct page. */
void	page_take_limit(void *dst, const struct query_param *param, const char *pointer,
	    struct vs_json_issues *issues);
void	page_take_cursor(void *dst, const struct query_param *param, const char *pointer,
	    struct vs_json_issues *issues);

/*
 * Answer with the rows (takes data). last is where the next page goes on; NULL: this
 * is the last one. Returns 0 or VS_ENOMEM.
 */
int	page_reply(const struct page *page, struct req *req, struct reply *rep,
	    struct json_object *data, const struct cursor *last);
