/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/ep_session.h"

#include <string.h>

#include "fcgi/gate.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/jwt.h"

#define VIEW_TOKEN_SECONDS 300

/* A token for one door of the session, in the arena. */
static int
make_token(const struct app *app, struct req *req, const struct vs_jwt_claims *claims,
    const char **ret_token)
{
	vs_autofree char *token = NULL;
	int rc;

	rc = vs_jwt_sign(app->ring, app->conf->platform_public_url, claims, &token);
	if (rc < 0)
		return rc;
	*ret_token = vs_arena_strdup(req->arena, token);
	return *ret_token != NULL ? 0 : VS_ENOMEM;
}

/*
 * The same text every time as long as the key is the same: made of the session's id
 * and birth only, so that clients may compare and cache it.
 */
static int
make_connect_url(
    const struct app *app, struct req *req, const struct sess *sess, const char **ret_url)
{
	struct vs_jwt_claims claims = { .aud = VS_JWT_CDP, .iat_s = sess->created_at / 1000 };
	const char *base = app->conf->platform_public_url;
	const char *token;
	int rc;

	memcpy(claims.sid, sess->id, VS_ULID_SIZE);
	memcpy(claims.wid, sess->workspace_id, VS_ULID_SIZE);
	memcpy(claims.jti, sess->id, VS_ULID_SIZE);
	rc = make_token(app, req, &claims, &token);
	if (rc < 0)
		return rc;
	/* http becomes ws and https wss: the rest of the base stays. */
	*ret_url = vs_arena_printf(
	    req->arena, "ws%s/v1/sessions/%s/cdp?token=%s", base + strlen("http"), sess->id, token);
	return *ret_url != NULL ? 0 : VS_ENOMEM;
}

static int
make_live_view_url(
    const struct app *app, struct req *req, const struct sess *sess, const char **ret_url)
{
	struct vs_jwt_claims claims = { .aud = VS_JWT_VIEW };
	const char *token;
	int rc;

	memcpy(claims.sid, sess->id, VS_ULID_SIZE);
	memcpy(claims.wid, sess->workspace_id, VS_ULID_SIZE);
	vs_ulid_new(claims.jti);
	claims.iat_s = vs_clock_wall_ms() / 1000;
	claims.exp_s = claims.iat_s + VIEW_TOKEN_SECONDS;
	rc = make_token(app, req, &claims, &token);
	if (rc < 0)
		return rc;
	*ret_url = vs_arena_printf(
	    req->arena, "%s/v/%s?token=%s", app->conf->platform_public_url, sess->id, token);
	return *ret_url != NULL ? 0 : VS_ENOMEM;
}

struct json_object *
ep_session_json(const struct app *app, struct req *req, const struct sess *sess)
{
	struct sess_links links = { NULL, NULL, NULL };

	/* Its token drives the browser, which is more than a viewer may. */
	if (!sess_status_final(sess->status) && gate_allows(req, ROLE_OPERATOR) &&
	    make_connect_url(app, req, sess, &links.connect_url) < 0)
		return NULL;
	if (!sess_status_final(sess->status) &&
	    make_live_view_url(app, req, sess, &links.live_view_url) < 0)
		return NULL;
	return sess_print(sess, &links, vs_clock_wall_ms());
}

int
ep_session_reply(
    const struct app *app, struct req *req, struct reply *rep, int status, const struct sess *sess)
{
	struct vs_buf timing;
	int rc;

	vs_buf_init(&timing, 256);
	rc = vs_buf_printf(&timing, "db;dur=%.3f", (double)rep->db_us / 1000);
	if (rc == 0 && sess->provisioning_at != 0)
		rc = vs_buf_printf(&timing, ", queue;dur=%lld",
		    (long long)(sess->provisioning_at - sess->created_at));
	if (rc == 0 && sess->running_at != 0)
		rc = vs_buf_printf(&timing, ", provision;dur=%lld",
		    (long long)(sess->running_at - sess->provisioning_at));
	if (rc == 0)
		reply_header(rep, "Server-Timing", "%s", vs_buf_str(&timing));
	vs_buf_fini(&timing);
	return rc < 0 ? rc : reply_json(rep, status, ep_session_json(app, req, sess));
}
