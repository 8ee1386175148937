/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/stats_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/group_arena.h"

static void assert_row(const struct stats_row *row, const char *const want[STATS_COLUMNS],
		       const char *want_json)
{
	const char *cells[STATS_COLUMNS], *json;
	struct json_writer writer;
	size_t len;

	assert_int_equal(stats_row_cells(row, &arena, cells), 0);
	for (size_t i = 0; i < STATS_COLUMNS; i++)
		assert_string_equal(cells[i], want[i]);
	json_writer_init(&writer, NULL);
	stats_row_json(row, &writer);
	assert_int_equal(json_writer_finish(&writer, &arena, &json, &len, NULL), 0);
	assert_string_equal(json, want_json);
}

static void test_everything(void **state)
{
	static const char *const want[] = {
	    "web",    "150.00",        "50.0MiB / 200MiB", "25.00",
	    "3 / 20", "3.00KiB / 10B", "2.00GiB / 512B",   "12.34 0.00 1.00",
	};
	/* clang-format off */
	struct oci_interface_stats interfaces[] = {
		{ .name = "eth0", .rx_bytes = 1024, .tx_bytes = 4 },
		{ .name = "eth1", .rx_bytes = 2048, .tx_bytes = 6 },
	};
	struct oci_io_entry io[] = {
		{ 8, 0, "Read", 1U << 30 },
		{ 8, 0, "Write", 500 },
		{ 8, 16, "Write", 12 },
		{ 8, 16, "Read", 1U << 30 },
	};
	struct oci_pressure cpu = {.some.avg10 = 1234};
	struct oci_pressure memory = {.full.avg10 = 9};
	struct oci_pressure disk = {.some.avg10 = 100};
	const struct oci_stats stats = {
	    .cpu = {.usage = {.total = 5000000000}, .pressure = &cpu},
	    .memory = {.usage = {.usage = 50 << 20, .limit = 200 << 20}, .pressure = &memory},
	    .pids = {3, 20},
	    .io = {.bytes = io, .n_bytes = 4, .pressure = &disk},
	    .interfaces = interfaces,
	    .n_interfaces = 2,
	};
	/* clang-format on */
	const struct stats_row before = {.cpu_time = 2000000000};
	struct stats_row row = stats_row_make("web", &stats, &before, 2000000000);

	assert_row(&row, want,
		   "{\"id\":\"web\",\"cpu_time_ns\":5000000000,\"cpu_percent\":150,"
		   "\"memory_bytes\":52428800,\"memory_limit_bytes\":209715200,"
		   "\"memory_percent\":25,\"pids\":3,\"pids_limit\":20,\"net_rx_bytes\":3072,"
		   "\"net_tx_bytes\":10,\"io_read_bytes\":2147483648,\"io_write_bytes\":512,"
		   "\"cpu_waits_percent\":12.34,\"memory_waits_percent\":0,"
		   "\"io_waits_percent\":1}");
}

/** A first look, and a host without controllers. */
static void test_nothing_known(void **state)
{
	static const char *const want[] = {"web", "-",       "-",       "-",
					   "1",   "0B / 0B", "0B / 0B", "- - -"};
	const struct oci_stats stats = {
	    .cpu = {.usage = {.total = 7}},
              .pids = { 1,                    0}
        };
	struct stats_row row = stats_row_make("web", &stats, NULL, 5);

	assert_row(&row, want,
		   "{\"id\":\"web\",\"cpu_time_ns\":7,\"pids\":1,\"net_rx_bytes\":0,"
		   "\"net_tx_bytes\":0,\"io_read_bytes\":0,\"io_write_bytes\":0}");
}

static void test_no_limit(void **state)
{
	const struct oci_stats stats = {
	    .memory.usage = {.usage = 4096, .limit = UINT64_MAX}
        };
	const struct stats_row before = {.cpu_time = 0};
	struct stats_row row = stats_row_make("web", &stats, &before, 1000);
	const char *cells[STATS_COLUMNS];

	assert_int_equal(stats_row_cells(&row, &arena, cells), 0);
	assert_string_equal(cells[1], "0.00");
	assert_string_equal(cells[2], "4.00KiB");
	assert_string_equal(cells[3], "-");
	/* a new container under an old id has used less */
	row = stats_row_make("web", &stats, &(struct stats_row){.cpu_time = 5}, 1000);
	assert_true(row.cpu_percent == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_everything, group_arena_setup,
					    group_arena_teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_known, group_arena_setup,
					    group_arena_teardown),
	    cmocka_unit_test_setup_teardown(test_no_limit, group_arena_setup, group_arena_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
