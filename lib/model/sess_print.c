/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/model/sess.h"

static struct json_object *
print_viewport(const struct sess *sess, bool *oom)
{
	struct json_object *obj = json_object_new_object();

	vs_json_put_int(obj, "width", sess->viewport_width, oom);
	vs_json_put_int(obj, "height", sess->viewport_height, oom);
	return obj;
}

static struct json_object *
print_proxy(const struct sess *sess, bool *oom)
{
	struct json_object *obj = json_object_new_object();

	vs_json_put_str(obj, "url", sess->proxy_url, oom);
	vs_json_put_str(obj, "username", sess->proxy_username, oom);
	return obj;
}

static struct json_object *
print_recording(const struct sess *sess, bool *oom)
{
	struct json_object *obj = json_object_new_object();

	vs_json_put_bool(obj, "enabled", sess->recording_enabled, oom);
	vs_json_put_str(obj, "status", NULL, oom);
	return obj;
}

static struct json_object *
print_error(const struct sess *sess, bool *oom)
{
	struct json_object *obj = json_object_new_object();

	vs_json_put_str(obj, "code", sess->error_code, oom);
	vs_json_put_str(obj, "message", sess->error_message, oom);
	return obj;
}

/* The row's labels are JSON text of the database's own making. */
static struct json_object *
print_labels(const struct sess *sess)
{
	struct json_object *obj = NULL;
	struct vs_json_fault fault;

	if (sess->labels == NULL)
		return json_object_new_object();
	if (vs_json_parse(sess->labels, strlen(sess->labels), &fault, &obj) < 0)
		return NULL;
	return obj;
}

/* A member that is an object, or null when there is nothing to show. */
static void
put_obj_if(bool there, struct json_object *obj, const char *key, const struct sess *sess,
    struct json_object *(*print)(const struct sess *, bool *), bool *oom)
{
	if (there)
		vs_json_put(obj, key, print(sess, oom), oom);
	else
		vs_json_put_str(obj, key, NULL, oom);
}

static void
put_int_if(bool there, struct json_object *obj, const char *key, int64_t value, bool *oom)
{
	if (there)
		vs_json_put_int(obj, key, value, oom);
	else
		vs_json_put_str(obj, key, NULL, oom);
}

static void
put_spec(struct json_object *obj, const struct sess *sess, bool *oom)
{
	vs_json_put_str(obj, "region", sess->region, oom);
	vs_json_put_str(obj, "runtime_kind", sess->runtime_kind, oom);
	vs_json_put_int(obj, "timeout_seconds", sess->timeout_seconds, oom);
	vs_json_put_int(obj, "keep_alive_seconds", sess->keep_alive_seconds, oom);
	vs_json_put(obj, "viewport", print_viewport(sess, oom), oom);
	vs_json_put_str(obj, "user_agent", sess->user_agent, oom);
	put_obj_if(sess->proxy_url != NULL, obj, "proxy", sess, print_proxy, oom);
	vs_json_put_str(obj, "profile_id", sess->profile_id, oom);
	put_int_if(sess->profile_version != 0, obj, "profile_version", sess->profile_version, oom);
	vs_json_put(obj, "labels", print_labels(sess), oom);
	vs_json_put(obj, "recording", print_recording(sess, oom), oom);
}

static void
put_life(struct json_object *obj, const struct sess *sess, int64_t now_ms, bool *oom)
{
	vs_json_put_time(obj, "created_at", sess->created_at, oom);
	vs_json_put_time(obj, "provisioning_at", sess->provisioning_at, oom);
	vs_json_put_time(obj, "running_at", sess->running_at, oom);
	vs_json_put_time(obj, "expires_at", sess->expires_at, oom);
	vs_json_put_time(obj, "ended_at", sess->ended_at, oom);
	/* Released is what users call COMPLETED. */
	vs_json_put_time(
	    obj, "released_at", sess->status == SESS_COMPLETED ? sess->ended_at : 0, oom);
	vs_json_put_str(obj, "release_reason", sess->release_reason, oom);
	put_obj_if(sess->error_code != NULL, obj, "error", sess, print_error, oom);
	vs_json_put_int(obj, "cdp_clients", sess->cdp_clients, oom);
	vs_json_put_int(obj, "billable_seconds", sess_billable_seconds(sess, now_ms), oom);
}

struct json_object *
sess_print(const struct sess *sess, const struct sess_links *links, int64_t now_ms)
{
	struct json_object *obj = json_object_new_object();
	bool oom = false;

	if (obj == NULL)
		return NULL;
	vs_json_put_str(obj, "id", sess->id, &oom);
	vs_json_put_str(obj, "workspace_id", sess->workspace_id, &oom);
	vs_json_put_str(obj, "status", sess_status_text(sess->status), &oom);
	put_int_if(sess->queue_position > 0, obj, "queue_position", sess->queue_position, &oom);
	put_spec(obj, sess, &oom);
	vs_json_put_str(obj, "connect_url", links->connect_url, &oom);
	vs_json_put_str(obj, "live_view_url", links->live_view_url, &oom);
	vs_json_put_str(obj, "recording_url", links->recording_url, &oom);
	put_life(obj, sess, now_ms, &oom);
	if (oom) {
		(void)json_object_put(obj);
		return NULL;
	}
	return obj;
}
