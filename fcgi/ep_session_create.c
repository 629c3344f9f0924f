/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/sha.h>
#include <string.h>

#include "fcgi/body.h"
#include "fcgi/ep_session.h"
#include "lib/err.h"
#include "lib/log.h"

#define DEFAULT_REGION "us-east1" /* when ventus.conf names none */

/* 1-255 visible ASCII characters. */
static bool
key_ok(const char *key)
{
	size_t len = strlen(key);

	if (len < 1 || len > 255)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (key[i] < 0x21 || key[i] > 0x7e)
			return false;
	}
	return true;
}

static int
reply_replay(
    struct app *app, struct req *req, struct reply *rep, const struct sess *sess, bool same_payload)
{
	reply_header(rep, "Idempotent-Replayed", "true");
	if (!same_payload)
		reply_header(rep, "Idempotency-Payload-Mismatch", "true");
	return ep_session_reply(app, req, rep, 200, sess);
}

/* Fill spec from the body, or rep with what is wrong with it. */
static int
take_spec(struct app *app, struct req *req, struct reply *rep, struct sess_spec *spec)
{
	bool impossible = false;
	int rc;

	rc = body_parse_json(req, rep);
	if (rc < 0 || rep->status != 0)
		return rc;
	rc = sess_spec_parse(req->json, req->arena, spec, &rep->issues, &impossible);
	if (rc == VS_EINVAL)
		return reply_problem(rep, VS_PROBLEM_VALIDATION, NULL);
	if (rc == VS_EUNSUPP)
		return reply_problem(
		    rep, impossible ? VS_PROBLEM_IMPOSSIBLE : VS_PROBLEM_NOT_AVAILABLE, NULL);
	if (rc == 0 && spec->region == NULL)
		spec->region =
		    app->conf->nregions > 0 ? app->conf->regions[0].name : DEFAULT_REGION;
	return rc;
}

static int
admit(struct app *app, struct req *req, struct reply *rep, const struct sess_admission *admission)
{
	struct sess sess;
	bool match;
	int rc;

	reply_db_begin(rep);
	rc = sess_admit(app->db, req->arena, &req->caller, admission, &sess, &match);
	reply_db_end(rep);
	if (rc == VS_EEXIST)
		return reply_replay(app, req, rep, &sess, match);
	if (rc < 0)
		return rc;
	log_info("session.admit", VS_LOG_STR("session", sess.id),
	    VS_LOG_STR("workspace", sess.workspace_id), VS_LOG_STR("request_id", req->request_id));
	reply_header(rep, "Location", "/v1/sessions/%s", sess.id);
	reply_header(rep, "Retry-After", "1");
	return ep_session_reply(app, req, rep, 202, &sess);
}

/*
 * The body is refused, unless its key was used before: a retry must find its session
 * whatever it sends. A body that is right finds it in sess_admit().
 */
static int
replay_or_refuse(struct app *app, struct req *req, struct reply *rep,
    const uint8_t payload_sha256[SHA256_DIGEST_LENGTH])
{
	struct sess sess;
	bool match;
	int rc;

	reply_db_begin(rep);
	rc = sess_find_replay(app->db, req->arena, req->key.workspace_id, req->idempotency_key,
	    payload_sha256, &sess, &match);
	reply_db_end(rep);
	if (rc == VS_EEXIST)
		return reply_replay(app, req, rep, &sess, match);
	return rc == VS_ENOENT ? 0 : rc;
}

/*
 * POST /v1/sessions - admit one session and answer at once.
 *
 * Only the intent is recorded here; reaperd starts the browser. Two requests that
 * race for one key are settled by sess_admit().
 *
 * 202 queued   200 same key seen before   400 bad key or field   422 impossible
 */
int
ep_session_create(struct app *app, struct req *req, struct reply *rep)
{
	uint8_t payload_sha256[SHA256_DIGEST_LENGTH];
	char id[VS_ULID_SIZE];
	struct sess_spec spec;
	int rc;

	if (req->idempotency_key == NULL)
		return reply_problem(rep, VS_PROBLEM_IDEMPOTENCY_KEY_MISSING, NULL);
	if (!key_ok(req->idempotency_key))
		return reply_problem(rep, VS_PROBLEM_IDEMPOTENCY_KEY_INVALID,
		    "must be 1-255 visible ASCII characters");
	(void)SHA256(req->body, (size_t)req->content_length, payload_sha256);
	rc = take_spec(app, req, rep, &spec);
	if (rc < 0)
		return rc;
	if (rep->status != 0)
		return replay_or_refuse(app, req, rep, payload_sha256);
	vs_ulid_new(id);
	return admit(app, req, rep,
	    &(const struct sess_admission){
		.spec = &spec,
		.id = id,
		.idempotency_key = req->idempotency_key,
		.payload_sha256 = payload_sha256,
	    });
}
