/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include "tests/unit/base/scratch.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

/*
 * Every test has the tree
 *   outside/secret            must never be reached nor changed
 *   root/file, root/dir/      the container's
 * and makes links in it.
 */
struct tree {
	struct scratch *scratch;
	int root;
};

static int tree_setup(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree || scratch_setup((void **)&tree->scratch) < 0)
		return -1;
	scratch_mkdir(tree->scratch, "outside");
	scratch_write(tree->scratch, "outside/secret", "secret");
	scratch_mkdir(tree->scratch, "root");
	scratch_mkdir(tree->scratch, "root/dir");
	scratch_write(tree->scratch, "root/file", "inside");
	scratch_write(tree->scratch, "root/dir/file", "deeper");
	tree->root = openat(tree->scratch->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = tree;
	return tree->root < 0 ? -1 : 0;
}

static int tree_teardown(void **state)
{
	struct tree *tree = *state;
	void *scratch = tree->scratch;

	close(tree->root);
	free(tree);
	return scratch_teardown(&scratch);
}

static void link_to(const struct tree *tree, const char *name, const char *target)
{
	assert_return_code(symlinkat(target, tree->root, name), errno);
}

/* The number of entries in the directory @path of the scratch directory. */
static int entries(const struct tree *tree, const char *path)
{
	DIR *dir = fdopendir(openat(tree->scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void assert_outside_untouched(const struct tree *tree)
{
	assert_int_equal(entries(tree, "outside"), 1);
	assert_int_equal(entries(tree, "."), 2);
	scratch_assert_text(tree->scratch, "outside/secret", "secret");
}

/* Whether @fd (consumed) is the very file @path inside the root's directory. */
static bool is_same(const struct tree *tree, int fd, const char *path)
{
	struct stat a, b;

	assert_return_code(fd, -fd);
	assert_return_code(fstat(fd, &a), errno);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	if (fstatat(tree->root, path, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void test_open_in_root_stays_inside(void **state)
{
	static const struct {
		const char *target; /* of the link "l" */
		const char *path;
		int want; /* 0: it is root/file */
	} cases[] = {
	    {"x",                 "file",              0       },
	    {"x",                 "/file",             0       },
	    {"x",                 "../../file",        0       },
	    {"x",                 "dir/../../../file", 0       },
	    {"/file",             "l",                 0       },
	    {"file",              "l",                 0       },
	    {"../../../file",     "/l",                0       },
	    {"/",                 "l/file",            0       },
	    {"..",                "l/l/l/file",        0       },
	    {"/outside/secret",   "l",                 -ENOENT },
	    {"../outside/secret", "l",                 -ENOENT },
	    {"../outside",        "l/secret",          -ENOENT },
	    {"l",                 "l",                 -ELOOP  },
	    {"/proc/self/root",   "l",                 -ENOENT },
	    {"x",                 "file/",             -ENOTDIR},
	    {"x",                 "",                  -ENOENT },
	};
	struct tree *tree = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd;

		link_to(tree, "l", cases[i].target);
		fd = path_open_in_root(tree->root, cases[i].path, O_RDONLY, 0);
		if (cases[i].want)
			assert_int_equal(fd, cases[i].want);
		else
			assert_true(is_same(tree, fd, "file"));
		assert_return_code(unlinkat(tree->root, "l", 0), errno);
	}
	assert_outside_untouched(tree);
}

static void test_open_in_root_creates_inside(void **state)
{
	struct tree *tree = *state;
	struct stat st;
	int fd;

	link_to(tree, "abs", "/new");
	link_to(tree, "up", "../../outside");
	fd = path_open_in_root(tree->root, "abs", O_WRONLY | O_CREAT, 0640);
	assert_true(is_same(tree, fd, "new"));
	assert_return_code(fstatat(tree->root, "new", &st, 0), errno);
	assert_int_equal(st.st_mode & 0137, 0);
	assert_int_equal(path_open_in_root(tree->root, "up/x", O_WRONLY | O_CREAT, 0600), -ENOENT);
	assert_int_equal(path_open_in_root(tree->root, "abs", O_WRONLY | O_CREAT | O_EXCL, 0600),
			 -EEXIST);
	/* A mode without O_CREAT is left out; the kernel would refuse it. */
	assert_true(is_same(tree, path_open_in_root(tree->root, "new", O_RDONLY, 0644), "new"));
	assert_outside_untouched(tree);
}

static void test_no_magic_links(void **state)
{
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(path_open_in_root(slash, "/proc/self/exe", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_in_root(slash, "/proc/self/root/tmp", O_RDONLY, 0), -ELOOP);
	close(slash);
}

static void test_open_beneath_refuses(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
	    {"dir/file",         0      },
            {"dir/../dir/file",  0      },
            {"/dir/file",        -EXDEV },
	    {"..",               -EXDEV },
            {"../root/dir/file", -EXDEV },
            {"link",             -ELOOP },
	    {"linkdir/file",     -ELOOP },
            {"missing",          -ENOENT},
	};
	struct tree *tree = *state;
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	link_to(tree, "link", "dir/file");
	link_to(tree, "linkdir", "dir");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = path_open_beneath(tree->root, cases[i].path, O_RDONLY, 0);

		if (cases[i].want)
			assert_int_equal(fd, cases[i].want);
		else
			assert_true(is_same(tree, fd, "dir/file"));
	}
	assert_int_equal(path_open_beneath(slash, "proc/version", O_RDONLY, 0), -EXDEV);
	close(slash);
}

static void test_mkdir(void **state)
{
	static const struct {
		const char *link, *target; /* a link to make first */
		const char *path;
		const char *want; /* the directory that it is, or NULL */
		int error;
	} cases[] = {
	    {NULL,     NULL,               "/",                 ".",            0       },
	    {NULL,     NULL,               "",                  ".",            0       },
	    {NULL,     NULL,               "dir",               "dir",          0       },
	    {NULL,     NULL,               "/a1/b/c",           "a1/b/c",       0       },
	    {NULL,     NULL,               "a2//b/./c/",        "a2/b/c",       0       },
	    {NULL,     NULL,               "a3/b/../c",         "a3/c",         0       },
	    {NULL,     NULL,               "../../a4/../../a5", "a5",           0       },
	    {"l1",     "dir",              "l1/n1",             "dir/n1",       0       },
	    {"l2",     "/dir",             "l2/n2",             "dir/n2",       0       },
	    {"l3",     "gone3",            "l3",                "gone3",        0       },
	    {"l4",     "/gone4/deep",      "l4/n",              "gone4/deep/n", 0       },
	    {"dir/l5", "gone5",            "dir/l5/n",          "dir/gone5/n",  0       },
	    {"dir/l6", "../gone6",         "dir/l6",            "gone6",        0       },
	    {"l7",     "../../../outside", "l7/n",              "outside/n",    0       },
	    {"l8",     "/outside8",        "l8",                "outside8",     0       },
	    {"l9",     "l9",               "l9/n",              NULL,           -ELOOP  },
	    {NULL,     NULL,               "file",              NULL,           -ENOTDIR},
	    {NULL,     NULL,               "file/n",            NULL,           -ENOTDIR},
	    {"l10",    "file",             "l10/n",             NULL,           -ENOTDIR},
	    {"l11",    "file/n",           "l11",               NULL,           -ENOTDIR},
	};
	struct tree *tree = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		int fd;

		if (cases[i].link)
			link_to(tree, cases[i].link, cases[i].target);
		fd = path_mkdir_in_root(tree->root, cases[i].path, 0755, &err);
		if (cases[i].want) {
			assert_true(is_same(tree, fd, cases[i].want));
			continue;
		}
		assert_int_equal(fd, cases[i].error);
		assert_non_null(strstr(err.message, cases[i].path));
	}
	assert_outside_untouched(tree);
}

/* A chain of @n links, the last of which points to the missing "end". */
static void make_chain(const struct tree *tree, int n)
{
	char name[16], target[16];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		snprintf(target, sizeof(target), i == n - 1 ? "end" : "c%d", i + 1);
		link_to(tree, name, target);
	}
}

static void test_chain_of_40_links(void **state)
{
	struct tree *tree = *state;

	make_chain(tree, 40);
	assert_true(is_same(tree, path_mkdir_in_root(tree->root, "c0/n", 0755, NULL), "end/n"));
}

static void test_chain_of_41_links(void **state)
{
	struct tree *tree = *state;

	make_chain(tree, 41);
	assert_int_equal(path_mkdir_in_root(tree->root, "c0/n", 0755, NULL), -ELOOP);
	assert_int_equal(path_make_target(tree->root, "c0", false, NULL), -ELOOP);
	assert_int_equal(faccessat(tree->root, "end", F_OK, 0), -1);
}

static void test_too_long(void **state)
{
	struct tree *tree = *state;
	static char path[PATH_MAX + 10];

	memset(path, 'x', 300);
	assert_int_equal(path_mkdir_in_root(tree->root, path, 0755, NULL), -ENAMETOOLONG);
	assert_int_equal(path_make_target(tree->root, path, false, NULL), -ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? '/' : 'y';
	assert_int_equal(path_mkdir_in_root(tree->root, path, 0755, NULL), -ENAMETOOLONG);
	assert_int_equal(path_make_target(tree->root, path, false, NULL), -ENAMETOOLONG);
	/* A link that makes it too long. */
	path[PATH_MAX - 5] = '\0';
	link_to(tree, "l", path);
	assert_int_equal(path_mkdir_in_root(tree->root, "l/long-name", 0755, NULL), -ENAMETOOLONG);
}

static void test_make_target(void **state)
{
	static const struct {
		const char *link, *target;
		const char *path;
		bool is_dir;
		const char *want;
		int error;
	} cases[] = {
	    {NULL,     NULL,                    "/file",     false, "file",            0       },
	    {NULL,     NULL,                    "/dir",      true,  "dir",             0       },
	    {NULL,     NULL,                    "/",         true,  ".",               0       },
	    {NULL,     NULL,                    "new1",      false, "new1",            0       },
	    {NULL,     NULL,                    "/a/b/new2", false, "a/b/new2",        0       },
	    {NULL,     NULL,                    "/a/b/new3", true,  "a/b/new3",        0       },
	    {NULL,     NULL,                    "/a/new4/",  false, "a/new4",          0       },
	    {"l1",     "file",                  "l1",        false, "file",            0       },
	    {"l2",     "/gone2",                "l2",        false, "gone2",           0       },
	    {"l3",     "gone/deep3",            "l3",        false, "gone/deep3",      0       },
	    {"dir/l4", "../../../../gone4",     "dir/l4",    false, "gone4",           0       },
	    {"l5",     "../../outside/secret5", "l5",        false, "outside/secret5", 0       },
	    {"l6",     "gone6",                 "l6/f",      false, "gone6/f",         0       },
	    {"l7",     "l7",                    "l7",        false, NULL,              -ELOOP  },
	    {NULL,     NULL,                    "/dir",      false, NULL,              -EISDIR },
	    {NULL,     NULL,                    "/",         false, NULL,              -EISDIR },
	    {NULL,     NULL,                    "/file",     true,  NULL,              -ENOTDIR},
	    {NULL,     NULL,                    "/file/x",   false, NULL,              -ENOTDIR},
	    {NULL,     NULL,                    "/n/..",     false, NULL,              -EISDIR },
	    {NULL,     NULL,                    "",          false, NULL,              -ENOENT },
	};
	struct tree *tree = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct stat st;
		int fd;

		if (cases[i].link)
			link_to(tree, cases[i].link, cases[i].target);
		fd = path_make_target(tree->root, cases[i].path, cases[i].is_dir, &err);
		if (!cases[i].want) {
			assert_int_equal(fd, cases[i].error);
			assert_true(wh_error_set(&err));
			continue;
		}
		assert_true(fcntl(fd, F_GETFL) & O_PATH);
		assert_return_code(fstat(fd, &st), errno);
		assert_int_equal(S_ISDIR(st.st_mode), cases[i].is_dir);
		assert_true(is_same(tree, fd, cases[i].want));
	}
	scratch_assert_text(tree->scratch, "root/file", "inside");
	assert_outside_untouched(tree);
}

static void test_open_parent(void **state)
{
	static const struct {
		const char *path;
		const char *want_parent, *want_name;
	} cases[] = {
	    {"/",         ".",   "."   },
	    {"//",        ".",   "."   },
	    {"/name",     ".",   "name"},
	    {"name",      ".",   "name"},
	    {"/dir/name", "dir", "name"},
	    {"/l/n",      "dir", "n"   },
	    {"/p/q/n",    "p/q", "n"   },
	    {"/dir//n",   "dir", "n"   },
	    {"/dir/",     NULL,  NULL  },
	    {"/dir/.",    NULL,  NULL  },
	    {"/dir/..",   NULL,  NULL  },
	    {"..",        NULL,  NULL  },
	};
	struct tree *tree = *state;

	link_to(tree, "l", "/dir");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *name = NULL;
		int fd = path_open_parent(tree->root, cases[i].path, 0755, &name, NULL);

		if (!cases[i].want_parent) {
			assert_int_equal(fd, -EINVAL);
			assert_null(name);
			continue;
		}
		assert_string_equal(name, cases[i].want_name);
		assert_true(is_same(tree, fd, cases[i].want_parent));
	}
}

/* Swap the directory "dir" for a link out of the root, over and over. */
static pid_t start_swapper(const struct tree *tree)
{
	pid_t pid;

	link_to(tree, "evil", "../outside");
	pid = fork();
	if (pid)
		return pid;
	for (;;)
		syscall(SYS_renameat2, tree->root, "dir", tree->root, "evil", RENAME_EXCHANGE);
}

static void test_swapped_while_resolving(void **state)
{
	struct tree *tree = *state;
	pid_t swapper = start_swapper(tree);
	char name[32];

	for (int i = 0; i < 2000; i++) {
		int fd;

		snprintf(name, sizeof(name), "dir/n%d/../m%d", i, i);
		fd = path_mkdir_in_root(tree->root, name, 0755, NULL);
		if (fd >= 0)
			close(fd);
		snprintf(name, sizeof(name), "dir/f%d", i);
		fd = path_make_target(tree->root, name, false, NULL);
		if (fd >= 0)
			close(fd);
		fd = path_open_in_root(tree->root, "dir/secret", O_RDONLY, 0);
		if (fd >= 0)
			fail_msg("left the root");
	}
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	assert_outside_untouched(tree);
}

static void test_check(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
	    {"/",           0      },
            {"/a/../b",     0      },
            {"/\xc3\xa9 x", 0      },
            {"",            -EINVAL},
	    {"a",           -EINVAL},
            {"/a\nb",       -EINVAL},
            {"/\x7f",       -EINVAL},
            {"/\x01",       -EINVAL},
	};
	static char longest[PATH_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;

		assert_int_equal(path_check(cases[i].path, &err), cases[i].want);
		assert_int_equal(wh_error_set(&err), cases[i].want != 0);
		assert_int_equal(err.kind, cases[i].want ? WH_ERROR_CONFIG : WH_ERROR_RUNTIME);
	}
	memset(longest, '/', PATH_MAX);
	assert_int_equal(path_check(longest, NULL), -ENAMETOOLONG);
	longest[PATH_MAX - 1] = '\0';
	assert_int_equal(path_check(longest, NULL), 0);
}

