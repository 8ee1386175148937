/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/string_rules.h"

static const struct {
	const struct string_rule *rule;
	const char *text;
	bool good;
} cases[] = {
    {&rule_absolute_path,    "/",								 true },
    {&rule_absolute_path,    "/a b/\xc3\xa9",						     true },
    {&rule_absolute_path,    "",								  false},
    {&rule_absolute_path,    "a",								 false},
    {&rule_absolute_path,    "./a",							       false},
    {&rule_absolute_path,    "/a\n",							      false},
    {&rule_absolute_path,    "/\x7f",							     false},
    {&rule_not_empty,        "x",								 true },
    {&rule_not_empty,        "",								  false},
    {&rule_version,          "1.0.0",							     true },
    {&rule_version,          "1.3.0",							     true },
    {&rule_version,          "1.99.1",							    true },
    {&rule_version,          "1.0.2-dev",							 true },
    {&rule_version,          "1.0.0-rc.1+build.7",						true },
    {&rule_version,          "1.0.0+x",							   true },
    {&rule_version,          "0.9.0",							     false},
    {&rule_version,          "2.0.0",							     false},
    {&rule_version,          "10.0.0",							    false},
    {&rule_version,          "1.0",							       false},
    {&rule_version,          "1.0.0.0",							   false},
    {&rule_version,          "1.00.0",							    false},
    {&rule_version,          "1.0.0-",							    false},
    {&rule_version,          "1.0.0-a..b",							false},
    {&rule_version,          "1.0.0 ",							    false},
    {&rule_version,          "v1.0.0",							    false},
    {&rule_version,          "",								  false},
    {&rule_hostname,         "h",								 true },
    {&rule_hostname,         "0123456789012345678901234567890123456789012345678901234567890123",  true },
    {&rule_hostname,         "01234567890123456789012345678901234567890123456789012345678901234", false},
    {&rule_env,              "A=",								true },
    {&rule_env,              "A=b=c",							     true },
    {&rule_env,              "A",								 false},
    {&rule_env,              "=b",								false},
    {&rule_env,              "",								  false},
    {&rule_cgroups_path,     "machine.slice:libpod:abc",                                          true },
    {&rule_cgroups_path,     "/a/b",							      true },
    {&rule_cgroups_path,     "/a\tb",							     false},
    {&rule_interface,        "eth0",							      true },
    {&rule_interface,        "eth%d",							     true },
    {&rule_interface,        "fifteen-bytes-a",						   true },
    {&rule_interface,        "sixteen-bytes-ab",						  false},
    {&rule_interface,        "",								  false},
    {&rule_interface,        ".",								 false},
    {&rule_interface,        "..",								false},
    {&rule_interface,        "a/b",							       false},
    {&rule_interface,        "a b",							       false},
    {&rule_interface,        "a:b",							       false},
    {&rule_id_list,          "0",								 true },
    {&rule_id_list,          "0-3,7,9-9",							 true },
    {&rule_id_list,          "",								  false},
    {&rule_id_list,          "3-1",							       false},
    {&rule_id_list,          "1,",								false},
    {&rule_id_list,          ",1",								false},
    {&rule_id_list,          "1-",								false},
    {&rule_id_list,          "a",								 false},
    {&rule_id_list,          "-1",								false},
    {&rule_id_list,          "1 ,2",							      false},
    {&rule_id_list,          "4294967296",							false},
    {&rule_id_list,          "99999999999999999999999",                                           false},
    {&rule_id_list_or_empty, "",								  true },
    {&rule_id_list_or_empty, "x",								 false},
    {&rule_kernel_list,      "0-31:2/16",							 true },
    {&rule_kernel_list,      "0\n1",							      false},
    {&rule_device_access,    "",								  true },
    {&rule_device_access,    "rwm",							       true },
    {&rule_device_access,    "mr",								true },
    {&rule_device_access,    "rx",								false},
    {&rule_page_size,        "2MB",							       true },
    {&rule_page_size,        "64KB",							      true },
    {&rule_page_size,        "16GB",							      true },
    {&rule_page_size,        "2M",								false},
    {&rule_page_size,        "MB",								false},
    {&rule_page_size,        "02MB",							      false},
    {&rule_page_size,        "2mb",							       false},
    {&rule_page_size,        "../2MB",							    false},
    {&rule_cgroup_file,      "memory.high",						       true },
    {&rule_cgroup_file,      "a/b",							       false},
    {&rule_cgroup_file,      "..",								false},
    {&rule_cgroup_file,      ".",								 false},
    {&rule_cgroup_file,      "",								  false},
    {&rule_cgroup_file,      "a\nb",							      false},
    {&rule_sysctl,           "net.ipv4.ip_forward",					       true },
    {&rule_sysctl,           "net/ipv4/conf/eth0.1/forwarding",                                   true },
    {&rule_sysctl,           "",								  false},
    {&rule_sysctl,           "net/../kernel/core_pattern",                                        false},
    {&rule_clos_id,          "/",								 true },
    {&rule_clos_id,          "group",							     true },
    {&rule_clos_id,          "a/b",							       false},
    {&rule_clos_id,          "..",								false},
    {&rule_clos_id,          "",								  false},
    {&rule_word,             "mlx5_1",							    true },
    {&rule_word,             "a b",							       false},
    {&rule_word,             "a\nb",							      false},
    {&rule_word,             "",								  false},
    {&rule_one_line,         "a b",							       true },
    {&rule_one_line,         "a\nb",							      false},
    {&rule_mem_bw,           "MB:0=20",							   true },
    {&rule_mem_bw,           "L3:0=20",							   false},
    {&rule_mem_bw,           "MB:0=20\nL3:0=1",						   false},
};

static void test_rules(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *complaint = cases[i].rule->complaint(cases[i].text);

		if (!complaint != cases[i].good)
			fail_msg("case %zu '%s': %s", i, cases[i].text,
				 complaint ? complaint : "taken");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
