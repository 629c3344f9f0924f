# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The stages of ./check that build and test programs one by one.

FUZZ_SECONDS=10

as_root() {
	if [ "$EUID" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

stage_packages() {
	local missing
	mapfile -t missing < <("$TOP/build-aux/packages" --missing toolchain build run platform tls test)
	if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		mapfile -t -O "${#missing[@]}" missing < <("$TOP/build-aux/packages" --missing node)
	fi
	command -v go >/dev/null ||
		mapfile -t -O "${#missing[@]}" missing < <("$TOP/build-aux/packages" --missing go)
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "   installing ${missing[*]}"
	logged apt-update as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
		logged apt-install as_root env DEBIAN_FRONTEND=noninteractive \
		    apt-get -qy --no-install-recommends install "${missing[@]}"
}

prepared() {
	if [ ! -x "$TOP/configure" ] || [ "$TOP/configure.ac" -nt "$TOP/configure" ]; then
		logged autogen "$TOP/autogen.sh"
	fi
}

# configured DIR ARGUMENT... - a build directory, made anew when its arguments change.
configured() {
	local dir=$CHECK/$1
	shift
	prepared || return
	if [ "$(cat "$dir/arguments" 2>/dev/null)" = "$TOP $*" ] && [ -e "$dir/Makefile" ]; then
		return 0
	fi
	rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" && "$TOP/configure" -q --enable-werror "$@" &&
		printf '%s\n' "$TOP $*" >"$dir/arguments"
}

built() {
	local dir=$1
	shift
	(configured "$dir" "$@" && make -s -C "$CHECK/$dir" -j"$JOBS")
}

# tested DIR - make check there, counted from what the TAP driver wrote.
tested() {
	local dir=$CHECK/$1 rc=0
	find "$dir" -name '*.trs' -delete
	logged "check-$1" make -s -k -C "$dir" -j"$JOBS" check || rc=1
	trs_count "$dir"
	return $rc
}

trs_count() {
	local p f s
	read -r p f s < <(find "$1" -name '*.trs' -exec cat {} + | awk '
		/^:test-result: (PASS|XFAIL)/ { p++ }
		/^:test-result: (FAIL|XPASS|ERROR)/ { f++ }
		/^:test-result: SKIP/ { s++ }
		END { print p + 0, f + 0, s + 0 }')
	count "$p" "$f" "$s"
	find "$1" -name '*.trs' -exec grep -HE '^:test-result: (FAIL|XPASS|ERROR|SKIP)' {} + |
		sed "s|^$1/|   |; s|\.trs::test-result:||"
	[ $((p + f + s)) -gt 0 ] || { echo "   no test was run"; return 1; }
}

stage_build() {
	logged build-gcc built gcc && count 1 0 0
}

stage_unit() {
	logged build-gcc built gcc && tested gcc
}

stage_sanitize() {
	logged build-asan built asan --enable-sanitizers CFLAGS="-O1 -g" && tested asan
}

stage_clang() {
	logged build-clang built clang CC=clang-14 &&
		logged build-clang-tests make -s -k -C "$CHECK/clang" -j"$JOBS" check TESTS= && count 1 0 0
}

stage_lint() {
	local log=$LOG/lint.log rc=0
	(cd "$TOP" && tests/lint/run) >"$log" 2>&1 || rc=1
	grep -E '^(not ok|#|ok .*# SKIP)' "$log" | sed 's/^/   /'
	tap_count "$log"
	return $rc
}

# Plain TAP: one plan, no nesting.
tap_count() {
	count "$(grep -cE '^ok ' "$1")" "$(grep -cE '^not ok ' "$1")" 0
	local skipped
	skipped=$(grep -cE '^ok .*# SKIP' "$1")
	count "-$skipped" 0 "$skipped"
}

stage_fuzz() {
	local rc=0
	prepared && FUZZ_BUILD_DIR=$CHECK/fuzz logged fuzz "$TOP/tests/fuzz/run" $FUZZ_SECONDS || rc=1
	count "$(grep -c ' ok, ' "$LOG/fuzz.log")" "$(grep -c ' FAILED: ' "$LOG/fuzz.log")" 0
	return $rc
}

# The tarball is whole: it builds from a read-only tree, passes the unit tests, installs
# and uninstalls. The integration tests have run twice by now.
stage_dist() {
	# shellcheck disable=SC2016
	logged build-gcc built gcc &&
		logged distcheck make -s -C "$CHECK/gcc" -j"$JOBS" distcheck \
		    TESTS='$(filter tests/unit/%,$(unit_tests))' && count 1 0 0
}
