/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/jwt.h"

#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/b64url.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/jsonio.h"

#define MAC_BYTES  32
#define MAX_TIME_S INT64_C(253402300799) /* the year 9999 */

VS_DEFINE_AUTO(cleanup_jwt, jwt_t *, jwt_free)

static const char *const aud_text[] = { [VS_JWT_CDP] = "cdp", [VS_JWT_VIEW] = "view" };

static bool
claims_ok(const struct vs_jwt_claims *claims)
{
	return vs_ulid_ok(claims->sid, strlen(claims->sid)) &&
	       vs_ulid_ok(claims->wid, strlen(claims->wid)) &&
	       vs_ulid_ok(claims->jti, strlen(claims->jti)) && claims->iat_s > 0 &&
	       (claims->aud == VS_JWT_VIEW) == (claims->exp_s > 0);
}

/* True when every grant went in. */
static bool
add_grants(jwt_t *jwt, const char *issuer, const struct vs_jwt_claims *claims)
{
	bool ok = jwt_add_grant(jwt, "iss", issuer) == 0 &&
		  jwt_add_grant(jwt, "aud", aud_text[claims->aud]) == 0 &&
		  jwt_add_grant(jwt, "sid", claims->sid) == 0 &&
		  jwt_add_grant(jwt, "wid", claims->wid) == 0 &&
		  jwt_add_grant(jwt, "jti", claims->jti) == 0 &&
		  jwt_add_grant_int(jwt, "iat", claims->iat_s) == 0;

	if (claims->aud == VS_JWT_VIEW)
		ok = ok && jwt_add_grant_int(jwt, "exp", claims->exp_s) == 0 &&
		     jwt_add_grant(jwt, "mode", claims->control ? "control" : "view") == 0;
	return ok;
}

int
vs_jwt_sign(const struct vs_keyring *ring, const char *issuer, const struct vs_jwt_claims *claims,
    char **ret_token)
{
	const char *kid = vs_keyring_current(ring);
	const uint8_t *key = vs_keyring_find(ring, kid, VS_KEY_TOKEN);
	vs_auto(cleanup_jwt) jwt_t *jwt = NULL;
	char *token;

	if (key == NULL || !claims_ok(claims))
		return VS_EINVAL;
	if (jwt_new(&jwt) != 0 || jwt_set_alg(jwt, JWT_ALG_HS256, key, VS_KEY_BYTES) != 0 ||
	    jwt_add_header(jwt, "kid", kid) != 0 || !add_grants(jwt, issuer, claims))
		return VS_ENOMEM;
	token = jwt_encode_str(jwt);
	if (token == NULL)
		return VS_ENOMEM;
	if (strlen(token) > VS_JWT_MAX) {
		free(token);
		return VS_EINVAL;
	}
	*ret_token = token;
	return 0;
}

/* A token's three segments, decoded. */
struct segments {
	uint8_t head[VS_JWT_MAX], body[VS_JWT_MAX], mac[MAC_BYTES];
	size_t head_len, body_len;
};

static const char *
split(const char *token, struct segments *ret_seg)
{
	size_t len = strnlen(token, VS_JWT_MAX + 1);
	const char *dot1, *dot2;
	size_t mac_len;

	if (len > VS_JWT_MAX)
		return "longer than a token of ours";
	dot1 = strchr(token, '.');
	dot2 = dot1 != NULL ? strchr(dot1 + 1, '.') : NULL;
	if (dot2 == NULL || strchr(dot2 + 1, '.') != NULL)
		return "not three segments";
	if (vs_b64url_decode(token, (size_t)(dot1 - token), ret_seg->head, sizeof(ret_seg->head),
		&ret_seg->head_len) < 0 ||
	    vs_b64url_decode(dot1 + 1, (size_t)(dot2 - dot1 - 1), ret_seg->body,
		sizeof(ret_seg->body), &ret_seg->body_len) < 0 ||
	    vs_b64url_decode(dot2 + 1, len - (size_t)(dot2 + 1 - token), ret_seg->mac,
		sizeof(ret_seg->mac), &mac_len) < 0)
		return "not canonical base64url";
	return mac_len == MAC_BYTES ? NULL : "the signature has another length";
}

static struct json_object *
parse_object(const uint8_t *bytes, size_t len)
{
	struct vs_json_fault fault;
	struct json_object *obj = NULL;

	if (vs_json_parse((const char *)bytes, len, &fault, &obj) < 0)
		return NULL;
	if (!json_object_is_type(obj, json_type_object)) {
		(void)json_object_put(obj);
		return NULL;
	}
	return obj;
}

