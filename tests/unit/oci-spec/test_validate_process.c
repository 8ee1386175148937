/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#define SCHED(members) "\"scheduler\":{" members "}"
#define CAPS(members)  "\"capabilities\":{" members "}"

static void test_cases(void **state)
{
	/* rlimits */
	expect_process("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]", "");
	expect_process("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]",
		       "process.rlimits[0].soft: must not be higher than hard");
	expect_process(
	    "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_CPU\","
	    "\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":2}]",
	    "process.rlimits[2].type: 'RLIMIT_AS' is listed already, as rlimits[0]");
	/* capabilities: never an error */
	expect_process(CAPS("\"ambient\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
			    "\"inheritable\":[\"CAP_KILL\"]"),
		       "");
	expect_process(CAPS("\"ambient\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]"),
		       "warning: process.capabilities.ambient: holds capabilities that are not in "
		       "both permitted and inheritable; they cannot be granted");
	expect_process(CAPS("\"effective\":[\"CAP_KILL\"]"),
		       "warning: process.capabilities.effective: holds capabilities that are not "
		       "in permitted; they cannot be granted");
	expect_process(
	    CAPS("\"effective\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\",\"CAP_CHOWN\"]"), "");
	/* scheduler */
	expect_process(SCHED("\"policy\":\"SCHED_OTHER\",\"nice\":19"), "");
	expect_process(SCHED("\"policy\":\"SCHED_BATCH\",\"nice\":-20"), "");
	expect_process(SCHED("\"policy\":\"SCHED_IDLE\",\"nice\":0,\"priority\":0,\"runtime\":0,"
			     "\"deadline\":0,\"period\":0"),
		       "");
	expect_process(
	    SCHED("\"policy\":\"SCHED_IDLE\",\"nice\":1"),
	    "process.scheduler.nice: has a meaning with SCHED_OTHER and SCHED_BATCH only");
	expect_process(
	    SCHED("\"policy\":\"SCHED_OTHER\",\"priority\":1"),
	    "process.scheduler.priority: has a meaning with SCHED_FIFO and SCHED_RR only");
	expect_process(SCHED("\"policy\":\"SCHED_FIFO\",\"priority\":1"), "");
	expect_process(SCHED("\"policy\":\"SCHED_RR\",\"priority\":99"), "");
	expect_process(
	    SCHED("\"policy\":\"SCHED_FIFO\",\"priority\":0"),
	    "process.scheduler.priority: must be between 1 and 99 with SCHED_FIFO and SCHED_RR");
	expect_process(
	    SCHED("\"policy\":\"SCHED_RR\",\"priority\":100"),
	    "process.scheduler.priority: must be between 1 and 99 with SCHED_FIFO and SCHED_RR");
	expect_process(SCHED("\"policy\":\"SCHED_OTHER\",\"deadline\":1"),
		       "process.scheduler.deadline: has a meaning with SCHED_DEADLINE only");
	expect_process(SCHED("\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":1"), "");
	expect_process(
	    SCHED("\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":2,\"period\":2"), "");
	expect_process(SCHED("\"policy\":\"SCHED_DEADLINE\",\"deadline\":2"),
		       "process.scheduler.runtime: must be given and not 0 with SCHED_DEADLINE");
	expect_process(SCHED("\"policy\":\"SCHED_DEADLINE\",\"runtime\":3,\"deadline\":2"),
		       "process.scheduler.runtime: must not be larger than deadline");
	expect_process(
	    SCHED("\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":3,\"period\":2"),
	    "process.scheduler.deadline: must not be larger than period");
}

static const struct {
	const char *text;
	const char *want;
} process_cases[] = {
    {"{\"cwd\":\"/\",\"args\":[\"a\"]}",      ""					    },
    {"{\"cwd\":\"/\"}",                       "p:1:1: args: missing required property"      },
    {"{\"cwd\":\"/\",\"args\":null}",         "p:1:19: args: missing required property"     },
    {"{\"cwd\":\"/\",\"args\":[]}",           "p:1:19: args: must name at least the program"},
    {"{\"cwd\":\"/\",\"args\":[\"\",\"x\"]}", "p:1:19: args: the program's name is empty"   },
    {"{\"args\":[\"a\"]}",                    "p:1:1: cwd: missing required property"       },
 /* What is wrong elsewhere hides nothing, and what failed to decode is not called missing. */
    {"{\"cwd\":7,\"args\":7}",
     "p:1:8: cwd: expected a string, found 7\np:1:17: args: expected an array, found 7"     },
    {"{\"cwd\":7}",
     "p:1:1: args: missing required property\np:1:8: cwd: expected a string, found 7"       },
};

static void test_args(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(process_cases); i++) {
		const char *text = process_cases[i].text;
		const struct oci_process *process;
		struct document d;

		document_init(&d);
		oci_process_decode("p", text, strlen(text), &d.arena, &d.problems, &process,
				   &d.err);
		assert_string_equal(d.err.message, process_cases[i].want);
		document_done(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_args),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
