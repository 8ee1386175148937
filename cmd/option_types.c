/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of options: how each one's text becomes a value. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "cmd/duration.h"
#include "cmd/options.h"

/** The words that Go's strconv.ParseBool takes, and thus runc after "--flag=". */
static const struct {
	const char *word;
	bool value;
} booleans[] = {
    {"true",  true },
    {"TRUE",  true },
    {"True",  true },
    {"t",     true },
    {"T",     true },
    {"1",     true },
    {"false", false},
    {"FALSE", false},
    {"False", false},
    {"f",     false},
    {"F",     false},
    {"0",     false},
};

static int store_flag(const struct option *option, const char *text, void *dest,
		      struct arena *arena, struct wh_error *err)
{
	if (!text) {
		*(bool *)dest = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(booleans); i++) {
		if (streq(text, booleans[i].word)) {
			*(bool *)dest = booleans[i].value;
			return 0;
		}
	}
	return wh_fail_kind(err, WH_ERROR_USAGE, 0, "expected true or false");
}

const struct option_type option_flag = {.takes_value = false, .store = store_flag};

static int store_string(const struct option *option, const char *text, void *dest,
			struct arena *arena, struct wh_error *err)
{
	*(const char **)dest = text;
	return 0;
}

const struct option_type option_string = {.takes_value = true, .store = store_string};

static int store_count(const struct option *option, const char *text, void *dest,
		       struct arena *arena, struct wh_error *err)
{
	uint64_t value;

	if (str_parse_u64(text, INT_MAX, &value) < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "expected a number from 0 on");
	*(unsigned int *)dest = (unsigned int)value;
	return 0;
}

const struct option_type option_count = {.takes_value = true, .store = store_count};

/** Let the option's pointer point to a copy of @value in the arena. */
static int keep(void *dest, const void *value, size_t size, struct arena *arena,
		struct wh_error *err)
{
	const void *kept = arena_memdup(arena, value, size);

	if (!kept)
		return wh_oom(err);
	memcpy(dest, &kept, sizeof(kept));
	return 0;
}

static int store_i64(const struct option *option, const char *text, void *dest, struct arena *arena,
		     struct wh_error *err)
{
	int64_t value;

	if (str_parse_i64(text, &value) < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "expected a number");
	return keep(dest, &value, sizeof(value), arena, err);
}

const struct option_type option_i64 = {.takes_value = true, .store = store_i64};

static int store_u64(const struct option *option, const char *text, void *dest, struct arena *arena,
		     struct wh_error *err)
{
	uint64_t value;

	if (str_parse_u64(text, UINT64_MAX, &value) < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "expected a number from 0 on");
	return keep(dest, &value, sizeof(value), arena, err);
}

const struct option_type option_u64 = {.takes_value = true, .store = store_u64};

static int store_size(const struct option *option, const char *text, void *dest,
		      struct arena *arena, struct wh_error *err)
{
	int64_t value = -1;

	if (!streq(text, "-1") && size_parse(text, &value) < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "expected a size like 512m, or -1 for none");
	return keep(dest, &value, sizeof(value), arena, err);
}

const struct option_type option_size = {.takes_value = true, .store = store_size};

static int store_duration(const struct option *option, const char *text, void *dest,
			  struct arena *arena, struct wh_error *err)
{
	int64_t value;

	if (duration_parse(text, &value) < 0 || value == 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "expected a duration like 5s, 100ms or 1m30s");
	return keep(dest, &value, sizeof(value), arena, err);
}

const struct option_type option_duration = {.takes_value = true, .store = store_duration};

/** Room grows by doubling; what is outgrown stays in the arena. */
static int store_list(const struct option *option, const char *text, void *dest,
		      struct arena *arena, struct wh_error *err)
{
	struct string_list *list = dest;

	if ((list->count & (list->count - 1)) == 0) {
		const char **items =
		    arena_array(arena, const char *, list->count ? list->count * 2 : 1);

		if (!items)
			return wh_oom(err);
		if (list->count)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
	}
	list->items[list->count++] = text;
	return 0;
}

const struct option_type option_list = {.takes_value = true, .store = store_list};

static int refuse_choice(const struct option *option, struct wh_error *err)
{
	char words[256];
	size_t used = 0;

	for (size_t i = 0; option->choices[i] && used < sizeof(words); i++)
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s", i ? ", " : "",
					 option->choices[i]);
	return wh_fail_kind(err, WH_ERROR_USAGE, 0, "expected one of %s", words);
}

static int store_choice(const struct option *option, const char *text, void *dest,
			struct arena *arena, struct wh_error *err)
{
	for (int i = 0; option->choices[i]; i++) {
		if (streq(text, option->choices[i])) {
			*(struct choice *)dest = (struct choice){.given = true, .value = i};
			return 0;
		}
	}
	return refuse_choice(option, err);
}

const struct option_type option_choice = {.takes_value = true, .store = store_choice};
