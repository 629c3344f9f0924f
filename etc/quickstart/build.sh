# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# From source to $VAR/root, out of tree, and only when something changed.

# Is any source newer than the last installation?
build_needed() {
	local stamp=$VAR/build/installed
	[ -e "$stamp" ] && [ "$(cat "$stamp")" = "$PREFIX" ] || return 0
	[ -n "$(find "$TOP" \( -path "$TOP/var" -o -path "$VAR" -o -name .git -o -name node_modules \
	    -o -name autom4te.cache \) -prune -o -type f -newer "$stamp" -print -quit)" ]
}

build_commands() {
	if [ ! -e "$TOP/configure" ] || [ "$TOP/configure.ac" -nt "$TOP/configure" ]; then
		"$TOP/autogen.sh" || return
	fi
	mkdir -p "$VAR/build" && cd "$VAR/build" || return
	if [ ! -e Makefile ] || ! grep -qxF "prefix = $PREFIX" Makefile; then
		"$TOP/configure" -q --prefix="$PREFIX" --disable-werror CFLAGS="-O2 -g" || return
	fi
	make -s -j"$(nproc)" && make -s install
}

build_install() {
	if ! build_needed; then
		NOTE="up to date"
		return
	fi
	logged build build_commands
	printf '%s\n' "$PREFIX" >"$VAR/build/installed"
	NOTE=$(said "$PREFIX")
}

# Can this machine run a session? The agent says why not in one sentence.
sandbox_check() {
	local why
	if ! why=$("$PREFIX/libexec/ventus-sessions/ventus-agent" --self-test 2>&1); then
		fail "this machine cannot run a session: $why"
	fi
	NOTE="Chrome's own sandbox works"
}
