/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define MAX_KEYS   64
#define KEY_SUFFIX ".key"

static const char *const purpose_info[] = {
	[VS_KEY_TOKEN] = "ventus token v1",
	[VS_KEY_SEAL] = "ventus seal v1",
	[VS_KEY_RUNTIME] = "ventus runtime v1",
	[VS_KEY_CURSOR] = "ventus cursor v1",
};
#define PURPOSES VS_COUNTOF(purpose_info)

struct key {
	char kid[VS_KID_MAX + 1];
	uint8_t derived[PURPOSES][VS_KEY_BYTES];
};

struct vs_keyring {
	size_t count;
	struct key key[MAX_KEYS]; /* by kid, greatest last */
};

VS_DEFINE_AUTO(cleanup_dir, DIR *, (void)closedir)
VS_DEFINE_AUTO(cleanup_kdf, EVP_KDF *, EVP_KDF_free)
VS_DEFINE_AUTO(cleanup_kdf_ctx, EVP_KDF_CTX *, EVP_KDF_CTX_free)

static int
fault_say(struct vs_buf *fault, const char *dir, const char *name, const char *what)
{
	int rc = vs_buf_printf(fault, "%s%s%s: %s", dir, name[0] != '\0' ? "/" : "", name, what);

	return rc < 0 ? rc : VS_ECONF;
}

/* <kid>.key -> kid. False: another file, none of ours. */
static bool
kid_from_name(const char *name, char ret_kid[VS_KID_MAX + 1])
{
	size_t len =
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	if (len == 0 || len > VS_KID_MAX || strcmp(name + len, KEY_SUFFIX) != 0)
		return false;
	memcpy(ret_kid, name, len);
	ret_kid[len] = '\0';
	return true;
}

/* What is wrong with this file as a key; NULL: nothing. */
static const char *
key_file_fault(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if ((st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return "its mode must be 0640 or stricter";
	if (st.st_size != VS_KEY_BYTES)
		return "a key file holds exactly 32 bytes";
	return NULL;
}

static int
derive(EVP_KDF *kdf, const uint8_t master[VS_KEY_BYTES], const char *info,
    uint8_t ret_key[VS_KEY_BYTES])
{
	vs_auto(cleanup_kdf_ctx) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)master, VS_KEY_BYTES),
		OSSL_PARAM_construct_octet_string("info", (void *)(uintptr_t)info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL)
		return VS_ENOMEM;
	return EVP_KDF_derive(ctx, ret_key, VS_KEY_BYTES, params) == 1 ? 0 : VS_EIO;
}

static int
key_derive_all(struct key *key, const uint8_t master[VS_KEY_BYTES])
{
	vs_auto(cleanup_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	int rc = kdf != NULL ? 0 : VS_EIO;

	for (size_t i = 0; rc == 0 && i < PURPOSES; i++)
		rc = derive(kdf, master, purpose_info[i], key->derived[i]);
	return rc;
}

/* Symlinks are followed: a mounted Kubernetes secret consists of them. */
static int
key_read(int dirfd, const char *dir, const char *name, struct key *key, struct vs_buf *fault)
{
	vs_autofd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint8_t master[VS_KEY_BYTES];
	const char *what;
	int rc;

	if (fd < 0)
		return fault_say(fault, dir, name, strerror(errno));
	what = key_file_fault(fd);
	if (what == NULL && read(fd, master, sizeof(master)) != (ssize_t)sizeof(master))
		what = "cannot be read whole";
	if (what != NULL)
		return fault_say(fault, dir, name, what);
	rc = key_derive_all(key, master);
	OPENSSL_cleanse(master, sizeof(master));
	return rc;
}

static int
ring_add(
    struct vs_keyring *ring, DIR *handle, const char *dir, const char *name, struct vs_buf *fault)
{
	struct key key = { .kid = "" };
	size_t at = ring->count;
	int rc;

	if (!kid_from_name(name, key.kid))
		return 0;
	if (ring->count == MAX_KEYS)
		return fault_say(fault, dir, "", "more than 64 keys");
	rc = key_read(dirfd(handle), dir, name, &key, fault);
	if (rc == 0) {
		for (; at > 0 && strcmp(ring->key[at - 1].kid, key.kid) > 0; at--)
			ring->key[at] = ring->key[at - 1];
		ring->key[at] = key;
		ring->count++;
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return rc;
}

static int
ring_read(struct vs_keyring *ring, const char *dir, struct vs_buf *fault)
{
	vs_auto(cleanup_dir) DIR *handle = opendir(dir);
	const struct dirent *entry;
	int rc = 0;

	if (handle == NULL)
		return fault_say(fault, dir, "", strerror(errno));
	while (rc == 0 && (errno = 0, entry = readdir(handle)) != NULL)
		rc = ring_add(ring, handle, dir, entry->d_name, fault);
	if (rc == 0 && errno != 0)
		rc = VS_EIO;
	if (rc == 0 && ring->count == 0)
		rc = fault_say(
		    fault, dir, "", "holds no <kid>.key file; ventusctl keys new makes one");
	return rc;
}

int
vs_keyring_load(const char *dir, struct vs_buf *fault, struct vs_keyring **ret_ring)
{
	struct vs_keyring *ring = calloc(1, sizeof(*ring));
	int rc;

	if (ring == NULL)
		return VS_ENOMEM;
	rc = ring_read(ring, dir, fault);
	if (rc < 0) {
		vs_keyring_free(ring);
		return rc;
	}
	*ret_ring = ring;
	return 0;
}

void
vs_keyring_free(struct vs_keyring *ring)
{
	if (ring == NULL)
		return;
	OPENSSL_cleanse(ring, sizeof(*ring));
	free(ring);
}

const char *
vs_keyring_current(const struct vs_keyring *ring)
{
	return ring->key[ring->count - 1].kid;
}

const uint8_t *
vs_keyring_find(const struct vs_keyring *ring, const char *kid, enum vs_key_purpose purpose)
{
	for (size_t i = 0; i < ring->count; i++) {
		if (strcmp(ring->key[i].kid, kid) == 0)
			return ring->key[i].derived[purpose];
	}
	return NULL;
}

int
vs_keyring_runtime_secret(const struct vs_keyring *ring, const char *kid, const char *runtime_id,
    char ret_secret[VS_RUNTIME_SECRET_SIZE])
{
	const uint8_t *key = vs_keyring_find(ring, kid, VS_KEY_RUNTIME);
	uint8_t mac[VS_KEY_BYTES];
	unsigned int len = 0;

	if (key == NULL)
		return VS_ENOENT;
	if (HMAC(EVP_sha256(), key, VS_KEY_BYTES, (const unsigned char *)runtime_id,
		strlen(runtime_id), mac, &len) == NULL ||
	    len != sizeof(mac))
		return VS_EIO;
	for (size_t i = 0; i < sizeof(mac); i++)
		(void)snprintf(ret_secret + 2 * i, 3, "%02x", mac[i]);
	OPENSSL_cleanse(mac, sizeof(mac));
	return 0;
}
