/*
 * Eight bytes at a time: which of them a loop over a string must stop at. A mask has the high bit
 * of such a byte set; only its first one counts, those behind it may be wrong.
 */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EIGHT_EACH UINT64_C(0x0101010101010101)
#define EIGHT_HIGH (EIGHT_EACH << 7)

static inline uint64_t eight_load(const char *data)
{
	uint64_t eight;
	memcpy(&eight, data, sizeof(eight));
	return le64toh(eight);
}

static inline uint64_t eight_is(uint64_t eight, char c)
{
	uint64_t zero = eight ^ EIGHT_EACH * (unsigned char)c;
	return (zero - EIGHT_EACH) & ~zero & EIGHT_HIGH;
}

static inline uint64_t eight_is_control(uint64_t eight)
{
	return (eight - EIGHT_EACH * 0x20) & ~eight & EIGHT_HIGH;
}

static inline uint64_t eight_is_not_ascii(uint64_t eight)
{
	return eight & EIGHT_HIGH;
}

/* How many bytes stand before the first one of a mask. */
static inline size_t eight_before(uint64_t mask)
{
	return mask ? (size_t)__builtin_ctzll(mask) / 8 : 8;
}
