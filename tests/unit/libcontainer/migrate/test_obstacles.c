/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/obstacles.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/group_arena.h"

/** Exactly one obstacle with @want in it, or none when it is NULL. */
static void check(const struct migrate_obstacles *got, const char *name, const char *want)
{
	if (!want && got->count > 0)
		fail_msg("%s: %s", name, got->list[0]);
	if (want && got->count != 1)
		fail_msg("%s: %zu obstacles", name, got->count);
	if (want && !strstr(got->list[0], want))
		fail_msg("%s: %s", name, got->list[0]);
}

static void test_links(void **state)
{
	static const struct {
		const char *link;
		const char *want;
	} cases[] = {
	    {"/dev/null",                NULL				      },
	    {"/dev/pts/0",               NULL				      },
	    {"/dev/shm/x",               NULL				      },
	    {"/devices/x",               NULL				      },
	    {"/var/log/x",               NULL				      },
	    {"socket:[123]",             NULL				      },
	    {"pipe:[123]",               NULL				      },
	    {"anon_inode:[eventfd]",     NULL                                      },
	    {"anon_inode:[eventpoll]",   NULL                                      },
	    {"anon_inode:[timerfd]",     NULL                                      },
	    {"/dev/kvm",                 "process 7 has the device '/dev/kvm' open"},
	    {"/dev/dri/card0",           "the device '/dev/dri/card0'"             },
	    {"anon_inode:[io_uring]",    "process 7 has an io_uring"               },
	    {"anon_inode:bpf-map",       "a BPF object"                            },
	    {"anon_inode:[perf_event]",  "a performance counter"                   },
	    {"anon_inode:kvm-vcpu:0",    "a virtual machine"                       },
	    {"anon_inode:[vfio-device]", "a device (VFIO)"                         },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct migrate_obstacles obstacles = {.arena = &arena};

		migrate_find_in_link(cases[i].link, 7, &obstacles);
		check(&obstacles, cases[i].link, cases[i].want);
	}
}

static struct oci_namespace full[] = {
    {.type = CLONE_NEWNS},
    {.type = CLONE_NEWPID},
    {.type = CLONE_NEWIPC},
    {.type = CLONE_NEWNET},
};

static void test_spec(void **state)
{
	struct oci_process terminal = {.terminal = true};
	struct oci_net_device device = {.name = "eth5"};
	struct oci_linux linux_ = {.namespaces = full, .n_namespaces = ARRAY_LEN(full)};
	struct oci_spec spec = {.linux_ = &linux_};
	struct migrate_obstacles obstacles = {.arena = &arena};

	migrate_find_in_spec(&spec, &obstacles);
	check(&obstacles, "all of its own", NULL);
	linux_.n_namespaces = 2;
	migrate_find_in_spec(&spec, &obstacles);
	check(&obstacles, "no ipc namespace", "it has no ipc namespace");
	linux_.n_namespaces = ARRAY_LEN(full);
	full[1].path = "/proc/1/ns/pid";
	obstacles.count = 0;
	migrate_find_in_spec(&spec, &obstacles);
	check(&obstacles, "joined", "it has joined the namespace '/proc/1/ns/pid'");
	full[1].path = NULL;
	full[3].path = "/run/netns/x";
	obstacles.count = 0;
	migrate_find_in_spec(&spec, &obstacles);
	check(&obstacles, "a network by path", NULL);
	full[3].path = NULL;
	spec.process = &terminal;
	migrate_find_in_spec(&spec, &obstacles);
	check(&obstacles, "terminal", "it has a terminal");
	spec.process = NULL;
	linux_.net_devices = &device;
	linux_.n_net_devices = 1;
	obstacles.count = 0;
	migrate_find_in_spec(&spec, &obstacles);
	check(&obstacles, "network device", "network device 'eth5'");
}

static void test_hosts(void **state)
{
	static const char *const few[] = {"sse2", "avx"};
	static const char *const many[] = {"avx", "avx2", "sse2"};
	struct migrate_offer offer = {.machine = "x86_64",
				      .boot_id = "a",
				      .cgroup = "",
				      .criu_version = 40101,
				      .cpu_features = (const char **)few,
				      .n_cpu_features = 2};
	struct migrate_host here = {.uname = {.machine = "x86_64"},
				    .boot_id = "b",
				    .support = {.criu_version = 40101},
				    .cpu_features = (const char **)many,
				    .n_cpu_features = 3};
	struct migrate_obstacles obstacles = {.arena = &arena};

	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "alike", NULL);
	offer.post_copy = true;
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "no userfaultfd", "cannot fetch memory on access");
	here.support.lazy_pages = true;
	obstacles.count = 0;
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "post-copy", NULL);
	offer.post_copy = false;
	offer.cpu_features = (const char **)many;
	offer.n_cpu_features = 3;
	here.cpu_features = (const char **)few;
	here.n_cpu_features = 2;
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "processor", "lacks 'avx2'");
	obstacles.count = 0;
	strcpy(here.uname.machine, "aarch64");
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "machine", "it is a aarch64 machine");
	strcpy(here.uname.machine, "x86_64");
	offer.n_cpu_features = 0;
	obstacles.count = 0;
	here.support.criu_version = 40001;
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "criu", "its CRIU is 4.0.1, older than the source's 4.1.1");
	here.support.criu_version = 40200;
	obstacles.count = 0;
	offer.cgroup = "/web";
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "a cgroup elsewhere", NULL);
	strcpy(here.boot_id, "a");
	migrate_find_in_hosts(&offer, &here, &obstacles);
	check(&obstacles, "a cgroup here", "the cgroup '/web' of the source");
}

static void test_all_are_told_once(void **state)
{
	struct migrate_obstacles obstacles = {.arena = &arena};
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(migrate_obstacles_fail(&obstacles, "x", &err), 0);
	migrate_obstacle(&obstacles, "one");
	migrate_obstacle(&obstacles, "two %d", 2);
	migrate_obstacle(&obstacles, "one");
	assert_int_equal(migrate_obstacles_fail(&obstacles, "x", &err), -EOPNOTSUPP);
	assert_string_equal(err.message, "x: one; two 2");
	for (int i = 0; i < 2 * MIGRATE_OBSTACLES_MAX; i++)
		migrate_obstacle(&obstacles, "number %d", i);
	assert_int_equal(obstacles.count, MIGRATE_OBSTACLES_MAX);
}

static void test_cpu_features(void **state)
{
	static const char x86[] =
	    "processor\t: 0\nmodel name\t: X\nflags\t\t: fpu sse2 ibrs avx2 "
	    "md_clear\nbugs\t\t: spectre\nprocessor\t: 1\nflags\t\t: amx_tile\n";
	static const char arm[] = "processor\t: 0\nFeatures\t: fp asimd evtstrm\nCPU part\t: 1\n";
	const char *got[8];

	assert_int_equal(migrate_cpu_features(x86, got, 8, &arena), 2);
	assert_string_equal(got[0], "sse2");
	assert_string_equal(got[1], "avx2");
	assert_int_equal(migrate_cpu_features(x86, got, 1, &arena), 1);
	assert_int_equal(migrate_cpu_features(arm, got, 8, &arena), 3);
	assert_string_equal(got[2], "evtstrm");
	assert_int_equal(migrate_cpu_features("nothing", got, 8, &arena), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_links),        cmocka_unit_test(test_spec),
	    cmocka_unit_test(test_hosts),        cmocka_unit_test(test_all_are_told_once),
	    cmocka_unit_test(test_cpu_features),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
