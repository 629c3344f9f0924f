/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/keyring.h"
#include "tests/support/tmpdir.h"

struct fixture {
	char dir[TMPDIR_SIZE];
	struct vs_buf fault;
	struct vs_keyring *ring;
};

static void
path_of(const struct fixture *fx, const char *name, char ret_path[128])
{
	(void)snprintf(ret_path, 128, "%s/%s", fx->dir, name);
}

static void
put_file(const struct fixture *fx, const char *name, uint8_t fill, size_t len, mode_t mode)
{
	uint8_t bytes[64];
	char path[128];
	int fd;

	memset(bytes, fill, sizeof(bytes));
	path_of(fx, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void
drop_file(const struct fixture *fx, const char *name)
{
	char path[128];

	path_of(fx, name, path);
	assert_int_equal(unlink(path), 0);
}

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	tmpdir_new(fx->dir);
	vs_buf_init(&fx->fault, 1024);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_keyring_free(fx->ring);
	vs_buf_fini(&fx->fault);
	tmpdir_remove(fx->dir);
	free(fx);
	return 0;
}

static void
expect_fault(struct fixture *fx, const char *words)
{
	vs_buf_clear(&fx->fault);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), VS_ECONF);
	if (strstr(vs_buf_str(&fx->fault), words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", vs_buf_str(&fx->fault), words);
	assert_null(fx->ring);
}

static void
keyring_load__takes_every_key_and_signs_with_the_greatest(void **state)
{
	struct fixture *fx = *state;

	put_file(fx, "20261201b.key", 2, 32, 0640);
	put_file(fx, "20261201a.key", 1, 32, 0600);
	put_file(fx, "20260101z.key", 3, 32, 0400);
	put_file(fx, "README", 3, 5, 0666);
	put_file(fx, "not a kid.key", 3, 5, 0666);
	put_file(fx, ".hidden.key", 3, 5, 0666);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), 0);
	assert_string_equal(vs_keyring_current(fx->ring), "20261201b");
	assert_non_null(vs_keyring_find(fx->ring, "20261201a", VS_KEY_TOKEN));
	assert_non_null(vs_keyring_find(fx->ring, "20260101z", VS_KEY_SEAL));
}

static void
keyring_load__refuses_what_is_no_private_key_file(void **state)
{
	static const struct {
		size_t len;
		mode_t mode;
		const char *words;
	} rows[] = {
		{ 32, 0644, "0640 or stricter" },
		{ 32, 0604, "0640 or stricter" },
		{ 32, 0602, "0640 or stricter" },
		{ 32, 0660, "0640 or stricter" },
		{ 31, 0600, "exactly 32 bytes" },
		{ 33, 0600, "exactly 32 bytes" },
		{ 0, 0600, "exactly 32 bytes" },
	};
	struct fixture *fx = *state;

	put_file(fx, "good.key", 1, 32, 0600);
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		put_file(fx, "bad.key", 1, rows[i].len, rows[i].mode);
		expect_fault(fx, rows[i].words);
		drop_file(fx, "bad.key");
	}
}

static void
keyring_load__refuses_directories_and_dangling_links(void **state)
{
	struct fixture *fx = *state;
	char path[128];

	expect_fault(fx, "ventusctl keys new");
	path_of(fx, "dir.key", path);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_fault(fx, "not a regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_fault(fx, "not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	expect_fault(fx, "No such file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(vs_keyring_load("/nonexistent/keys", &fx->fault, &fx->ring), VS_ECONF);
}

static void
keyring_load__follows_links_of_a_mounted_secret(void **state)
{
	struct fixture *fx = *state;
	char path[128];

	put_file(fx, "..data", 1, 32, 0440);
	path_of(fx, "a.key", path);
	assert_int_equal(symlink("..data", path), 0);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), 0);
	assert_string_equal(vs_keyring_current(fx->ring), "a");
}

