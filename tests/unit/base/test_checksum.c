/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

/** RFC 3720, appendix B.4, and the usual check value. */
static void test_known_values(void **state)
{
	uint8_t zeros[32] = {0};
	uint8_t ones[32];
	uint8_t rising[32];

	memset(ones, 0xff, sizeof(ones));
	for (size_t i = 0; i < sizeof(rising); i++)
		rising[i] = (uint8_t)i;
	assert_int_equal(checksum_add(0, "", 0), 0);
	assert_int_equal(checksum_add(0, "123456789", 9), 0xe3069283);
	assert_int_equal(checksum_add(0, zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(checksum_add(0, ones, sizeof(ones)), 0x62a8ab43);
	assert_int_equal(checksum_add(0, rising, sizeof(rising)), 0x46dd794e);
}

/** Bytes of every length and alignment, by both ways. */
static void test_both_ways(void **state)
{
	uint8_t data[64];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i + 11);
	assert_int_equal(checksum_add_portable(0, "123456789", 9), 0xe3069283);
	for (size_t start = 0; start < 9; start++) {
		for (size_t len = 0; start + len <= sizeof(data); len++)
			assert_int_equal(checksum_add(5, data + start, len),
					 checksum_add_portable(5, data + start, len));
	}
}

/** However the bytes are cut, and wherever they lie. */
static void test_pieces(void **state)
{
	uint8_t data[100];
	uint32_t whole;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	whole = checksum_add(0, data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		uint32_t crc = checksum_add(0, data, cut);

		assert_int_equal(checksum_add(crc, data + cut, sizeof(data) - cut), whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_values),
	    cmocka_unit_test(test_both_ways),
	    cmocka_unit_test(test_pieces),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
