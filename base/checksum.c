/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdbool.h>
#include <string.h>

/** The polynomial, its bits reversed. */
#define POLYNOMIAL 0x82f63b78U
/** Bytes taken at once. */
#define SLICES 8

static uint32_t tables[SLICES][256];
static bool tables_made;

static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
		tables[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int slice = 1; slice < SLICES; slice++)
			tables[slice][i] =
			    tables[slice - 1][i] >> 8 ^ tables[0][tables[slice - 1][i] & 0xff];
	}
	tables_made = true;
}

static uint64_t load_le(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

static uint32_t add_by_tables(uint32_t crc, const uint8_t *next, size_t len)
{
	if (!tables_made)
		make_tables();
	for (; len >= SLICES; len -= SLICES, next += SLICES) {
		uint64_t word = load_le(next) ^ crc;

		crc = 0;
		for (int slice = 0; slice < SLICES; slice++)
			crc ^= tables[SLICES - 1 - slice][word >> (8 * slice) & 0xff];
	}
	while (len-- > 0)
		crc = crc >> 8 ^ tables[0][(crc ^ *next++) & 0xff];
	return crc;
}

#if defined(__x86_64__)
#define HAVE_INSTRUCTION 1

/**
 * Asked once, and not before there is something to sum: virtual machines trap the question, which takes tens of
 * microseconds, and the compiler's __builtin_cpu_supports() would put several at the start of every program.
 */
static bool has_instruction(void)
{
	static enum { UNKNOWN, NO, YES } known;
	unsigned int eax, ebx, ecx = 0, edx;

	if (known == UNKNOWN)
		known = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_SSE4_2) ? YES : NO;
	return known == YES;
}

__attribute__((target("sse4.2"))) static uint32_t
add_by_instruction(uint32_t crc, const uint8_t *next, size_t len)
{
	uint64_t wide = crc;

	for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), next += sizeof(uint64_t))
		wide = __builtin_ia32_crc32di(wide, load_le(next));
	crc = (uint32_t)wide;
	while (len-- > 0)
		crc = __builtin_ia32_crc32qi(crc, *next++);
	return crc;
}
#endif

uint32_t checksum_add_portable(uint32_t crc, const void *data, size_t len)
{
	return ~add_by_tables(~crc, data, len);
}

uint32_t checksum_add(uint32_t crc, const void *data, size_t len)
{
#ifdef HAVE_INSTRUCTION
	if (has_instruction())
		return ~add_by_instruction(~crc, data, len);
#endif
	return checksum_add_portable(crc, data, len);
}
