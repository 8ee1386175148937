/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "tests/unit/base/scratch.h"

#include <dirent.h>
#include <sys/mount.h>

#include "base/str.h"

static int entries(int dir_fd, const char *path)
{
	DIR *dir = fdopendir(openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void test_read(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8193, 70000};
	struct scratch *scratch = *state;
	struct arena arena = {0};

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct wh_error err = WH_ERROR_INIT;
		char *text = malloc(sizes[i] + 1), *data;
		size_t len;

		memset(text, 'a', sizes[i]);
		text[sizes[i]] = '\0';
		scratch_write(scratch, "f", text);
		assert_int_equal(file_read(scratch->fd, "f", sizes[i], &arena, &data, &len, &err),
				 0);
		assert_int_equal(len, sizes[i]);
		assert_string_equal(data, text);
		if (sizes[i])
			assert_int_equal(
			    file_read(scratch->fd, "f", sizes[i] - 1, &arena, &data, &len, &err),
			    -EFBIG);
		free(text);
	}
	arena_done(&arena);
}

/* A pipe gives what it holds in pieces, from where it stands. */
static void test_read_stream(void **state)
{
	static const char text[10000] = {[0 ... 9998] = 'x'};
	struct wh_error err = WH_ERROR_INIT;
	struct arena arena = {0};
	int fds[2];
	char *data, byte;
	size_t len;

	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(file_read_stream(fds[0], "a pipe", 20000, &arena, &data, &len, &err), 0);
	close(fds[0]);
	assert_int_equal(len, strlen(text) - 1);
	assert_string_equal(data, text + 1);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, 101), 101);
	close(fds[1]);
	assert_int_equal(file_read_stream(fds[0], "a pipe", 100, &arena, &data, &len, &err),
			 -EFBIG);
	assert_string_equal(err.message, "'a pipe' is larger than 100 bytes");
	close(fds[0]);
	arena_done(&arena);
}

/* procfs says that its files are empty; this one grows when somebody loads a program. */
static void test_read_of_unknown_size(void **state)
{
	struct arena arena = {0};
	char *data, *again;
	size_t len, len_again;
	FILE *file = fopen("/proc/kallsyms", "re");

	assert_non_null(file);
	fclose(file);
	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(file_read(AT_FDCWD, "/proc/kallsyms", 64 << 20, &arena, &data, &len, NULL),
			 0);
	assert_true(len > 10000);
	assert_int_equal(strlen(data), len);
	assert_int_equal(
	    file_read(AT_FDCWD, "/proc/kallsyms", len / 2, &arena, &again, &len_again, NULL),
	    -EFBIG);
	arena_done(&arena);
}

static void test_read_refuses(void **state)
{
	static const struct {
		const char *path;
		int want;
		const char *text;
	} cases[] = {
	    {"missing",   -ENOENT, "missing"           },
	    {"dir",       -EISDIR, "dir"               },
	    {"fifo",      -EINVAL, "not a regular file"},
	    {"/dev/zero", -EINVAL, "not a regular file"},
	    {"loop",      -ELOOP,  "loop"              },
	};
	struct scratch *scratch = *state;
	struct arena arena = {0};

	assert_int_equal(arena_init(&arena, NULL), 0);
	scratch_mkdir(scratch, "dir");
	assert_return_code(mkfifoat(scratch->fd, "fifo", 0600), errno);
	assert_return_code(symlinkat("loop", scratch->fd, "loop"), errno);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		char *data;
		size_t len;

		assert_int_equal(
		    file_read(scratch->fd, cases[i].path, 100, &arena, &data, &len, &err),
		    cases[i].want);
		assert_non_null(strstr(err.message, cases[i].text));
	}
	arena_done(&arena);
}

static void test_read_small(void **state)
{
	static const struct {
		const char *text;
		ssize_t want;
		const char *want_text;
	} cases[] = {
	    {"",         0,      ""       },
	    {"\n",       0,      ""       },
	    {"a\n",      1,      "a"      },
	    {"a\n\n",    2,      "a\n"    },
	    {"1234567",  7,      "1234567"},
	    {"123456\n", 6,      "123456" },
	    {"12345678", -EFBIG, NULL     },
	};
	struct scratch *scratch = *state;
	char buf[8];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scratch_write(scratch, "f", cases[i].text);
		assert_int_equal(file_read_small(scratch->fd, "f", buf, sizeof(buf)),
				 cases[i].want);
		if (cases[i].want_text)
			assert_string_equal(buf, cases[i].want_text);
	}
	assert_int_equal(file_read_small(scratch->fd, "missing", buf, sizeof(buf)), -ENOENT);
}

