/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/resource.h>

#include "oci-spec/enums.h"
#include "oci-spec/state.h"

static const struct {
	const char *name;
	const struct name_table *table;
	size_t len; /* as the spec's lists have it */
	const char *prefix;
} tables[] = {
    {"namespace types",       &oci_namespace_types,       8,  ""                    },
    {"capabilities",          &oci_capability_names,      41, "CAP_"                },
    {"rlimits",               &oci_rlimit_types,          16, "RLIMIT_"             },
    {"scheduler policies",    &oci_scheduler_policies,    7,  "SCHED_"              },
    {"scheduler flags",       &oci_scheduler_flags,       7,  "SCHED_FLAG_"         },
    {"I/O priority classes",  &oci_io_priority_classes,   3,  "IOPRIO_CLASS_"       },
    {"seccomp actions",       &oci_seccomp_actions,       9,  "SCMP_ACT_"           },
    {"seccomp operators",     &oci_seccomp_operators,     7,  "SCMP_CMP_"           },
    {"seccomp architectures", &oci_seccomp_architectures, 23, "SCMP_ARCH_"          },
    {"seccomp flags",         &oci_seccomp_flags,         4,  "SECCOMP_FILTER_FLAG_"},
    {"memory policies",       &oci_memory_policy_modes,   7,  "MPOL_"               },
    {"memory policy flags",   &oci_memory_policy_flags,   3,  "MPOL_F_"             },
    {"personalities",         &oci_personality_domains,   2,  "LINUX"               },
    {"propagations",          &oci_propagations,          8,  ""                    },
    {"statuses",              &oci_statuses,              6,  ""                    },
    {"clocks",		&oci_time_clocks,           2,  ""                    },
};

/* Both ways, for every row: a name twice or a number twice would come back as another. */
static void test_round_trip(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		const struct name_table *table = tables[i].table;

		if (table->len != tables[i].len)
			fail_msg("%s: %zu rows", tables[i].name, table->len);
		for (size_t k = 0; k < table->len; k++) {
			const struct name_value *row = &table->rows[k];

			assert_non_null(str_after(row->name, tables[i].prefix));
			assert_ptr_equal(name_table_find(table, row->name), row);
			assert_string_equal(name_table_name(table, row->value), row->name);
		}
		assert_null(name_table_find(table, ""));
		assert_null(name_table_find(table, "nothing of that name"));
	}
}

/* libcap knows the same names by the same numbers. */
static void test_capabilities(void **state)
{
	for (size_t i = 0; i < oci_capability_names.len; i++) {
		cap_value_t value;

		assert_int_equal(cap_from_name(oci_capability_names.rows[i].name, &value), 0);
		assert_int_equal(value, oci_capability_names.rows[i].value);
	}
}

/* The indices of the architectures are what seccomp's table of the layer above is indexed by. */
static void test_indices(void **state)
{
	for (size_t i = 0; i < oci_seccomp_architectures.len; i++)
		assert_int_equal(oci_seccomp_architectures.rows[i].value, i);
	for (size_t i = 0; i < oci_seccomp_actions.len; i++)
		assert_int_equal(oci_seccomp_actions.rows[i].value, i);
}

static void test_values(void **state)
{
	assert_int_equal(name_table_find(&oci_namespace_types, "network")->value, CLONE_NEWNET);
	assert_int_equal(name_table_find(&oci_namespace_types, "mount")->value, CLONE_NEWNS);
	assert_int_equal(name_table_find(&oci_namespace_types, "time")->value, 0x80);
	assert_int_equal(name_table_find(&oci_rlimit_types, "RLIMIT_NOFILE")->value, RLIMIT_NOFILE);
	assert_int_equal(name_table_find(&oci_seccomp_flags, "SECCOMP_FILTER_FLAG_TSYNC")->value,
			 SECCOMP_FILTER_FLAG_TSYNC);
	assert_int_equal(
	    name_table_find(&oci_seccomp_flags, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")->value,
	    32);
	assert_int_equal(
	    name_table_find(&oci_memory_policy_modes, "MPOL_WEIGHTED_INTERLEAVE")->value, 6);
	assert_int_equal(name_table_find(&oci_personality_domains, "LINUX32")->value, 8);
	assert_string_equal(oci_status_name(OCI_STATUS_PAUSED), "paused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_capabilities),
	    cmocka_unit_test(test_indices),
	    cmocka_unit_test(test_values),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
