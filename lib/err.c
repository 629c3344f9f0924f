/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <errno.h>
#include <stddef.h>

const char *
vs_err_text(int err)
{
	switch (err) {
	case VS_OK:
		return "success";
#define ERR(name, value, text) \
	case name: \
		return text;
#include "lib/err.def"
#undef ERR
	}
	return "unknown error";
}

static const struct {
	int errnum, err;
} errno_map[] = {
	{ EAGAIN, VS_EAGAIN },
	{ EINVAL, VS_EINVAL },
	{ ENOENT, VS_ENOENT },
	{ EEXIST, VS_EEXIST },
	{ ENOMEM, VS_ENOMEM },
	{ ENFILE, VS_EFULL },
	{ EMFILE, VS_EFULL },
	{ ENOSPC, VS_EFULL },
	{ ETIMEDOUT, VS_ETIMEDOUT },
	{ EPERM, VS_EPERM },
	{ EACCES, VS_EPERM },
	{ EPIPE, VS_ECLOSED },
	{ ECONNRESET, VS_ECLOSED },
	{ ECONNREFUSED, VS_ECLOSED },
};

int
vs_err_from_errno(int errnum)
{
	for (size_t i = 0; i < sizeof(errno_map) / sizeof(errno_map[0]); i++) {
		if (errno_map[i].errnum == errnum)
			return errno_map[i].err;
	}
	return VS_EIO;
}