static void test_replace(void **state)
{
	struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	char stale[64];
	struct stat st;

	assert_int_equal(file_replace(scratch->fd, "f", "one", 3, 0600, &err), 0);
	scratch_assert_text(scratch, "f", "one");
	assert_return_code(fstatat(scratch->fd, "f", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0600);

	/* A name that a killed process of the same pid left is passed over and left alone. */
	snprintf(stale, sizeof(stale), "f.%d.0.tmp", (int)getpid());
	scratch_write(scratch, stale, "a longer text than the new one");
	assert_int_equal(file_replace(scratch->fd, "f", "two", 3, 0600, &err), 0);
	scratch_assert_text(scratch, "f", "two");
	assert_int_equal(entries(scratch->fd, "."), 2);
}

/* Never through a link: the link itself is replaced. */
static void test_replace_of_a_link(void **state)
{
	struct scratch *scratch = *state;
	char stale[64];
	struct stat st;

	scratch_write(scratch, "victim", "untouched");
	assert_return_code(symlinkat("victim", scratch->fd, "f"), errno);
	snprintf(stale, sizeof(stale), "f.%d.0.tmp", (int)getpid());
	assert_return_code(symlinkat("victim", scratch->fd, stale), errno);
	assert_int_equal(file_replace(scratch->fd, "f", "new", 3, 0600, NULL), 0);
	scratch_assert_text(scratch, "victim", "untouched");
	scratch_assert_text(scratch, "f", "new");
	assert_return_code(fstatat(scratch->fd, "f", &st, AT_SYMLINK_NOFOLLOW), errno);
	assert_true(S_ISREG(st.st_mode));
}

static void test_replace_fails(void **state)
{
	struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	char name[300];

	scratch_mkdir(scratch, "dir");
	assert_int_equal(file_replace(scratch->fd, "dir", "x", 1, 0600, &err), -EISDIR);
	assert_non_null(strstr(err.message, "'dir'"));
	assert_int_equal(file_replace(scratch->fd, "missing/f", "x", 1, 0600, &err), -ENOENT);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(file_replace(scratch->fd, name, "x", 1, 0600, &err), -ENAMETOOLONG);
	assert_int_equal(entries(scratch->fd, "."), 1);
}

static void test_replace_when_the_disk_is_full(void **state)
{
	struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	static char data[200000];
	char path[100], text[256];

	if (geteuid() != 0) {
		print_message("needs root to mount a small tmpfs\n");
		skip();
	}
	scratch_mkdir(scratch, "small");
	snprintf(path, sizeof(path), "%s/small", scratch->path);
	assert_return_code(mount("tmpfs", path, "tmpfs", 0, "size=64k"), errno);
	assert_int_equal(file_replace(scratch->fd, "small/f", "old", 3, 0600, &err), 0);
	assert_int_equal(file_replace(scratch->fd, "small/f", data, sizeof(data), 0600, &err),
			 -ENOSPC);
	wh_error_format(&err, text, sizeof(text));
	assert_string_equal(text, "write 'small/f': no space left on device");
	scratch_assert_text(scratch, "small/f", "old");
	assert_int_equal(entries(scratch->fd, "small"), 1);
	assert_return_code(umount2(path, MNT_DETACH), errno);
}

static void test_write_existing(void **state)
{
	struct scratch *scratch = *state;

	scratch_write(scratch, "f", "xxxxx");
	assert_int_equal(file_write_existing(scratch->fd, "f", "ab"), 0);
	scratch_assert_text(scratch, "f", "abxxx");
	assert_int_equal(file_write_existing(scratch->fd, "missing", "ab"), -ENOENT);
	assert_int_equal(faccessat(scratch->fd, "missing", F_OK, 0), -1);
	assert_int_equal(file_write_existing(AT_FDCWD, "/dev/full", "ab"), -ENOSPC);
	assert_int_equal(file_write_existing(scratch->fd, ".", "ab"), -EISDIR);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read_stream),
	    SCRATCH_TEST(test_read),
	    cmocka_unit_test(test_read_of_unknown_size),
	    SCRATCH_TEST(test_read_refuses),
	    SCRATCH_TEST(test_read_small),
	    SCRATCH_TEST(test_replace),
	    SCRATCH_TEST(test_replace_of_a_link),
	    SCRATCH_TEST(test_replace_fails),
	    SCRATCH_TEST(test_replace_when_the_disk_is_full),
	    SCRATCH_TEST(test_write_existing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
