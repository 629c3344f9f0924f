/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is refused with faults in plain text, or read; what was read, printed and read
 * again gives the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/err.h"

#define CAP (8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No byte of the file that could trouble a terminal or start a line of its own. */
static void
check_faults(const struct vs_buf *faults)
{
	const uint8_t *text = vs_buf_data(faults);
	size_t len = vs_buf_len(faults);

	assert(len > 0 && text[len - 1] == '\n');
	for (size_t i = 0; i < len; i++) {
		assert(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
		assert(i > 0 && text[i - 1] == '\n' ? memcmp(text + i, "f:", 2) == 0 : 1);
	}
}

static void
check_round_trip(struct vs_conf *conf, struct vs_buf *faults)
{
	struct vs_conf *again = NULL;
	struct vs_buf first, second;

	vs_buf_init(&first, CAP);
	vs_buf_init(&second, CAP);
	assert(vs_conf_print(conf, &first) == 0);
	assert(vs_conf_parse("f", vs_buf_str(&first), vs_buf_len(&first), faults, &again) == 0);
	assert(vs_conf_print(again, &second) == 0);
	assert(strcmp(vs_buf_str(&first), vs_buf_str(&second)) == 0);
	vs_conf_free(again);
	vs_buf_fini(&first);
	vs_buf_fini(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vs_conf *conf = NULL;
	struct vs_buf faults;
	int rc;

	vs_buf_init(&faults, CAP);
	rc = vs_conf_parse("f", (const char *)data, size, &faults, &conf);
	if (rc == 0) {
		assert(vs_buf_len(&faults) == 0);
		check_round_trip(conf, &faults);
	} else {
		assert(rc == VS_ECONF && conf == NULL);
		check_faults(&faults);
	}
	vs_conf_free(conf);
	vs_buf_fini(&faults);
	return 0;
}
