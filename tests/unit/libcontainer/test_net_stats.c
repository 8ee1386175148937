/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/net_stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/group_arena.h"

static void test_parse(void **state)
{
	static const char text[] =
	    "Inter-|   Receive                                                |  Transmit\n"
	    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
	    "errs "
	    "drop fifo colls carrier compressed\n"
	    "    lo:     100       1    0    0    0     0          0         0      100       1    "
	    "0 "
	    "   0    0     0       0          0\n"
	    "  eth0:18446744073709551615   2    3    4    5     6          7         8        9    "
	    "  "
	    "10   11   12   13    14      15         16\n"
	    "lonely: 1 2\n"
	    "broken: x\n";
	struct oci_stats stats = {.n_interfaces = 0};
	const struct oci_interface_stats *eth0;

	assert_int_equal(net_stats_parse(text, &arena, &stats), 0);
	assert_int_equal(stats.n_interfaces, 3);
	eth0 = &stats.interfaces[0];
	assert_string_equal(eth0->name, "eth0");
	assert_true(eth0->rx_bytes == UINT64_MAX);
	assert_int_equal(eth0->rx_packets, 2);
	assert_int_equal(eth0->rx_errors, 3);
	assert_int_equal(eth0->rx_dropped, 4);
	assert_int_equal(eth0->tx_bytes, 9);
	assert_int_equal(eth0->tx_packets, 10);
	assert_int_equal(eth0->tx_errors, 11);
	assert_int_equal(eth0->tx_dropped, 12);
	assert_string_equal(stats.interfaces[1].name, "lonely");
	assert_int_equal(stats.interfaces[1].rx_packets, 2);
	assert_int_equal(stats.interfaces[2].rx_bytes, 0);
	stats = (struct oci_stats){.n_interfaces = 0};
	assert_int_equal(net_stats_parse("", &arena, &stats), 0);
	assert_int_equal(stats.n_interfaces, 0);
}

/** The host's own counters say nothing about a container. */
static void test_own_namespace(void **state)
{
	struct process_id self = {.pid = getpid()};
	struct oci_stats stats = {.n_interfaces = 0};

	assert_int_equal(process_stat(self.pid, &self.start_time, NULL), 0);
	assert_int_equal(net_stats_read(&self, &arena, &stats, NULL), 0);
	assert_int_equal(stats.n_interfaces, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_parse, group_arena_setup, group_arena_teardown),
	    cmocka_unit_test_setup_teardown(test_own_namespace, group_arena_setup,
					    group_arena_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
