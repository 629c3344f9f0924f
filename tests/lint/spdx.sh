# SPDX-License-Identifier: Apache-2.0
# The licence is named at the top of every file that can carry a comment.
git ls-files | grep -vE '\.(json|sum|png|control|install|docs|md)$|^LICENSE$|^\.clang-format$|^\.gitignore$|^etc/ventus\.conf\.example$|^debian/(changelog|control|copyright|source/|watch)|/corpus/|/data/' |
	while read -r file; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
			echo "$file: no SPDX line at the top"
	done
