/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#define MAP            "[{\"containerID\":0,\"hostID\":1000,\"size\":1}]"
#define MOUNT(members) "\"mounts\":[{\"destination\":\"/m\"," members "}]"

static void test_cases(void **state)
{
	expect_top("\"hostname\":\"h\"", "", "hostname: needs a uts namespace in linux.namespaces");
	expect_top("\"domainname\":\"h\"", "",
		   "domainname: needs a uts namespace in linux.namespaces");
	expect_top("\"hostname\":\"\"", "", "");
	expect_top("\"hostname\":\"h\",\"domainname\":\"d\"", "\"namespaces\":[{\"type\":\"uts\"}]",
		   "");
	expect_top("\"hostname\":\"h\"",
		   "\"namespaces\":[{\"type\":\"uts\",\"path\":\"/proc/1/ns/uts\"}]", "");
	expect_top("\"hostname\":\"h\"", "\"namespaces\":[],\"cgroupsPath\":7",
		   "linux.cgroupsPath: expected a string, found 7");
	expect_top(MOUNT("\"type\":\"tmpfs\""), "", "");
	expect_top(MOUNT("\"source\":\"/s\",\"options\":[\"bind\"]"), "", "");
	expect_top(MOUNT("\"options\":[\"remount\",\"ro\"]"), "", "");
	expect_top(MOUNT("\"source\":\"/s\""), "",
		   "mounts[0]: missing type: only a mount with the option bind, rbind or remount "
		   "needs none");
	expect_top(MOUNT("\"options\":[\"rbind\"]"), "", "mounts[0]: a bind mount needs a source");
	expect_top(MOUNT("\"type\":\"tmpfs\",\"uidMappings\":" MAP), "",
		   "mounts[0].gidMappings: missing, but uidMappings is set");
	expect_top(MOUNT("\"type\":\"tmpfs\",\"gidMappings\":" MAP), "",
		   "mounts[0].uidMappings: missing, but gidMappings is set");
	expect_top(MOUNT("\"source\":\"/s\",\"options\":[\"bind\",\"ridmap\"]"), "",
		   "mounts[0].uidMappings: missing: an idmapped mount needs mappings, its own or "
		   "those of a user namespace");
	expect_top(MOUNT("\"source\":\"/s\",\"options\":[\"bind\",\"idmap\"],\"uidMappings\":" MAP
			 ",\"gidMappings\":" MAP),
		   "", "");
	expect_top(MOUNT("\"source\":\"/s\",\"options\":[\"bind\",\"idmap\"]"),
		   "\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":" MAP
		   ",\"gidMappings\":" MAP,
		   "");
}

static void test_both_are_told(void **state)
{
	static const char text[] = "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"/"
				   "\"},\"hostname\":\"h\",\"linux\":{\"cgroupsPath\":7}}";
	struct document d;

	document_decode(&d, "c", text, strlen(text));
	assert_string_equal(d.err.message,
			    "c:1:54: hostname: needs a uts namespace in linux.namespaces\n"
			    "c:1:81: linux.cgroupsPath: expected a string, found 7");
	document_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_both_are_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
