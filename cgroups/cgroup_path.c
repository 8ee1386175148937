/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"

/** A path under construction. */
struct path_text {
	char text[PATH_MAX];
	size_t len;
};

static int check_component(const char *name, size_t len, struct wh_error *err)
{
	if (len > NAME_MAX)
		return wh_fail(err, 0, "a name in it is longer than %d bytes", NAME_MAX);
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return wh_fail(err, 0, "'.' and '..' are not allowed in a cgroup path");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return wh_fail(err, 0,
				       "control characters are not allowed in a cgroup path");
	return 0;
}

static int append_components(struct path_text *out, const char *path, struct wh_error *err)
{
	for (;;) {
		size_t len;
		int rc;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			return 0;
		rc = check_component(path, len, err);
		if (rc < 0)
			return rc;
		if (out->len + 1 + len >= sizeof(out->text))
			return wh_fail(err, 0, "it is longer than %d bytes", PATH_MAX - 1);
		out->text[out->len] = '/';
		memcpy(out->text + out->len + 1, path, len);
		out->len += 1 + len;
		path += len;
	}
}

int cgroup_path_join(const char *base, const char *path, struct arena *arena, const char **ret_path,
		     struct wh_error *err)
{
	struct path_text out;
	const char *copy;
	size_t base_len;
	int rc;

	out.len = 0;
	rc = append_components(&out, base, err);
	if (rc < 0)
		return rc;
	base_len = out.len;
	rc = append_components(&out, path, err);
	if (rc < 0)
		return rc;
	if (out.len == base_len)
		return wh_fail(
		    err, 0,
		    "it names the root of the hierarchy, a container needs a cgroup of its own");
	copy = arena_strndup(arena, out.text, out.len);
	if (!copy)
		return wh_oom(err);
	*ret_path = copy;
	return 0;
}
