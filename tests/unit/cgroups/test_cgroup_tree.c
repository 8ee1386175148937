/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups below a container's, on plain directories that stand for them. */
#include "cgroups/cgroup_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "fake_tree.h"

static void make_cgroup(const struct fake_tree *tree, const char *path, const char *controllers,
			const char *procs)
{
	static const char *const files[] = {"cgroup.events", "cgroup.freeze", "cpu.pressure"};
	char name[128];

	fake_tree_mkdir(tree, path);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, files[i]);
		fake_tree_file(tree, name, "0\n");
	}
	/* what can only be read is no setting */
	snprintf(name, sizeof(name), "%s/cgroup.events", path);
	assert_int_equal(fchmodat(tree->fd, name, 0444, 0), 0);
	snprintf(name, sizeof(name), "%s/cgroup.subtree_control", path);
	fake_tree_file(tree, name, controllers);
	snprintf(name, sizeof(name), "%s/cgroup.procs", path);
	fake_tree_file(tree, name, procs);
}

static struct cgroup open_cgroup(const struct fake_tree *tree, const char *name)
{
	return (struct cgroup){
	    .dir_fd = openat(tree->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
}

static const struct cgroup_node *find(const struct cgroup_node *nodes, size_t count,
				      const char *path)
{
	for (size_t i = 0; i < count; i++) {
		if (streq(nodes[i].path, path))
			return &nodes[i];
	}
	fail_msg("no cgroup '%s'", path);
	return NULL;
}

static void test_read(void **state)
{
	const struct fake_tree *tree = *state;
	struct wh_error err = WH_ERROR_INIT;
	const struct cgroup_node *node;
	struct cgroup_node *nodes;
	struct cgroup cgroup;
	size_t count;

	make_cgroup(tree, "c", "cpu pids\n", "");
	make_cgroup(tree, "c/one", "\n", "12\n11\n0\n");
	make_cgroup(tree, "c/one/deep", "\n", "7\n");
	fake_tree_file(tree, "c/one/pids.max", "33\n");
	fake_tree_file(tree, "c/one/memory.peak", "1\n");
	fake_tree_file(tree, "c/one/io.max", "8:0 rbps=1\n8:16 rbps=2\n");
	cgroup = open_cgroup(tree, "c");
	assert_int_equal(cgroup_tree_read(&cgroup, &fake_tree_arena, &nodes, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(nodes[0].path, "");
	assert_string_equal(nodes[0].controllers, "cpu pids");
	assert_int_equal(nodes[0].n_settings, 0);
	node = find(nodes, count, "one");
	/* the parent comes before what is below it */
	assert_true(node < find(nodes, count, "one/deep"));
	assert_int_equal(node->n_pids, 2);
	assert_int_equal(node->pids[0], 11);
	assert_int_equal(node->uid, getuid());
	assert_int_equal(node->n_settings, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(node->settings[i].value, streq(node->settings[i].file, "io.max")
								 ? "8:0 rbps=1\n8:16 rbps=2"
								 : "33");
	cgroup_close(&cgroup);
}

/** Below the container's own, which others freeze. */
static void test_what_cannot_be_made_again(void **state)
{
	static const struct {
		const char *file;
		const char *text;
		const char *want; /* NULL: it is all right */
	} cases[] = {
	    {"c/one/cgroup.type",        "domain\n",          NULL                      },
	    {"c/one/cgroup.type",        "domain threaded\n", NULL                      },
	    {"c/one/deep/cgroup.type",   "threaded\n",
	     "'/one/deep' is threaded (cgroup.type), which is not kept: remove it first"},
	    {"c/one/deep/cgroup.freeze", "1\n",
	     "'/one/deep' is frozen (cgroup.freeze), which is not kept: thaw it"        },
	    {"c/one/cgroup.freeze",      "1\n",               "'/one' is frozen"        },
	    {"c/cgroup.freeze",          "1\n",               NULL                      },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct fake_tree *tree;
		struct wh_error err = WH_ERROR_INIT;
		struct cgroup_node *nodes;
		const char *unkept = "untouched";
		struct cgroup cgroup;
		size_t count;
		int rc;

		assert_int_equal(fake_tree_setup(state), 0);
		tree = *state;
		make_cgroup(tree, "c", "\n", "");
		make_cgroup(tree, "c/one", "\n", "11\n");
		make_cgroup(tree, "c/one/deep", "\n", "7\n");
		fake_tree_file(tree, cases[i].file, cases[i].text);
		cgroup = open_cgroup(tree, "c");
		assert_int_equal(cgroup_tree_look(&cgroup, true, &fake_tree_arena, &unkept, &err),
				 0);
		assert_int_equal(unkept != NULL, cases[i].want && strstr(cases[i].want, "frozen"));
		assert_int_equal(cgroup_tree_look(&cgroup, false, &fake_tree_arena, &unkept, &err),
				 0);
		rc = cgroup_tree_read(&cgroup, &fake_tree_arena, &nodes, &count, &err);
		if (cases[i].want) {
			assert_non_null(strstr(unkept, cases[i].want));
			assert_true(rc < 0 && err.kind == WH_ERROR_UNSUPPORTED);
			assert_string_equal(err.message, unkept);
		} else {
			assert_null(unkept);
			assert_int_equal(rc, 0);
		}
		cgroup_close(&cgroup);
		assert_int_equal(fake_tree_teardown(state), 0);
	}
}

/** A plain file holds what was written last. */
static void test_make_and_set(void **state)
{
	static struct cgroup_setting settings[] = {
	    {"pids.max", "44"                     },
	    {"io.max",   "8:0 rbps=1\n8:16 rbps=2"},
	};
	const struct fake_tree *tree = *state;
	const struct cgroup_node nodes[] = {
	    {.path = "",
	     .uid = getuid(),
	     .files_uid = getuid(),
	     .controllers = "pids",
	     .settings = settings,
	     .n_settings = 1},
	    {.path = "one", .controllers = "", .settings = settings, .n_settings = 2},
	    {.path = "one/deep",                     .controllers = ""     },
	};
	struct wh_error err = WH_ERROR_INIT;
	struct cgroup cgroup;

	make_cgroup(tree, "c", "", "");
	fake_tree_file(tree, "c/pids.max", "max\n");
	cgroup = open_cgroup(tree, "c");
	assert_int_equal(cgroup_tree_make(&cgroup, nodes, ARRAY_LEN(nodes), &err), 0);
	assert_int_equal(cgroup_tree_make(&cgroup, nodes, ARRAY_LEN(nodes), &err), 0);
	fake_tree_file(tree, "c/one/pids.max", "max\n");
	fake_tree_file(tree, "c/one/io.max", "");
	fake_tree_file(tree, "c/one/deep/cgroup.procs", "");
	assert_int_equal(cgroup_tree_move(&cgroup, &nodes[2], 77, &err), 0);
	assert_string_equal(fake_tree_read(tree, "c/one/deep/cgroup.procs"), "77");
	assert_int_equal(cgroup_tree_set(&cgroup, nodes, 2, false, &err), 0);
	assert_string_equal(fake_tree_read(tree, "c/cgroup.subtree_control"), "+pids");
	assert_string_equal(fake_tree_read(tree, "c/pids.max"), "max\n");
	assert_string_equal(fake_tree_read(tree, "c/one/io.max"), "8:16 rbps=2");
	assert_int_equal(cgroup_tree_set(&cgroup, nodes, 2, true, &err), 0);
	assert_memory_equal(fake_tree_read(tree, "c/pids.max"), "44", 2);
	cgroup_close(&cgroup);
}

static void test_what_fails_is_named(void **state)
{
	static struct cgroup_setting settings[] = {
	    {"pids.max", "44"}
        };
	static const struct {
		struct cgroup_node node;
		const char *want;
	} cases[] = {
	    {{.path = "a", .settings = settings, .n_settings = 1, .controllers = ""},
	     "write '44' to pids.max of the cgroup '/a'"								   },
	    {{.path = "a", .controllers = "cpu"},                                     "switch cpu on below the cgroup '/a'"},
	    {{.path = "../beside", .controllers = ""},                                "'/../beside'"                       },
	};
	const struct fake_tree *tree = *state;
	struct cgroup cgroup;

	fake_tree_mkdir(tree, "c");
	fake_tree_mkdir(tree, "c/a");
	fake_tree_mkdir(tree, "c/a/pids.max");
	cgroup = open_cgroup(tree, "c");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		int rc = cgroup_tree_make(&cgroup, &cases[i].node, 1, &err);

		if (rc == 0)
			rc = cgroup_tree_set(&cgroup, &cases[i].node, 1, false, &err);
		assert_true(rc < 0);
		assert_non_null(strstr(err.message, cases[i].want));
	}
	assert_int_equal(faccessat(tree->fd, "beside", F_OK, 0), -1);
	cgroup_close(&cgroup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_read, fake_tree_setup, fake_tree_teardown),
	    cmocka_unit_test(test_what_cannot_be_made_again),
	    cmocka_unit_test_setup_teardown(test_make_and_set, fake_tree_setup, fake_tree_teardown),
	    cmocka_unit_test_setup_teardown(test_what_fails_is_named, fake_tree_setup,
					    fake_tree_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
