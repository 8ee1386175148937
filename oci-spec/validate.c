/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of several objects share. */
#include "oci-spec/validate.h"

#include <string.h>

#include "oci-spec/enums.h"

static bool same_string(const struct json_value *a, const struct json_value *b)
{
	return a && b && a->kind == JSON_STRING && b->kind == JSON_STRING &&
	       a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0;
}

/* Names of these lists are few (8 namespaces, 16 limits): a longer list repeats one of the first,
 * so only those are looked at. */
#define UNIQUE_MAX 64

void validate_unique(struct field_context *ctx, const struct json_value *object, const char *list,
		     const char *key)
{
	const struct json_value *array = json_member(object, list);
	const struct json_place *outer = ctx->place;
	struct json_place list_place = {.up = outer, .value = array};
	struct json_place place = {.up = &list_place};
	char quoted[JSON_QUOTE_SIZE];

	if (!array || array->kind != JSON_ARRAY)
		return;
	ctx->place = &place;
	for (place.value = array->first; place.value;
	     place.value = place.value->next, place.index++) {
		const struct json_value *name = json_member(place.value, key);
		const struct json_value *earlier = array->first;
		size_t index = 0;

		while (earlier != place.value && index < UNIQUE_MAX &&
		       !same_string(json_member(earlier, key), name)) {
			earlier = earlier->next;
			index++;
		}
		if (earlier != place.value && index < UNIQUE_MAX)
			field_problem_member(
			    ctx, place.value, key, "'%s' is listed already, as %s[%zu]",
			    json_quote(name->text, name->text_len, quoted, sizeof(quoted)), list,
			    index);
	}
	ctx->place = outer;
}

enum namespace_use validate_namespace_use(const struct json_value *linux_object, const char *type)
{
	const struct json_value *list = json_member(linux_object, "namespaces");
	enum namespace_use use = NAMESPACE_ABSENT;

	if (linux_object && linux_object->kind != JSON_OBJECT)
		return linux_object->kind == JSON_NULL ? NAMESPACE_ABSENT : NAMESPACE_UNCLEAR;
	if (!list || list->kind == JSON_NULL)
		return NAMESPACE_ABSENT;
	if (list->kind != JSON_ARRAY)
		return NAMESPACE_UNCLEAR;
	for (const struct json_value *element = list->first; element; element = element->next) {
		const struct json_value *name = json_member(element, "type");

		if (!name || name->kind != JSON_STRING ||
		    !name_table_find(&oci_namespace_types, name->text))
			return NAMESPACE_UNCLEAR;
		if (strcmp(name->text, type) == 0)
			use = field_in_document(element, "path") ? NAMESPACE_JOINED : NAMESPACE_NEW;
	}
	return use;
}
