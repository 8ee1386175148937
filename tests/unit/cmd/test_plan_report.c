/* SPDX-License-Identifier: Apache-2.0 */
/* Both forms of one plan made by hand: what is in it is in them. */
#include "cmd/plan_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "base/sys.h"
#include "oci-spec/enums.h"
#include "oci-spec/json.h"

static struct ns_join joins[] = {
    {.type = CLONE_NEWNET, .path = "/run/netns/a"},
};
static struct mount_entry mounts[] = {
    {.index = 0,
     .kind = MOUNT_KIND_FS,
     .destination = "/proc",
     .fs_type = "proc",
     .source = "proc"  },
    {.index = 2,
     .kind = MOUNT_KIND_BIND,
     .destination = "/data",
     .fs_type = NULL,
     .source = "/srv\n"},
};
static const int64_t major = 1, minor = 3;
static const uint32_t mode = 0640;
static struct oci_device devices[] = {
    {.type = 'c', .path = "/dev/null", .major = &major, .minor = &minor, .file_mode = &mode},
};
static const char *args[] = {"sh", "-c", "echo it's", NULL};
static const char *env[] = {"A=1", NULL};
static struct oci_hook hook = {.path = "/usr/bin/hook"};
static const struct oci_hooks hooks = {.poststop = &hook, .n_poststop = 1};
static struct oci_seccomp_syscall rules[3];
static const struct oci_seccomp seccomp = {
    .default_action = OCI_SECCOMP_ALLOW, .syscalls = rules, .n_syscalls = ARRAY_LEN(rules)};
static const struct oci_linux linux_part = {.seccomp = &seccomp};
static const struct oci_process process;
static const struct oci_spec spec = {.linux_ = &linux_part, .process = &process};
static const struct cgroup_write limit = {.field = "pids.limit", .file = "pids.max", .value = "5"};
static const struct seccomp_program program = {.n_insns = 42};

static const struct container_plan plan = {
    .spec = &spec,
    .hooks = &hooks,
    .ns = {.clone_flags = CLONE_NEWPID | CLONE_NEWNS,
	   .joins = joins,
	   .n_joins = 1,
	   .hostname = "box"},
    .rootfs = {.path = "/b/rootfs",
           .propagation = MS_SLAVE,
           .propagation_recursive = true,
           .mounts = mounts,
           .n_mounts = ARRAY_LEN(mounts),
           .devices = devices,
           .n_devices = 1},
    .process = {.spec = &process,
           .args = args,
           .env = env,
           .n_env = 1,
           .cwd = "/",
           .uid = 5,
           .gid = 6,
           .umask = 022,
           .caps_bounding = 1ULL << CAP_KILL},
    .cgroup = {.path = "/box",             .writes = {.list = &limit, .count = 1}           },
};

/** The report in one of its forms; freed by the caller. */
static char *report(int (*form)(FILE *, const struct plan_report *, struct arena *,
				struct wh_error *),
		    const struct container_plan *shown, struct arena *arena)
{
	struct wh_error err = WH_ERROR_INIT;
	struct problems problems;
	struct plan_report content = {
	    .bundle = "/b", .plan = shown, .problems = &problems, .seccomp = &program};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	problems_init(&problems, arena);
	problems_add(&problems, PROBLEM_ERROR, "config.json:1:1: \033[31mroot: wrong");
	problems_add(&problems, PROBLEM_WARNING, "odd");
	assert_int_equal(form(out, &content, arena, &err), 0);
	fclose(out);
	return text;
}

