/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/state.h"

static struct oci_string_map annotations[] = {
    {"b", "1"   },
    {"a", "x\"y"}
};

static void check(const struct oci_state *container, bool pretty, const char *want)
{
	struct document d;
	const char *json;
	size_t len;

	document_init(&d);
	assert_int_equal(oci_state_encode(container, pretty, &d.arena, &json, &len, &d.err), 0);
	assert_string_equal(json, want);
	assert_int_equal(len, strlen(want));
	document_done(&d);
}

/* The order and layout of runc 1.1's `state`. */
static void test_command(void **state)
{
	struct oci_state s = {
	    .oci_version = "1.0.2-dev",
	    .id = "aa",
	    .status = OCI_STATUS_CREATED,
	    .pid = 20619,
	    .bundle = "/b",
	    .rootfs = "/b/rootfs",
	    .created = "2026-11-21T03:12:30.808048525Z",
	    .owner = "",
	    .annotations = annotations,
	    .n_annotations = 2,
	};

	check(&s, true,
	      "{\n  \"ociVersion\": \"1.0.2-dev\",\n  \"id\": \"aa\",\n  \"pid\": 20619,\n  "
	      "\"status\": \"created\",\n  \"bundle\": \"/b\",\n"
	      "  \"rootfs\": \"/b/rootfs\",\n  \"created\": \"2026-11-21T03:12:30.808048525Z\",\n  "
	      "\"annotations\": {\n    \"b\": \"1\",\n"
	      "    \"a\": \"x\\\"y\"\n  },\n  \"owner\": \"\"\n}\n");
	s.status = OCI_STATUS_STOPPED;
	s.n_annotations = 0;
	check(&s, true,
	      "{\n  \"ociVersion\": \"1.0.2-dev\",\n  \"id\": \"aa\",\n  \"pid\": 0,\n  "
	      "\"status\": \"stopped\",\n  \"bundle\": \"/b\",\n"
	      "  \"rootfs\": \"/b/rootfs\",\n  \"created\": \"2026-11-21T03:12:30.808048525Z\",\n  "
	      "\"owner\": \"\"\n}\n");
}

/* What runc 1.1 writes to hooks: the spec's properties alone, on one line; no pid once stopped. */
static void test_hook(void **state)
{
	struct oci_state s = {
	    .oci_version = "1.0.2",
	    .id = "aa",
	    .status = OCI_STATUS_CREATING,
	    .pid = 7,
	    .bundle = "/b",
	    .rootfs = "/r",
	    .created = "now",
	    .owner = "me",
	    .annotations = annotations,
	    .n_annotations = 2,
	};

	check(&s, false,
	      "{\"ociVersion\":\"1.0.2\",\"id\":\"aa\",\"status\":\"creating\",\"pid\":7,"
	      "\"bundle\":\"/b\","
	      "\"annotations\":{\"b\":\"1\",\"a\":\"x\\\"y\"}}");
	s.status = OCI_STATUS_STOPPED;
	s.annotations = NULL;
	s.n_annotations = 0;
	check(&s, false,
	      "{\"ociVersion\":\"1.0.2\",\"id\":\"aa\",\"status\":\"stopped\",\"bundle\":\"/b\"}");
}

static void test_names(void **state)
{
	static const char *const names[] = {"creating", "created", "running",
					    "stopped",  "paused",  "unknown"};

	for (int i = OCI_STATUS_CREATING; i <= OCI_STATUS_UNKNOWN; i++)
		assert_string_equal(oci_status_name((enum oci_status)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_command),
	    cmocka_unit_test(test_hook),
	    cmocka_unit_test(test_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
