/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/runtime.h"

#include <string.h>

#include "lib/runtime/local.h"

const struct vs_runtime_ops *
vs_runtime_ops_find(const char *name)
{
	static const struct vs_runtime_ops *const all[] = { &local_ops };

	for (size_t i = 0; i < VS_COUNTOF(all); i++) {
		if (strcmp(name, all[i]->name) == 0)
			return all[i];
	}
	return NULL;
}