static void test_text(void **state)
{
	static const char *const lines[] = {
	    "bundle /b\n",
	    "  pid            new\n",
	    "  network        joined, /run/netns/a\n",
	    "  user           inherited\n",
	    "  hostname       box\n",
	    "  propagation    rslave\n",
	    "    0  proc    /proc\n",
	    "    2  bind    /data  from /srv?\n",
	    "  c 1:3  0640  0:0  /dev/null\n",
	    "  program        sh -c 'echo it's'\n",
	    "  user           5:6, umask 0022\n",
	    "  bounding       CAP_KILL\n",
	    "  effective      none\n",
	    "  default        SCMP_ACT_ALLOW\n",
	    "  rules          3\n",
	    "  filter         42 instructions\n",
	    "  path           /box\n",
	    "  limits         pids.max = 5  (pids.limit)\n",
	    "  poststop       /usr/bin/hook\n",
	    "  error    config.json:1:1: ?[31mroot: wrong\n  warning  odd\n",
	};
	struct arena arena;
	char *text;

	assert_int_equal(arena_init(&arena, NULL), 0);
	text = report(plan_report_text, &plan, &arena);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (!strstr(text, lines[i]))
			print_message("# lacks: %s", lines[i]);
		assert_non_null(strstr(text, lines[i]));
	}
	free(text);
	arena_done(&arena);
}

static void test_text_without_a_plan(void **state)
{
	struct arena arena;
	char *text;

	assert_int_equal(arena_init(&arena, NULL), 0);
	text = report(plan_report_text, NULL, &arena);
	assert_non_null(str_after(text, "problems\n  error "));
	free(text);
	arena_done(&arena);
}

/** The value at @path, whose components are member names and numbers of elements, separated by blanks. */
static const struct json_value *find(const struct json_value *value, const char *path)
{
	char copy[64];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *word = strtok_r(copy, " ", &save); word && value;
	     word = strtok_r(NULL, " ", &save)) {
		if (value->kind == JSON_OBJECT) {
			value = json_member(value, word);
			continue;
		}
		value = value->first;
		for (int n = atoi(word); n > 0 && value; n--)
			value = value->next;
	}
	return value;
}

static void test_json(void **state)
{
	static const struct {
		const char *path;
		const char *want; /* text of a string or number */
	} cases[] = {
	    {"bundle",                  "/b"            },
	    {"hostname",                "box"           },
	    {"root propagation",        "rslave"        },
	    {"mounts 0 type",           "proc"          },
	    {"mounts 1 kind",           "bind"          },
	    {"mounts 1 index",          "2"             },
	    {"mounts 1 source",         "/srv\n"        },
	    {"devices 0 path",          "/dev/null"     },
	    {"devices 0 fileMode",      "416"           },
	    {"process args 2",          "echo it's"     },
	    {"process gid",             "6"             },
	    {"capabilities bounding 0", "CAP_KILL"      },
	    {"seccomp defaultAction",   "SCMP_ACT_ALLOW"},
	    {"seccomp instructions",    "42"            },
	    {"cgroup limits 0 file",    "pids.max"      },
	    {"hooks poststop 0",        "/usr/bin/hook" },
	    {"problems 0 severity",     "error"         },
	    {"problems 1 text",         "odd"           },
	};
	struct json_document doc;
	struct problems problems;
	struct arena arena;
	char *text;

	assert_int_equal(arena_init(&arena, NULL), 0);
	problems_init(&problems, &arena);
	text = report(plan_report_json, &plan, &arena);
	assert_int_equal(json_parse("plan", text, strlen(text), 16, &arena, &problems, &doc), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json_value *value = find(doc.root, cases[i].path);

		if (!value)
			print_message("# lacks: %s\n", cases[i].path);
		assert_non_null(value);
		assert_string_equal(value->text, cases[i].want);
	}
	assert_int_equal(find(doc.root, "namespaces")->count, oci_namespace_types.len);
	free(text);
	arena_done(&arena);
}

static void test_propagation(void **state)
{
	assert_string_equal(plan_propagation(MS_SHARED, false), "shared");
	assert_string_equal(plan_propagation(MS_PRIVATE, true), "rprivate");
	assert_string_equal(plan_propagation(MS_UNBINDABLE, true), "runbindable");
	assert_string_equal(plan_propagation(0, true), "unchanged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_text_without_a_plan),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_propagation),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("plan_report", tests, NULL, NULL);
}