static void test_clean(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
	    {"",              "/"      },
	    {"/",             "/"      },
	    {"///",           "/"      },
	    {"a",             "/a"     },
	    {"/a/",           "/a"     },
	    {"//a///b//",     "/a/b"   },
	    {"/a/./b/.",      "/a/b"   },
	    {"/a/../b",       "/b"     },
	    {"/a/b/..",       "/a"     },
	    {"/..",           "/"      },
	    {"../../a",       "/a"     },
	    {"/a/../../../b", "/b"     },
	    {"/...",          "/..."   },
	    {"/.a/..b",       "/.a/..b"},
	    {"/a/b/../../..", "/"      },
	    {"/ab/cd/../ef",  "/ab/ef" },
	};
	char buf[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memset(buf, 'x', sizeof(buf));
		assert_int_equal(path_clean(cases[i].path, buf, sizeof(buf)),
				 strlen(cases[i].want));
		assert_string_equal(buf, cases[i].want);
	}
	assert_int_equal(path_clean("/abc", buf, 5), 4);
	assert_int_equal(path_clean("/abc", buf, 4), -ENAMETOOLONG);
	assert_int_equal(path_clean("/", buf, 2), 1);
	assert_int_equal(path_clean("/", buf, 1), -ENAMETOOLONG);
	assert_int_equal(path_clean("/", buf, 0), -ENAMETOOLONG);
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TREE_TEST(test_open_in_root_stays_inside),
	    TREE_TEST(test_open_in_root_creates_inside),
	    cmocka_unit_test(test_no_magic_links),
	    TREE_TEST(test_open_beneath_refuses),
	    TREE_TEST(test_mkdir),
	    TREE_TEST(test_chain_of_40_links),
	    TREE_TEST(test_chain_of_41_links),
	    TREE_TEST(test_too_long),
	    TREE_TEST(test_make_target),
	    TREE_TEST(test_open_parent),
	    TREE_TEST(test_swapped_while_resolving),
	    cmocka_unit_test(test_check),
	    cmocka_unit_test(test_clean),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
