/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/keyset.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/err.h"

static uint64_t
rotate(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein), folded to 32 bits. */
static uint32_t
sip_hash(const uint64_t secret[2], const uint8_t *bytes, size_t len)
{
	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
		secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573 };
	uint64_t word;

	for (size_t at = 0; at <= len; at += 8) {
		if (len - at >= 8) {
			memcpy(&word, bytes + at, 8);
		} else {
			word = (uint64_t)len << 56;
			for (size_t i = 0; i < len - at; i++)
				word |= (uint64_t)bytes[at + i] << (8 * i);
		}
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	word = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(word ^ word >> 32);
}

/* One secret for the life of the process: nothing that is hashed outlives a scan. */
static const uint64_t *
process_secret(void)
{
	static uint64_t secret[2];

	/* Fails only before the kernel's first seeding; then the next call tries again. */
	if (secret[0] == 0 && getrandom(secret, sizeof(secret), GRND_NONBLOCK) < 0)
		secret[0] = 0;
	return secret;
}

void
vs_keyset_init(struct vs_keyset *set)
{
	set->keys = set->inline_keys;
	set->slots = set->inline_slots;
	set->count = 0;
	set->room = VS_KEYSET_INLINE;
	memset(set->inline_slots, 0, sizeof(set->inline_slots));
}

void
vs_keyset_fini(struct vs_keyset *set)
{
	if (set->keys != set->inline_keys)
		free(set->keys);
	if (set->slots != set->inline_slots)
		free(set->slots);
}

/* The slot that holds an equal key, or the free one where it belongs. */
static uint32_t *
find_slot(const struct vs_keyset *set, const struct vs_key *key)
{
	uint32_t last = 2 * set->room - 1;
	uint32_t at = (key->hash + key->owner * 0x9e3779b9u) & last;

	for (; set->slots[at] != 0; at = (at + 1) & last) {
		const struct vs_key *other = &set->keys[set->slots[at] - 1];

		if (other->hash == key->hash && other->owner == key->owner &&
		    other->len == key->len && memcmp(other->name, key->name, key->len) == 0)
			break;
	}
	return &set->slots[at];
}

static int
grow(struct vs_keyset *set)
{
	struct vs_keyset grown = { .count = set->count, .room = 2 * set->room };

	if (grown.room > UINT32_MAX / 4)
		return VS_ENOMEM;
	grown.keys = reallocarray(NULL, grown.room, sizeof(*grown.keys));
	grown.slots = calloc(2 * (size_t)grown.room, sizeof(*grown.slots));
	if (grown.keys == NULL || grown.slots == NULL) {
		free(grown.keys);
		free(grown.slots);
		return VS_ENOMEM;
	}
	memcpy(grown.keys, set->keys, set->count * sizeof(*set->keys));
	for (uint32_t i = 0; i < grown.count; i++)
		*find_slot(&grown, &grown.keys[i]) = i + 1;
	vs_keyset_fini(set);
	set->keys = grown.keys;
	set->slots = grown.slots;
	set->room = grown.room;
	return 0;
}

int
vs_keyset_add(struct vs_keyset *set, uint32_t owner, const uint8_t *name, size_t len)
{
	struct vs_key key = { .name = name, .len = (uint32_t)len, .owner = owner };
	uint32_t *slot;
	int rc;

	key.hash = sip_hash(process_secret(), name, len);
	slot = find_slot(set, &key);
	if (*slot != 0)
		return VS_EEXIST;
	if (set->count == set->room) {
		rc = grow(set);
		if (rc < 0)
			return rc;
		slot = find_slot(set, &key);
	}
	set->keys[set->count] = key;
	*slot = ++set->count;
	return 0;
}

/* Last in, first out: no key that stays was ever pushed aside by one that goes. */
void
vs_keyset_close(struct vs_keyset *set, uint32_t owner)
{
	while (set->count > 0 && set->keys[set->count - 1].owner == owner) {
		*find_slot(set, &set->keys[set->count - 1]) = 0;
		set->count--;
	}
}
