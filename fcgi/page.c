/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/page.h"

#include <string.h>

#include "lib/err.h"

void
page_init(struct page *ret_page, const struct app *app, const struct req *req, const char *list)
{
	memset(ret_page, 0, sizeof(*ret_page));
	ret_page->limit = PAGE_LIMIT_DEFAULT;
	ret_page->scope.ring = app->ring;
	ret_page->scope.list = list;
	ret_page->scope.workspace_id = req->key.workspace_id;
}

void
page_take_limit(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct page *page = dst;

	query_take_int(param, 1, PAGE_LIMIT_MAX, pointer, issues, &page->limit);
}

void
page_take_cursor(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct page *page = dst;

	if (cursor_parse(&page->scope, param->value, &page->after) < 0)
		vs_json_issue(issues, pointer, "is not a cursor of this list");
	page->has_cursor = true;
}

int
page_reply(const struct page *page, struct req *req, struct reply *rep, struct json_object *data,
    const struct cursor *last)
{
	struct json_object *body = json_object_new_object();
	char text[CURSOR_SIZE];
	const char *query;
	bool oom = body == NULL;

	if (oom) {
		(void)json_object_put(data);
		return VS_ENOMEM;
	}
	vs_json_put(body, "data", data, &oom);
	vs_json_put_bool(body, "has_more", last != NULL, &oom);
	if (last != NULL) {
		cursor_print(&page->scope, last, text);
		query = query_with(req->arena, &req->query, "cursor", text);
		oom |= query == NULL;
		reply_header(rep, "Link", "<%s%s?%s>; rel=\"next\"", rep->public_url, req->path,
		    query != NULL ? query : "");
	}
	vs_json_put_str(body, "next_cursor", last != NULL ? text : NULL, &oom);
	if (oom) {
		(void)json_object_put(body);
		return VS_ENOMEM;
	}
	return reply_json(rep, 200, body);
}
