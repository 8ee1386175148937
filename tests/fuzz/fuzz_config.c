/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a config.json, a process, resources and mounts: never a crash; what decodes is written in a
 * form that decodes again and is written the same.
 */
#include "fuzz.h"
#include "oci-spec/config.h"

/* Decode @text, and return what the spec is written as, or NULL when it was refused. */
static const char *decode(struct arena *arena, const char *text, size_t len, size_t *ret_len)
{
	struct wh_error err = WH_ERROR_INIT;
	const struct oci_spec *spec = NULL;
	struct problems problems;
	const char *json;
	int r;

	problems_init(&problems, arena);
	r = oci_config_decode("config.json", text, len, arena, &problems, &spec, &err);
	fuzz_check((r == 0) == (problems.n_errors == 0) || r == -12,
		   "the result and the problems differ");
	fuzz_check((r < 0) == wh_error_set(&err), "the result and the error differ");
	if (r < 0)
		return NULL;
	fuzz_check(oci_config_encode(spec, arena, &json, ret_len, &err) == 0, "cannot be written");
	return json;
}

static void decode_parts(struct arena *arena, const char *text, size_t len)
{
	const struct oci_resources *resources;
	const struct oci_process *process;
	struct oci_mount *mounts;
	struct problems problems;
	size_t n_mounts;

	problems_init(&problems, arena);
	oci_process_decode("process.json", text, len, arena, &problems, &process, NULL);
	problems_init(&problems, arena);
	oci_resources_decode("resources.json", text, len, arena, &problems, &resources, NULL);
	for (int removal = 0; removal < 2; removal++) {
		problems_init(&problems, arena);
		oci_mounts_decode("mounts.json", text, len, removal, arena, &problems, &mounts,
				  &n_mounts, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	const char *once;
	size_t len;

	if (arena_init(&arena, NULL) < 0)
		return 0;
	once = decode(&arena, (const char *)data, size, &len);
	if (once) {
		size_t again_len;
		const char *twice = decode(&arena, once, len, &again_len);

		fuzz_check(twice != NULL, "what was written is refused");
		fuzz_check(len == again_len && memcmp(once, twice, len) == 0,
			   "written otherwise the second time");
	}
	decode_parts(&arena, (const char *)data, size);
	arena_done(&arena);
	return 0;
}
