/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/owner.h"

#include <pwd.h>
#include <stdio.h>

const char *owner_name(uint32_t uid, struct arena *arena)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry = NULL;
	const char *name;

	while (file && (entry = fgetpwent(file)) && entry->pw_uid != uid)
		;
	name = entry ? arena_strdup(arena, entry->pw_name) : arena_printf(arena, "%u", uid);
	if (file)
		fclose(file);
	return name;
}