static void
keyring_find__never_gives_one_key_for_two_purposes(void **state)
{
	struct fixture *fx = *state;
	const uint8_t *keys[8];
	size_t n = 0;

	put_file(fx, "a.key", 1, 32, 0600);
	put_file(fx, "b.key", 2, 32, 0600);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), 0);
	for (int purpose = VS_KEY_TOKEN; purpose <= VS_KEY_CURSOR; purpose++) {
		keys[n++] = vs_keyring_find(fx->ring, "a", (enum vs_key_purpose)purpose);
		keys[n++] = vs_keyring_find(fx->ring, "b", (enum vs_key_purpose)purpose);
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++)
			assert_memory_not_equal(keys[i], keys[k], VS_KEY_BYTES);
	}
}

/* HKDF-SHA256 without salt, key 32 x 0x01, info "ventus token v1": by openssl kdf. */
static void
keyring_find__derives_what_openssl_derives(void **state)
{
	static const uint8_t want[VS_KEY_BYTES] = { 0x9C, 0x74, 0x1C, 0x4C, 0x58, 0xAD, 0x54, 0xC7,
		0x47, 0x86, 0xAE, 0x6D, 0x4E, 0x9A, 0x1B, 0x1F, 0x10, 0xCA, 0xA6, 0x71, 0xBE, 0xF7,
		0x98, 0x4C, 0x2D, 0xD8, 0x80, 0x22, 0x4F, 0x1B, 0x7F, 0x50 };
	struct fixture *fx = *state;

	put_file(fx, "a.key", 1, 32, 0600);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), 0);
	assert_memory_equal(vs_keyring_find(fx->ring, "a", VS_KEY_TOKEN), want, sizeof(want));
}

static void
keyring_find__takes_only_names_that_were_listed(void **state)
{
	static const char *const foreign[] = { "", "b", "A", "a.key", "./a", "../a", "/etc/passwd",
		"a\n" };
	struct fixture *fx = *state;

	put_file(fx, "a.key", 1, 32, 0600);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), 0);
	for (size_t i = 0; i < VS_COUNTOF(foreign); i++)
		assert_null(vs_keyring_find(fx->ring, foreign[i], VS_KEY_TOKEN));
}

static void
keyring_runtime_secret__differs_by_key_and_runtime(void **state)
{
	struct fixture *fx = *state;
	char one[VS_RUNTIME_SECRET_SIZE], two[VS_RUNTIME_SECRET_SIZE],
	    again[VS_RUNTIME_SECRET_SIZE];

	put_file(fx, "a.key", 1, 32, 0600);
	put_file(fx, "b.key", 2, 32, 0600);
	assert_int_equal(vs_keyring_load(fx->dir, &fx->fault, &fx->ring), 0);
	assert_int_equal(vs_keyring_runtime_secret(fx->ring, "a", "R1", one), 0);
	assert_int_equal(vs_keyring_runtime_secret(fx->ring, "a", "R1", again), 0);
	assert_int_equal(strspn(one, "0123456789abcdef"), 64);
	assert_string_equal(one, again);
	assert_int_equal(vs_keyring_runtime_secret(fx->ring, "a", "R2", two), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(vs_keyring_runtime_secret(fx->ring, "b", "R1", two), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(vs_keyring_runtime_secret(fx->ring, "c", "R1", two), VS_ENOENT);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(keyring_load__takes_every_key_and_signs_with_the_greatest),
		TEST(keyring_load__refuses_what_is_no_private_key_file),
		TEST(keyring_load__refuses_directories_and_dangling_links),
		TEST(keyring_load__follows_links_of_a_mounted_secret),
		TEST(keyring_find__never_gives_one_key_for_two_purposes),
		TEST(keyring_find__derives_what_openssl_derives),
		TEST(keyring_find__takes_only_names_that_were_listed),
		TEST(keyring_runtime_secret__differs_by_key_and_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
