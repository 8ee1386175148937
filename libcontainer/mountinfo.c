/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"

/** The fields before the optional ones, and those after the dash. */
enum { FIELD_ID, FIELD_PARENT, FIELD_DEV, FIELD_ROOT, FIELD_MOUNTPOINT, FIELD_OPTIONS, N_FIELDS };

/** \040 and its like become the bytes they stand for, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/** The next word of the line at *@line, or NULL. */
static char *next_word(char **line)
{
	return strsep(line, " ");
}

/** "major:minor" */
static int parse_dev(char *text, dev_t *ret)
{
	char *minor_text = strchr(text, ':');
	uint64_t major_number, minor_number;

	if (!minor_text)
		return -EBADMSG;
	*minor_text++ = '\0';
	if (str_parse_u64(text, UINT32_MAX, &major_number) < 0 ||
	    str_parse_u64(minor_text, UINT32_MAX, &minor_number) < 0)
		return -EBADMSG;
	*ret = makedev((unsigned int)major_number, (unsigned int)minor_number);
	return 0;
}

static int parse_line(char *line, struct mountinfo *ret)
{
	char *fields[N_FIELDS];
	uint64_t id, parent;
	char *word;

	for (size_t i = 0; i < N_FIELDS; i++) {
		fields[i] = next_word(&line);
		if (!fields[i])
			return -EBADMSG;
	}
	while ((word = next_word(&line)) && !streq(word, "-"))
		;
	word = word ? next_word(&line) : NULL;
	if (!word || str_parse_u64(fields[FIELD_ID], UINT32_MAX, &id) < 0 ||
	    str_parse_u64(fields[FIELD_PARENT], UINT32_MAX, &parent) < 0 ||
	    parse_dev(fields[FIELD_DEV], &ret->dev) < 0)
		return -EBADMSG;
	unescape(fields[FIELD_ROOT]);
	unescape(fields[FIELD_MOUNTPOINT]);
	ret->id = (uint32_t)id;
	ret->parent = (uint32_t)parent;
	ret->root = fields[FIELD_ROOT];
	ret->mountpoint = fields[FIELD_MOUNTPOINT];
	ret->fs_type = word;
	ret->readonly = str_after(fields[FIELD_OPTIONS], "ro") != NULL;
	return 0;
}

int mountinfo_parse(char *text, struct arena *arena, struct mountinfo **ret_mounts,
		    size_t *ret_count)
{
	struct mountinfo *mounts;
	size_t count = 0;
	char *line;

	for (const char *c = text; *c; c++)
		count += *c == '\n';
	mounts = arena_array(arena, struct mountinfo, count + 1);
	if (!mounts)
		return -ENOMEM;
	count = 0;
	while ((line = strsep(&text, "\n")) && *line) {
		if (parse_line(line, &mounts[count++]) < 0)
			return -EBADMSG;
	}
	*ret_mounts = mounts;
	*ret_count = count;
	return 0;
}

/** More than the mounts of any host. */
#define MOUNTINFO_MAX (16UL << 20)

static int read_all(int fd, struct arena *arena, char **ret_text)
{
	size_t size = 65536;
	size_t used = 0;
	auto_free char *buf = malloc(size);

	for (;;) {
		ssize_t n;

		if (!buf || size > MOUNTINFO_MAX)
			return -ENOMEM;
		n = read(fd, buf + used, size - used);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used == size) {
			char *more = realloc(buf, size *= 2);

			if (!more)
				return -ENOMEM;
			buf = more;
		}
	}
	*ret_text = arena_strndup(arena, buf, used);
	return *ret_text ? 0 : -ENOMEM;
}

int mountinfo_read(pid_t pid, struct arena *arena, struct mountinfo **ret_mounts, size_t *ret_count,
		   struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	auto_fd fd = -EBADF;
	char path[32];
	char *text = NULL;
	int rc;

	if (proc < 0)
		return proc;
	if (pid > 0)
		snprintf(path, sizeof(path), "%d/mountinfo", (int)pid);
	else
		snprintf(path, sizeof(path), "self/mountinfo");
	fd = procfs_open_file(proc, path, O_RDONLY, err);
	if (fd < 0)
		return fd;
	rc = read_all(fd, arena, &text);
	if (rc == 0 && text)
		rc = mountinfo_parse(text, arena, ret_mounts, ret_count);
	return rc < 0 ? wh_fail(err, -rc, "read the mounts of process %d", (int)pid) : 0;
}

int mountinfo_of_fd(pid_t pid, int fd, uint32_t *ret_id)
{
	static const char key[] = "mnt_id:";
	auto_fd proc = procfs_open(true, NULL);
	char path[48];
	char text[512];
	const char *at;

	if (proc < 0)
		return proc;
	if (pid > 0)
		snprintf(path, sizeof(path), "%d/fdinfo/%d", (int)pid, fd);
	else
		snprintf(path, sizeof(path), "self/fdinfo/%d", fd);
	if (procfs_read(proc, path, text, sizeof(text), NULL) < 0)
		return -ESRCH;
	at = strstr(text, key);
	if (!at)
		return -EBADMSG;
	*ret_id = (uint32_t)strtoul(at + sizeof(key) - 1, NULL, 10);
	return 0;
}