/* Borrowed from obj; NULL unless it is there and a string. */
static const char *
get_str(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* -1 unless it is there and a whole number of seconds since 1970. */
static int64_t
get_time(struct json_object *obj, const char *key)
{
	struct json_object *value;
	int64_t num;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return -1;
	num = json_object_get_int64(value);
	return num >= 0 && num <= MAX_TIME_S ? num : -1;
}

static bool
str_is(const char *text, const char *want)
{
	return text != NULL && strcmp(text, want) == 0;
}

/*
 * The header is ours or the token is not: alg, kid and typ, nothing else. A "crit"
 * would ask for rules that we do not know.
 */
static const char *
check_head(const struct vs_keyring *ring, const struct segments *seg, const uint8_t **ret_key)
{
	vs_autojson struct json_object *head = parse_object(seg->head, seg->head_len);
	const char *kid;

	if (head == NULL)
		return "the header is not strict JSON";
	if (!str_is(get_str(head, "alg"), "HS256"))
		return "the algorithm is not HS256";
	if (!str_is(get_str(head, "typ"), "JWT") || json_object_object_length(head) != 3)
		return "the header has other members";
	kid = get_str(head, "kid");
	*ret_key = kid != NULL ? vs_keyring_find(ring, kid, VS_KEY_TOKEN) : NULL;
	return *ret_key != NULL ? NULL : "no such key id";
}

/* libjwt sees only what has passed the checks above, and always a key. */
static const char *
check_mac(const char *token, const uint8_t *key)
{
	vs_auto(cleanup_jwt) jwt_t *jwt = NULL;

	if (jwt_decode(&jwt, token, key, VS_KEY_BYTES) != 0)
		return "the signature is wrong";
	return jwt_get_alg(jwt) == JWT_ALG_HS256 ? NULL : "libjwt took another algorithm";
}

static bool
take_ulid(struct json_object *body, const char *key, char ret_id[VS_ULID_SIZE])
{
	const char *text = get_str(body, key);

	if (text == NULL || !vs_ulid_ok(text, strlen(text)))
		return false;
	memcpy(ret_id, text, VS_ULID_SIZE);
	return true;
}

static const char *
check_times(
    struct json_object *body, enum vs_jwt_aud aud, int64_t now_s, struct vs_jwt_claims *claims)
{
	struct json_object *nbf;

	claims->iat_s = get_time(body, "iat");
	if (claims->iat_s <= 0 || claims->iat_s > now_s + VS_JWT_LEEWAY_S)
		return "iat is missing or in the future";
	if (json_object_object_get_ex(body, "nbf", &nbf) &&
	    (get_time(body, "nbf") < 0 || get_time(body, "nbf") > now_s + VS_JWT_LEEWAY_S))
		return "not valid yet";
	if (aud == VS_JWT_CDP)
		return json_object_object_get_ex(body, "exp", NULL) ? "a cdp token has no exp"
								    : NULL;
	claims->exp_s = get_time(body, "exp");
	if (claims->exp_s < 0)
		return "exp is missing or malformed";
	return claims->exp_s + VS_JWT_LEEWAY_S > now_s ? NULL : "expired";
}

static const char *
check_body(const struct segments *seg, const char *issuer, enum vs_jwt_aud aud, int64_t now_s,
    struct vs_jwt_claims *claims)
{
	vs_autojson struct json_object *body = parse_object(seg->body, seg->body_len);
	const char *mode;

	if (body == NULL)
		return "the claims are not strict JSON";
	if (!str_is(get_str(body, "iss"), issuer))
		return "another issuer";
	if (!str_is(get_str(body, "aud"), aud_text[aud]))
		return "another audience";
	if (!take_ulid(body, "sid", claims->sid) || !take_ulid(body, "wid", claims->wid) ||
	    !take_ulid(body, "jti", claims->jti))
		return "an id is missing or malformed";
	claims->aud = aud;
	if (aud == VS_JWT_VIEW) {
		mode = get_str(body, "mode");
		if (!str_is(mode, "view") && !str_is(mode, "control"))
			return "the mode is missing or unknown";
		claims->control = str_is(mode, "control");
	}
	return check_times(body, aud, now_s, claims);
}

int
vs_jwt_verify(const struct vs_keyring *ring, const char *issuer, enum vs_jwt_aud aud,
    const char *token, int64_t now_s, struct vs_jwt_claims *ret_claims, const char **ret_why)
{
	struct vs_jwt_claims claims = { .exp_s = 0 };
	struct segments seg;
	const uint8_t *key = NULL;
	const char *why = split(token, &seg);

	if (why == NULL)
		why = check_head(ring, &seg, &key);
	if (why == NULL) {
		/* libjwt's own parser must not meet what ours refuses. */
		struct vs_json_fault fault;

		if (vs_json_scan((const char *)seg.body, seg.body_len, &fault) < 0)
			why = "the claims are not strict JSON";
	}
	if (why == NULL)
		why = check_mac(token, key);
	if (why == NULL)
		why = check_body(&seg, issuer, aud, now_s, &claims);
	if (ret_why != NULL)
		*ret_why = why;
	if (why != NULL)
		return VS_EAUTH;
	*ret_claims = claims;
	return 0;
}
