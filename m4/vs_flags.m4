# SPDX-License-Identifier: Apache-2.0
# Compiler flags, in variables of our own: CFLAGS belongs to the person who builds.

AC_DEFUN([VS_WARNINGS], [
	VS_CFLAGS="-Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes"
	VS_CFLAGS="$VS_CFLAGS -Wold-style-definition -Wwrite-strings -Wpointer-arith -Wcast-qual"
	VS_CFLAGS="$VS_CFLAGS -Wformat=2 -Wvla -Wundef -fno-common -fno-strict-aliasing"
	AS_IF([test "x$enable_werror" = xyes], [VS_CFLAGS="$VS_CFLAGS -Werror"])
	AC_SUBST([VS_CFLAGS])
])

AC_DEFUN([VS_SANITIZERS], [
	VS_LDFLAGS=""
	AS_IF([test "x$enable_fuzzing" = xyes], [
		VS_CFLAGS="$VS_CFLAGS -g -fsanitize=fuzzer-no-link,address,undefined"
		VS_CFLAGS="$VS_CFLAGS -fno-sanitize-recover=undefined"
		VS_LDFLAGS="-fsanitize=address,undefined"
	], [test "x$enable_sanitizers" = xyes], [
		VS_CFLAGS="$VS_CFLAGS -g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
		VS_CFLAGS="$VS_CFLAGS -fno-omit-frame-pointer"
		VS_LDFLAGS="-fsanitize=address,undefined"
	])
	AC_SUBST([VS_LDFLAGS])
])
