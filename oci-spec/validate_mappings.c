/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/validate_mappings.h"

/* UID_GID_MAP_MAX_EXTENTS of the kernel, since Linux 4.15 */
#define MAPPINGS_MAX 340

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size && a_size && b_size;
}

/* The first of the mappings before @i that overlaps it, or @i. */
static size_t find_overlap(const struct oci_id_mapping *m, size_t i)
{
	size_t k = 0;

	while (k < i && !overlap(m[k].container_id, m[k].size, m[i].container_id, m[i].size) &&
	       !overlap(m[k].host_id, m[k].size, m[i].host_id, m[i].size))
		k++;
	return k;
}

void validate_mappings(struct field_context *ctx, const struct json_value *object, const char *name,
		       const struct oci_id_mapping *mappings, size_t count)
{
	const struct json_place *outer = ctx->place;
	struct json_place list = {.up = outer, .value = json_member(object, name)};
	struct json_place place = {.up = &list};

	if (count > MAPPINGS_MAX) {
		field_problem_member(ctx, object, name, "must not have more than %d mappings",
				     MAPPINGS_MAX);
		return;
	}
	if (!count)
		return;
	ctx->place = &place;
	for (place.value = list.value->first; place.value;
	     place.value = place.value->next, place.index++) {
		size_t earlier = find_overlap(mappings, place.index);

		if (earlier != place.index)
			field_problem(ctx, NULL, "overlaps %s[%zu]", name, earlier);
	}
	ctx->place = outer;
}
