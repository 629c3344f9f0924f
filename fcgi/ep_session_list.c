/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fcgi/ep_session.h"
#include "fcgi/page.h"
#include "lib/clock.h"
#include "lib/err.h"

/* What the parameters are made into. page stands first: page.h's rules need that. */
struct list_params {
	struct page page;
	struct sess_filter filter;
	bool wanted[SESS_ERRORED + 1]; /* by status */
	bool some_wanted;
	struct json_object *labels; /* owned; NULL: none asked for */
};

static void
take_status(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;
	enum sess_status status = sess_status_parse(param->value);

	if (status == SESS_NO_STATUS)
		vs_json_issue(issues, pointer, "there is no such status");
	params->wanted[status] = true;
	params->some_wanted = true;
}

static void
take_region(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;

	(void)pointer, (void)issues;
	params->filter.region = param->value;
}

static void
take_runtime_kind(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;

	if (strcmp(param->value, "chromium") != 0 && strcmp(param->value, "rda") != 0)
		vs_json_issue(issues, pointer, "must be chromium or rda");
	params->filter.runtime_kind = param->value;
}

static void
take_profile_id(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;

	if (!vs_ulid_ok(param->value, strlen(param->value)))
		vs_json_issue(issues, pointer, "must be an id");
	params->filter.profile_id = param->value;
}

static void
take_time(const struct query_param *param, const char *pointer, struct vs_json_issues *issues,
    int64_t *ret_wall_ms)
{
	if (vs_clock_rfc3339_parse(param->value, ret_wall_ms) < 0)
		vs_json_issue(issues, pointer,
		    "must be a time like 2026-12-01T10:48:58.123Z ('+' is written %%2B)");
}

static void
take_created_after(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;

	take_time(param, pointer, issues, &params->filter.created_after);
}

static void
take_created_before(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;

	take_time(param, pointer, issues, &params->filter.created_before);
}

static void
take_label(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct list_params *params = dst;
	bool oom = false;

	if (params->labels == NULL)
		params->labels = json_object_new_object();
	vs_json_put_str(params->labels, param->name + strlen("label."), param->value, &oom);
	if (oom)
		vs_json_issue(issues, pointer, "could not be kept in memory");
}

static const struct query_rule list_rules[] = {
	{ .name = "limit", .take = page_take_limit },
	{ .name = "cursor", .take = page_take_cursor },
	{ .name = "status", .repeatable = true, .take = take_status },
	{ .name = "region", .take = take_region },
	{ .name = "runtime_kind", .take = take_runtime_kind },
	{ .name = "profile_id", .take = take_profile_id },
	{ .name = "created_after", .take = take_created_after },
	{ .name = "created_before", .take = take_created_before },
	{ .name = "label.", .take = take_label },
};

/* "{QUEUED,RUNNING}", as PostgreSQL writes an array. */
static int
statuses_text(struct vs_arena *arena, const struct list_params *params, const char **ret_text)
{
	const char *text = "{";

	for (size_t i = SESS_NO_STATUS + 1; i < VS_COUNTOF(params->wanted) && text != NULL; i++) {
		if (params->wanted[i])
			text = vs_arena_printf(arena, "%s%s%s", text, text[1] != '\0' ? "," : "",
			    sess_status_text((enum sess_status)i));
	}
	if (text != NULL)
		text = vs_arena_printf(arena, "%s}", text);
	*ret_text = text;
	return text != NULL ? 0 : VS_ENOMEM;
}

static int
finish_filter(struct req *req, struct list_params *params)
{
	size_t len;
	int rc = 0;

	params->filter.limit = params->page.limit;
	if (params->page.has_cursor) {
		params->filter.before_id = params->page.after.id;
		params->filter.before_created_at_us = params->page.after.key;
	}
	if (params->labels != NULL) {
		params->filter.labels = vs_json_text(req->arena, params->labels, &len);
		if (params->filter.labels == NULL)
			return VS_ENOMEM;
	}
	if (params->some_wanted)
		rc = statuses_text(req->arena, params, &params->filter.statuses);
	return rc;
}

static struct json_object *
print_rows(const struct app *app, struct req *req, const struct sess *rows, size_t count)
{
	struct json_object *data = json_object_new_array();

	for (size_t i = 0; i < count && data != NULL; i++) {
		struct json_object *row = ep_session_json(app, req, &rows[i]);

		if (row == NULL || json_object_array_add(data, row) < 0) {
			(void)json_object_put(row);
			(void)json_object_put(data);
			return NULL;
		}
	}
	return data;
}

static int
list(struct app *app, struct req *req, struct reply *rep, struct list_params *params)
{
	struct json_object *data;
	struct cursor last;
	struct sess *rows;
	size_t count;
	int rc;

	rc = finish_filter(req, params);
	if (rc < 0)
		return rc;
	reply_db_begin(rep);
	rc = sess_list_for(app->db, req->arena, &req->caller, &params->filter, &rows, &count);
	reply_db_end(rep);
	if (rc < 0)
		return rc;
	if (count <= (size_t)params->page.limit) {
		data = print_rows(app, req, rows, count);
		return data != NULL ? page_reply(&params->page, req, rep, data, NULL) : VS_ENOMEM;
	}
	count = (size_t)params->page.limit;
	last.key = rows[count - 1].created_at_us;
	memcpy(last.id, rows[count - 1].id, VS_ULID_SIZE);
	data = print_rows(app, req, rows, count);
	return data != NULL ? page_reply(&params->page, req, rep, data, &last) : VS_ENOMEM;
}

/*
 * GET /v1/sessions - the workspace's sessions, newest first, a page at a time.
 *
 * 200   400 bad parameter
 */
int
ep_session_list(struct app *app, struct req *req, struct reply *rep)
{
	struct list_params params;
	int rc;

	memset(&params, 0, sizeof(params));
	page_init(&params.page, app, req, "sessions");
	if (query_check(&req->query, list_rules, VS_COUNTOF(list_rules), &params, &rep->issues))
		rc = list(app, req, rep, &params);
	else
		rc = reply_problem(rep, VS_PROBLEM_VALIDATION, NULL);
	(void)json_object_put(params.labels);
	return rc;
}
