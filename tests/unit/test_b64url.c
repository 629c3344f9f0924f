/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/b64url.h"
#include "lib/err.h"

static const struct {
	const char *bytes, *text;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg" },
	{ "fo", "Zm8" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg" },
	{ "fooba", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xfe", "-__-" },
};

static void
b64url_encode__gives_the_vectors_of_the_rfc(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(vectors); i++) {
		vs_b64url_encode((const uint8_t *)vectors[i].bytes, strlen(vectors[i].bytes), text);
		assert_string_equal(text, vectors[i].text);
		assert_int_equal(strlen(text) + 1, VS_B64URL_SIZE(strlen(vectors[i].bytes)));
	}
}

static void
b64url_decode__takes_back_what_encode_gave(void **state)
{
	uint8_t bytes[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(vectors); i++) {
		assert_int_equal(vs_b64url_decode(vectors[i].text, strlen(vectors[i].text), bytes,
				     sizeof(bytes), &len),
		    0);
		assert_int_equal(len, strlen(vectors[i].bytes));
		assert_memory_equal(bytes, vectors[i].bytes, len);
	}
}

static void
b64url_decode__refuses_every_second_spelling(void **state)
{
	static const char *const wrong[] = { "Z", "Zg=", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v",
		"Zm9 v", "Zm9v\n", "Zm9vY", "Z\xc3\xa9g" };
	uint8_t bytes[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(wrong); i++) {
		if (vs_b64url_decode(wrong[i], strlen(wrong[i]), bytes, sizeof(bytes), &len) !=
		    VS_EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
	}
}

static void
b64url_decode__never_writes_past_the_room(void **state)
{
	uint8_t bytes[3] = { 0, 0, 0x5a };
	size_t len;

	(void)state;
	assert_int_equal(vs_b64url_decode("Zm9v", 4, bytes, 2, &len), VS_EFULL);
	assert_int_equal(bytes[2], 0x5a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(b64url_encode__gives_the_vectors_of_the_rfc),
		cmocka_unit_test(b64url_decode__takes_back_what_encode_gave),
		cmocka_unit_test(b64url_decode__refuses_every_second_spelling),
		cmocka_unit_test(b64url_decode__never_writes_past_the_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
