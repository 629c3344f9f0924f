# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What Debian and npm have to bring.

RC_POLICY=/usr/sbin/policy-rc.d

# Packages bring services of their own (a lighttpd on port 80, a PostgreSQL cluster).
# They are installed, not started, and what is new stays off.
apt_install() {
	local made='' package
	if [ ! -e "$RC_POLICY" ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$RC_POLICY" >/dev/null
		as_root chmod 0755 "$RC_POLICY"
		made=yes
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update || return
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install "$@" || {
		[ -z "$made" ] || as_root rm -f "$RC_POLICY"
		return 1
	}
	[ -z "$made" ] || as_root rm -f "$RC_POLICY"
	[ -d /run/systemd/system ] || return 0
	for package in "$@"; do
		case $package in
		lighttpd) as_root systemctl --quiet disable lighttpd.service ;;
		postgresql-15) as_root systemctl --quiet disable postgresql.service ;;
		esac
	done
}

packages_install() {
	local missing
	mapfile -t missing < <("$TOP/build-aux/packages" --missing toolchain build run platform ${TLS_PORT:+tls})
	if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		mapfile -t -O "${#missing[@]}" missing < <("$TOP/build-aux/packages" --missing node)
	fi
	if [ ${#missing[@]} -eq 0 ]; then
		NOTE="all there"
		return
	fi
	if [ "$EUID" != 0 ]; then
		command -v sudo >/dev/null ||
			fail "these packages are missing and there is no sudo to install them: ${missing[*]}"
		sudo true || fail "sudo refused; these packages are missing: ${missing[*]}"
	fi
	logged apt apt_install "${missing[@]}"
	NOTE="${#missing[@]} installed"
}

# The examples' libraries. The platform does not need them.
examples_install() {
	local dir=$TOP/examples
	if [ -e "$dir/node_modules/.package-lock.json" ] &&
	    [ "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ]; then
		NOTE="all there"
	elif (cd "$dir" && npm ci --no-audit --no-fund) >"$LOG/npm.log" 2>&1 9>&- </dev/null; then
		touch "$dir/node_modules/.package-lock.json"
		NOTE="playwright-core, puppeteer-core"
	else
		NOTE="npm failed (see $(said "$LOG/npm.log")): examples/*.mjs will not run"
	fi
}
