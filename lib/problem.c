/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/problem.h"

#include <assert.h>
#include <string.h>

#include "lib/err.h"
#include "lib/scrub.h"
#include "lib/utf8.h"

#define TEXT_MAX     4096            /* bytes of one text of a problem; the rest is cut */
#define SCRUBBED_MAX (TEXT_MAX * 16) /* the scrubber's mark may be longer than what it hides */

static const struct vs_problem_row rows[VS_PROBLEM_COUNT] = {
#define PROBLEM(name, status, slug, title) [VS_PROBLEM_##name] = { status, slug, title },
#include "lib/problem.def"
#undef PROBLEM
};

const struct vs_problem_row *
vs_problem_row(enum vs_problem problem)
{
	assert(problem > VS_PROBLEM_NONE && problem < VS_PROBLEM_COUNT);
	return &rows[problem];
}

/* Words that may hold what a stranger sent. NULL: no memory. */
static struct json_object *
clean_text(const char *text)
{
	struct vs_buf scrubbed;
	struct json_object *obj = NULL;
	vs_autofree char *copy = strndup(text, TEXT_MAX);

	if (copy == NULL)
		return NULL;
	vs_utf8_repair(copy, strlen(copy));
	vs_buf_init(&scrubbed, SCRUBBED_MAX);
	if (vs_scrub_text(&scrubbed, copy, strlen(copy)) == 0)
		obj = json_object_new_string_len(
		    (const char *)vs_buf_data(&scrubbed), (int)vs_buf_len(&scrubbed));
	vs_buf_fini(&scrubbed);
	return obj;
}

/* No text, no member. */
static void
put_text(struct json_object *obj, const char *key, const char *text, bool *oom)
{
	if (text != NULL)
		vs_json_put(obj, key, clean_text(text), oom);
}

static struct json_object *
issue_list(const struct vs_json_issues *issues, bool *oom)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list != NULL && i < issues->count; i++) {
		struct json_object *item = json_object_new_object();

		if (item == NULL || json_object_array_add(list, item) < 0) {
			(void)json_object_put(item); /* nobody else holds it */
			*oom = true;
			break;
		}
		put_text(item, "pointer", issues->item[i].pointer, oom);
		put_text(item, "detail", issues->item[i].detail, oom);
	}
	return list;
}

static void
put_type(struct json_object *obj, const struct vs_problem_doc *doc, bool *oom)
{
	struct vs_buf url;

	vs_buf_init(&url, TEXT_MAX);
	if (vs_buf_printf(&url, "%s/errors/%s", doc->public_url, rows[doc->problem].slug) < 0)
		*oom = true;
	else
		vs_json_put_str(obj, "type", vs_buf_str(&url), oom);
	vs_buf_fini(&url);
}

/* The caller's detail, else the first fault, else the title. Static, or in text. */
static const char *
pick_detail(const struct vs_problem_doc *doc, const struct vs_problem_row *row, struct vs_buf *text)
{
	const struct vs_json_issues *issues = doc->issues;
	size_t more;

	if (doc->detail != NULL)
		return doc->detail;
	if (issues == NULL || issues->count == 0)
		return row->title;
	more = issues->count - 1 + issues->dropped;
	if (vs_buf_printf(text, "%s: %s", issues->item[0].pointer, issues->item[0].detail) < 0 ||
	    (more > 0 && vs_buf_printf(text, " (and %zu more)", more) < 0))
		return row->title;
	return vs_buf_str(text);
}

int
vs_problem_print(const struct vs_problem_doc *doc, struct vs_buf *out)
{
	const struct vs_problem_row *row = vs_problem_row(doc->problem);
	vs_autojson struct json_object *obj = json_object_new_object();
	struct vs_buf detail;
	const char *text;
	bool oom = false;
	size_t len;

	if (obj == NULL)
		return VS_ENOMEM;
	put_type(obj, doc, &oom);
	vs_json_put_str(obj, "title", row->title, &oom);
	vs_json_put_int(obj, "status", row->status, &oom);
	vs_buf_init(&detail, TEXT_MAX);
	put_text(obj, "detail", pick_detail(doc, row, &detail), &oom);
	vs_buf_fini(&detail);
	put_text(obj, "instance", doc->instance, &oom);
	put_text(obj, "request_id", doc->request_id, &oom);
	if (doc->issues != NULL)
		vs_json_put(obj, "errors", issue_list(doc->issues, &oom), &oom);
	text = json_object_to_json_string_length(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (oom || text == NULL)
		return VS_ENOMEM;
	return vs_buf_append(out, text, len);
}
