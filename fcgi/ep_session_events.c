/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fcgi/ep_session.h"
#include "fcgi/page.h"
#include "lib/err.h"

static const struct query_rule events_rules[] = {
	{ .name = "limit", .take = page_take_limit },
	{ .name = "cursor", .take = page_take_cursor },
};

static struct json_object *
print_event(const struct sess_event_row *row)
{
	struct json_object *obj = json_object_new_object();
	bool oom = obj == NULL;

	if (oom)
		return NULL;
	vs_json_put_int(obj, "seq", row->seq, &oom);
	vs_json_put_time(obj, "at", row->at, &oom);
	vs_json_put_str(obj, "event", row->event, &oom);
	vs_json_put_str(obj, "from_status", row->from_status, &oom);
	vs_json_put_str(obj, "to_status", row->to_status, &oom);
	vs_json_put_str(obj, "release_reason", row->release_reason, &oom);
	vs_json_put_str(obj, "error_code", row->error_code, &oom);
	vs_json_put_time(obj, "expires_at", row->expires_at, &oom);
	vs_json_put_str(obj, "request_id", row->request_id, &oom);
	if (oom) {
		(void)json_object_put(obj);
		return NULL;
	}
	return obj;
}

static struct json_object *
print_rows(const struct sess_event_row *rows, size_t count)
{
	struct json_object *data = json_object_new_array();

	for (size_t i = 0; i < count && data != NULL; i++) {
		struct json_object *row = print_event(&rows[i]);

		if (row == NULL || json_object_array_add(data, row) < 0) {
			(void)json_object_put(row);
			(void)json_object_put(data);
			return NULL;
		}
	}
	return data;
}

static int
reply_events(const struct page *page, struct req *req, struct reply *rep,
    const struct sess_event_row *rows, size_t count)
{
	const bool more = count > (size_t)page->limit;
	struct json_object *data;
	struct cursor last;

	if (more)
		count = (size_t)page->limit;
	data = print_rows(rows, count);
	if (data == NULL)
		return VS_ENOMEM;
	if (!more)
		return page_reply(page, req, rep, data, NULL);
	last.key = rows[count - 1].seq;
	memcpy(last.id, req->match.id, VS_ULID_SIZE);
	return page_reply(page, req, rep, data, &last);
}

/*
 * GET /v1/sessions/{id}/events - the session's history, in the order it happened:
 * folding it gives the session.
 *
 * 200   400 bad parameter   404
 */
int
ep_session_events(struct app *app, struct req *req, struct reply *rep)
{
	struct sess_event_row *rows;
	struct page page;
	size_t count;
	int rc;

	page_init(&page, app, req, "events");
	if (query_check(&req->query, events_rules, VS_COUNTOF(events_rules), &page, &rep->issues) &&
	    page.has_cursor && strcmp(page.after.id, req->match.id) != 0)
		vs_json_issue(&rep->issues, "/query/cursor", "is not a cursor of this list");
	if (rep->issues.count > 0)
		return reply_problem(rep, VS_PROBLEM_VALIDATION, NULL);
	reply_db_begin(rep);
	rc = sess_events_for(app->db, req->arena, &req->caller, req->match.id,
	    page.has_cursor ? page.after.key : 0, page.limit, &rows, &count);
	reply_db_end(rep);
	if (rc == VS_ENOENT)
		return reply_problem(rep, VS_PROBLEM_NOT_FOUND, NULL);
	if (rc < 0)
		return rc;
	return reply_events(&page, req, rep, rows, count);
}
