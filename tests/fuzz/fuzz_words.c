/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as each of the small languages of command lines and documents: never a crash, and what is taken
 * means what it says. The first byte chooses the language.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_list.h"
#include "base/size.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "cgroups/cgroup_path.h"
#include "cgroups/unit_name.h"
#include "cgroups/variant_text.h"
#include "cmd/duration.h"
#include "cmd/signal_name.h"
#include "libcontainer/exec_process.h"
#include "libcontainer/state_store.h"
#include "namespaces/mount_opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "%s: '%s'\n", what, text);
	abort();
}

static bool is_number(const char *text, size_t len)
{
	return len > 0 && strspn(text, "0123456789") >= len;
}

/** UID[:GID] in decimal and nothing else; 2^32 - 1 is nobody's (CVE-2016-3697, CVE-2026-30892). */
static void words_user(const char *text)
{
	struct wh_error err = WH_ERROR_INIT;
	uint32_t uid = 77, gid = 77;
	size_t len = strcspn(text, ":");

	if (exec_parse_user(text, &uid, &gid, &err) < 0)
		return;
	check(is_number(text, len) && strtoull(text, NULL, 10) == uid && uid != UINT32_MAX,
	      "not the uid it says", text);
	if (text[len] == '\0')
		return;
	check(is_number(text + len + 1, strlen(text + len + 1)) &&
		  strtoull(text + len + 1, NULL, 10) == gid && gid != UINT32_MAX,
	      "not the gid it says", text);
}

/** An id becomes a directory's name. */
static void words_id(const char *text)
{
	if (container_id_check(text, NULL) < 0)
		return;
	check(text[0] && text[0] != '.' && text[0] != '-' && !strpbrk(text, "/ \n") &&
		  strlen(text) <= CONTAINER_ID_MAX,
	      "no name of a directory", text);
}

static void words_number_list(const char *text)
{
	unsigned long mask[4] = {0};
	size_t bits = sizeof(mask) * 8;
	int highest = number_list_parse(text, mask, bits);
	int found = 0;

	for (size_t i = 0; highest >= 0 && i < bits; i++) {
		if (mask[i / (8 * sizeof(long))] >> (i % (8 * sizeof(long))) & 1)
			found = (int)i + 1;
	}
	check(highest < 0 || found == highest, "not the highest number", text);
	check(highest < 0 || strspn(text, "0123456789,-") == strlen(text), "no list", text);
}

static void words_size(const char *text)
{
	int64_t bytes = -1;

	if (size_parse(text, &bytes) == 0 && is_number(text, strlen(text)))
		check((uint64_t)bytes == strtoull(text, NULL, 10), "not the size it says", text);
}

static void words_signal(const char *text)
{
	int sig = signal_parse(text);

	check(sig < 0 || (sig >= 1 && sig <= 64), "no signal", text);
	check(sig < 0 || !is_number(text, strlen(text)) ||
		  strtoull(text, NULL, 10) == (uint64_t)sig,
	      "not the signal it says", text);
}

/** Options are separated by newlines, as the texts of a list may hold commas. */
static void words_mount_options(const char *text)
{
	char copy[512];
	const char *options[32];
	size_t count = 0;
	struct mount_flags flags;
	struct arena arena;
	char *rest = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	while (count < ARRAY_LEN(options) && rest)
		options[count++] = strsep(&rest, "\n");
	if (arena_init(&arena, NULL) < 0)
		return;
	check(mount_opts_parse(options, count, &arena, &flags, NULL) == 0, "refused", text);
	check((flags.attr_set & flags.attr_clr & ~(uint64_t)MOUNT_ATTR__ATIME) == 0,
	      "set and cleared", text);
	check(mount_flags_describe(&flags, &arena) != NULL, "cannot be told", text);
	arena_done(&arena);
}

static void words_utf8(const char *text)
{
	size_t len = strlen(text);
	size_t bad = utf8_invalid(text, len);

	check(bad <= len, "past the end", text);
	for (size_t at = 0; at < bad;) {
		size_t step = utf8_sequence_len(text + at, len - at);

		check(step >= 1 && step <= 4, "valid and no sequence", text);
		at += step;
	}
	check(bad == len || utf8_sequence_len(text + bad, len - bad) == 0, "invalid and a sequence",
	      text);
}

static void words_duration(const char *text)
{
	int64_t ms = -1;

	if (duration_parse(text, &ms) == 0)
		check(ms >= 0 && strpbrk(text, "0123456789"), "no duration", text);
}

/** An annotation org.systemd.property.NAME (a panic of runc's, fixed in 1.4.1). */
static void words_variant(const char *text)
{
	struct wh_error err = WH_ERROR_INIT;
	struct bus_value value;
	struct arena arena;

	if (arena_init(&arena, NULL) < 0)
		return;
	check((variant_text_parse(text, &arena, &value, &err) < 0) == wh_error_set(&err),
	      "the result and the error differ", text);
	arena_done(&arena);
}

/** linux.cgroupsPath for systemd: what comes out is names of units, and nothing that leads elsewhere. */
static void words_unit(const char *text)
{
	struct unit_name unit;
	struct arena arena;

	if (arena_init(&arena, NULL) < 0)
		return;
	if (unit_name_parse(text, "system.slice", "box", &arena, &unit, NULL) == 0) {
		check(!strchr(unit.name, '/') && !strchr(unit.slice, '/') &&
			  strlen(unit.name) <= UNIT_NAME_MAX_LENGTH,
		      "no unit's name", text);
		check(unit.path[0] == '/' && !strstr(unit.path, "/../") && !strstr(unit.path, "//"),
		      "no path of a cgroup", text);
	}
	arena_done(&arena);
}

/** linux.cgroupsPath: never out of the base (crun's "/../.."). */
static void words_cgroup_path(const char *text)
{
	const char *path = NULL;
	struct arena arena;

	if (arena_init(&arena, NULL) < 0)
		return;
	if (cgroup_path_join("/base", text, &arena, &path, NULL) == 0)
		check(str_after(path, "/base/") && !strstr(path, "/../") && !strstr(path, "//") &&
			  path[strlen(path) - 1] != '/',
		      "outside of its base", text);
	arena_done(&arena);
}

static void (*const languages[])(const char *text) = {
    words_user,          words_id,   words_number_list, words_size,    words_signal,
    words_mount_options, words_utf8, words_duration,    words_variant, words_unit,
    words_cgroup_path,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048];

	if (size == 0 || size > sizeof(text))
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	languages[data[0] % ARRAY_LEN(languages)](text);
	return 0;
}
