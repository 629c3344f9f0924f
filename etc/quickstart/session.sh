# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Keys, a first session through the front door, and what to type next.

# api_call KEY METHOD URL [CURL-ARGUMENT...] - the body of a 2xx answer. The key goes
# through a pipe: an argument would show in ps.
api_call() {
	local key=$1 method=$2 url=$3
	shift 3
	[ ! -e "$TLS_DIR/cert.pem" ] || set -- "$@" --cacert "$TLS_DIR/cert.pem"
	curl -sS --fail-with-body -m 40 -X "$method" "$url" "$@" \
	    -H @- <<<"Authorization: Bearer $key" 9>&-
}

# The signing key, and once: a tenant, a workspace and the two API keys.
keys_make() {
	local env=$VAR/quickstart.env
	compgen -G "$VAR/keys/*.key" >/dev/null || logged keys ventusctl keys new
	logged bootstrap ventusctl bootstrap --env-file "$VAR/secrets/bootstrap"
	{
		echo "VENTUS_URL=$PUBLIC_URL"
		cat "$VAR/secrets/bootstrap"
		tls_environment
		echo "VENTUS_EGRESS_ALLOW='${ALLOW[*]}'"
	} | put "$env" 0600
	# shellcheck source=/dev/null
	. "$env"
}

session_first() {
	local body id url probe ms from
	from=$(now_ms)
	body=$(api_call "$VENTUS_API_KEY" POST "$VENTUS_URL/v1/sessions" -d '{}' \
	    -H 'Content-Type: application/json' -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)") ||
		fail "POST /v1/sessions: $(jq -r '.detail // .' <<<"$body" 2>/dev/null || echo "$body")"
	id=$(jq -r .id <<<"$body")
	url=$(jq -r .connect_url <<<"$body")
	# The probe speaks no TLS; the plain door is open as well.
	url=${url/#wss:\/\/localhost:$TLS_PORT/ws://localhost:$PORT}
	probe=$(ventusctl probe - 2>&1 <<<"$url") || fail "the browser of session $id does not answer: $probe"
	ms=$(($(now_ms) - from))
	body=$(api_call "$VENTUS_API_KEY" GET "$VENTUS_URL/v1/sessions/$id?wait_for=COMPLETED&wait_seconds=10") ||
		fail "the first session cannot be read: $body"
	[ "$(jq -r .status <<<"$body")" = COMPLETED ] ||
		fail "the first session ended otherwise than expected: $(jq -c '{status, error}' <<<"$body")"
	NOTE="$probe answered $ms ms after the request"
}

summary() {
	local took=$((($(now_ms) - BEGIN_MS) / 100))
	cat <<END

  URL                $PUBLIC_URL
  API key            $VENTUS_API_KEY
  admin key          $ADMIN_API_KEY
                     (both in $(said "$VAR/quickstart.env"))

  a session          set -a; . $(said "$VAR/quickstart.env"); set +a
                     curl -s ${TLS_PORT:+--cacert "\$VENTUS_CA" }"\$VENTUS_URL/v1/sessions" -H "Authorization: Bearer \$VENTUS_API_KEY" \\
                       -H "Idempotency-Key: \$(cat /proc/sys/kernel/random/uuid)" -H 'Content-Type: application/json' -d '{}'

  drive it           const { chromium } = require('playwright-core');
                     const browser = await chromium.connectOverCDP(session.connect_url);
                     const page = await browser.contexts()[0].newPage();

  or just            node $HERE/examples/playwright.mjs
                     node $HERE/examples/puppeteer.mjs

  logs               $(said "$LOG")
  end it             $([ -n "$DETACH" ] && echo "$HERE/quickstart --stop" || echo "Ctrl-C, or $HERE/quickstart --stop")

Ready in $((took / 10)).$((took % 10)) s: the platform runs at $PUBLIC_URL.
END
}
