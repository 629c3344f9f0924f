# SPDX-License-Identifier: Apache-2.0
# .c files are as the pinned clang-format writes them. Headers are aligned by hand.
command -v clang-format-14 >/dev/null || { echo "clang-format-14 is missing"; exit 77; }
git ls-files -z '*.c' | xargs -0 -r clang-format-14 --dry-run -Werror 2>&1 |
	grep 'code should be clang-formatted' | cut -d: -f1 | sort | uniq -c |
	awk '{ print $2 ": " $1 " places differ from clang-format-14" }'
