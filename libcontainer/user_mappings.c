/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/user_mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "libcontainer/owner.h"
#include "namespaces/ns_enter.h"
#include "oci-spec/namespace.h"

/** A hundred thousand users. */
#define SUBID_FILE_MAX (4UL << 20)

/** The number in the @len bytes at @text. Returns 0, or -EINVAL. */
static int parse_number(const char *text, size_t len, uint64_t *ret)
{
	char digits[16];

	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return str_parse_u64(digits, UINT32_MAX, ret);
}

/** NAME:FIRST:COUNT, @len bytes of it. Returns whether it is @name's, or that of the number @uid. */
static bool parse_line(const char *line, size_t len, const char *name, uint32_t uid,
		       struct id_range *ret)
{
	const char *end = line + len;
	const char *first = memchr(line, ':', len);
	const char *count = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
	uint64_t number, from, size;

	if (!count)
		return false;
	if (!(strlen(name) == (size_t)(first - line) && memcmp(line, name, strlen(name)) == 0) &&
	    !(parse_number(line, (size_t)(first - line), &number) == 0 && number == uid))
		return false;
	if (parse_number(first + 1, (size_t)(count - first - 1), &from) < 0 ||
	    parse_number(count + 1, (size_t)(end - count - 1), &size) < 0)
		return false;
	*ret = (struct id_range){(uint32_t)from, (uint32_t)size};
	return size > 0 && from + size <= UINT32_MAX;
}

int user_mappings_parse(const char *text, const char *name, uint32_t uid, struct arena *arena,
			struct id_range **ret_ranges, size_t *ret_count, struct wh_error *err)
{
	size_t lines = 1;
	size_t n = 0;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	*ret_ranges = arena_array(arena, struct id_range, lines);
	if (!*ret_ranges)
		return wh_oom(err);
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (parse_line(text, len, name, uid, &(*ret_ranges)[n]))
			n++;
		text += len + (text[len] == '\n');
	}
	*ret_count = n;
	return 0;
}

int user_mappings_plan(uint32_t id, uint32_t own_id, const struct id_range *ranges, size_t n_ranges,
		       struct arena *arena, struct oci_id_mapping **ret_mappings, size_t *ret_count,
		       struct wh_error *err)
{
	struct oci_id_mapping *maps = arena_array(arena, struct oci_id_mapping, n_ranges + 2);
	const struct oci_id_mapping own = {.container_id = id, .host_id = own_id, .size = 1};
	bool placed = false;
	uint32_t next = 0;
	size_t n = 0;

	if (!maps)
		return wh_oom(err);
	for (size_t i = 0; i < n_ranges; i++) {
		struct id_range left = ranges[i];

		while (left.count > 0) {
			uint32_t size = left.count;

			if (!placed && next == id) {
				maps[n++] = own;
				placed = true;
				next++;
			}
			if (!placed && size > id - next)
				size = id - next;
			if (size > UINT32_MAX - next) /* the last id is none */
				size = UINT32_MAX - next;
			if (size == 0)
				break;
			maps[n++] = (struct oci_id_mapping){next, left.first, size};
			next += size;
			left.first += size;
			left.count -= size;
		}
	}
	if (!placed)
		maps[n++] = own;
	*ret_mappings = maps;
	*ret_count = n;
	return 0;
}

/** What the user was given in @path. A file that is not there gives nothing. */
static int read_ranges(const char *path, struct arena *arena, struct id_range **ret_ranges,
		       size_t *ret_count, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	const char *name = owner_name(geteuid(), arena);
	char *text;
	size_t len;

	*ret_count = 0;
	if (!name)
		return wh_oom(err);
	if (file_read(AT_FDCWD, path, SUBID_FILE_MAX, arena, &text, &len, &reason) < 0) {
		log_debug("%s", reason.message);
		return 0;
	}
	return user_mappings_parse(text, name, geteuid(), arena, ret_ranges, ret_count, err);
}

static int plan_mappings(const struct oci_spec *spec, struct oci_linux *linux_, struct arena *arena,
			 struct problems *problems, struct wh_error *err)
{
	const struct oci_user user = spec->process ? spec->process->user : (struct oci_user){0};
	struct id_range *uids = NULL, *gids = NULL;
	size_t n_uids = 0, n_gids = 0;
	int rc = read_ranges("/etc/subuid", arena, &uids, &n_uids, err);

	if (rc == 0)
		rc = read_ranges("/etc/subgid", arena, &gids, &n_gids, err);
	if (rc < 0)
		return rc;
	if (n_uids == 0 || n_gids == 0 || !id_map_has_helpers()) {
		n_uids = n_gids = 0;
		problems_add(
		    problems, PROBLEM_WARNING,
		    "the container has one user and one group: for more, newuidmap, "
		    "newgidmap, and ids for you in /etc/subuid and /etc/subgid are needed");
	}
	rc = user_mappings_plan(user.uid, geteuid(), uids, n_uids, arena, &linux_->uid_mappings,
				&linux_->n_uid_mappings, err);
	return rc < 0 ? rc
		      : user_mappings_plan(user.gid, getegid(), gids, n_gids, arena,
					   &linux_->gid_mappings, &linux_->n_gid_mappings, err);
}

int user_mappings_add(const struct oci_spec **spec, struct arena *arena, struct problems *problems,
		      struct wh_error *err)
{
	const struct oci_linux *old = (*spec)->linux_;
	struct oci_spec *changed = arena_memdup(arena, *spec, sizeof(**spec));
	struct oci_linux *linux_ = arena_memdup(arena, old, sizeof(*old));
	struct oci_namespace *namespaces =
	    arena_array(arena, struct oci_namespace, old->n_namespaces + 1);
	int rc;

	if (oci_namespace_find(old, CLONE_NEWUSER))
		return 0;
	if (!changed || !linux_ || !namespaces)
		return wh_oom(err);
	for (size_t i = 0; i < old->n_namespaces; i++)
		namespaces[i] = old->namespaces[i];
	namespaces[old->n_namespaces].type = CLONE_NEWUSER;
	linux_->namespaces = namespaces;
	linux_->n_namespaces++;
	rc = plan_mappings(*spec, linux_, arena, problems, err);
	if (rc < 0)
		return rc;
	changed->linux_ = linux_;
	*spec = changed;
	return 1;
}
