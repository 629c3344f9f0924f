# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The stage of ./check that drives the platform with clients of many kinds.

CLIENTS=$CHECK/clients

# clients_python NAME - a virtual environment with tests/clients/requirements-NAME.txt.
clients_python() {
	local dir=$CLIENTS/$1 want=$TOP/tests/clients/requirements-$1.txt
	! cmp -s "$want" "$dir/installed" || return 0
	rm -rf "$dir"
	if logged "venv-$1" /usr/bin/python3 -m venv "$dir" &&
	    logged "pip-$1" "$dir/bin/pip" install --quiet --disable-pip-version-check -r "$want"; then
		cp "$want" "$dir/installed"
	else
		rm -rf "$dir"
		return 1
	fi
}

# chromedp is pinned to a version that Debian's Go builds.
clients_go() {
	rm -f "$CLIENTS/chromedp"
	(cd "$TOP/tests/clients/chromedp" &&
		GOTOOLCHAIN=local logged go-chromedp go build -o "$CLIENTS/chromedp" .)
}

# A client that cannot be had is skipped; why is said here and in the log.
clients_install() {
	mkdir -p "$CLIENTS"
	node_modules e2e && node_modules clients || return
	clients_python playwright || echo "   no Playwright for Python"
	clients_python pyppeteer || echo "   no pyppeteer"
	clients_go || echo "   no chromedp"
	return 0
}

stage_clients() {
	local rc=0
	clients_install || return
	system_start --tls "$(free_port)" || return
	export VENTUS_CLIENTS=$CLIENTS NODE_EXTRA_CA_CERTS=$SYSTEM_VAR/etc/tls/cert.pem
	node_tests clients clients closes tokens discovery || rc=1
	unset VENTUS_CLIENTS NODE_EXTRA_CA_CERTS
	system_stop || rc=1
	return $rc
}
