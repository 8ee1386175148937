/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

struct arena fake_tree_arena;

int fake_tree_setup(void **state)
{
	struct fake_tree *tree = calloc(1, sizeof(*tree));

	*state = tree;
	if (!tree || arena_init(&fake_tree_arena, NULL) < 0)
		return -1;
	strcpy(tree->path, "/tmp/wherry-cgroup-tree-XXXXXX");
	if (!mkdtemp(tree->path))
		return -1;
	tree->fd = open(tree->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return tree->fd < 0 ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int fake_tree_teardown(void **state)
{
	struct fake_tree *tree = *state;

	fd_close(tree->fd);
	arena_done(&fake_tree_arena);
	nftw(tree->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(tree);
	return 0;
}

void fake_tree_mkdir(const struct fake_tree *tree, const char *path)
{
	assert_int_equal(mkdirat(tree->fd, path, 0755), 0);
}

void fake_tree_file(const struct fake_tree *tree, const char *path, const char *text)
{
	auto_fd fd = openat(tree->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

const char *fake_tree_read(const struct fake_tree *tree, const char *path)
{
	static char text[4096];
	auto_fd fd = openat(tree->fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}
