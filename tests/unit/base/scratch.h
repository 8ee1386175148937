/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of its own for every test that needs files: group fixtures for cmocka, and makers
 * that assert. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char path[64];
	int fd; /* of the directory */
};

/** cmocka setup: make the directory; *@state is the struct scratch. */
static inline int scratch_setup(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	if (!scratch)
		return -1;
	strcpy(scratch->path, "/tmp/wherry-unit-XXXXXX");
	if (!mkdtemp(scratch->path))
		return -1;
	scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = scratch;
	return scratch->fd < 0 ? -1 : 0;
}

static inline int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/** cmocka teardown: remove the directory and all in it. */
static inline int scratch_teardown(void **state)
{
	struct scratch *scratch = *state;
	int r = nftw(scratch->path, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);

	close(scratch->fd);
	free(scratch);
	return r;
}

/** Make the directory @path in the scratch directory. */
static inline void scratch_mkdir(const struct scratch *scratch, const char *path)
{
	assert_return_code(mkdirat(scratch->fd, path, 0755), errno);
}

/** Make or overwrite the file @path with @text. */
static inline void scratch_write(const struct scratch *scratch, const char *path, const char *text)
{
	int fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/** Assert that the file @path holds exactly @text. */
static inline void scratch_assert_text(const struct scratch *scratch, const char *path,
				       const char *text)
{
	char buf[8192];
	int fd = openat(scratch->fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_return_code(fd, errno);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	assert_return_code(n, errno);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}
