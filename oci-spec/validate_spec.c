/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "oci-spec/types.h"
#include "oci-spec/validate.h"
#include "oci-spec/validate_mappings.h"

static bool has_option(const struct oci_mount *mount, const char *option)
{
	for (size_t i = 0; i < mount->n_options; i++)
		if (mount->options[i] && streq(mount->options[i], option))
			return true;
	return false;
}

void validate_mount(struct field_context *ctx, const struct json_value *object, const void *decoded)
{
	const struct oci_mount *mount = decoded;
	bool bind = has_option(mount, "bind") || has_option(mount, "rbind");

	/* config.md#posix-platform-mounts: both MUST be set, or none */
	if (mount->uid_mappings && !mount->gid_mappings)
		field_problem_member(ctx, object, "gidMappings", "missing, but uidMappings is set");
	if (mount->gid_mappings && !mount->uid_mappings)
		field_problem_member(ctx, object, "uidMappings", "missing, but gidMappings is set");
	validate_mappings(ctx, object, "uidMappings", mount->uid_mappings, mount->n_uid_mappings);
	validate_mappings(ctx, object, "gidMappings", mount->gid_mappings, mount->n_gid_mappings);
	if (ctx->partial) /* to take it away, where it is says enough */
		return;
	if (bind && !mount->source)
		field_problem(ctx, object, "a bind mount needs a source");
	if (!bind && !mount->type && !has_option(mount, "remount"))
		field_problem(
		    ctx, object,
		    "missing type: only a mount with the option bind, rbind or remount needs none");
}

/* hostname and domainname would be the host's without a uts namespace. */
static void validate_uts(struct field_context *ctx, const struct json_value *object,
			 const struct oci_spec *spec)
{
	static const char needed[] = "needs a uts namespace in linux.namespaces";

	if (validate_namespace_use(json_member(object, "linux"), "uts") != NAMESPACE_ABSENT)
		return;
	if (spec->hostname)
		field_problem_member(ctx, object, "hostname", "%s", needed);
	if (spec->domainname)
		field_problem_member(ctx, object, "domainname", "%s", needed);
}

/* An idmapped mount without mappings takes those of the container's user namespace (config.md,
 * mount option `idmap`). */
static void validate_idmap(struct field_context *ctx, const struct json_value *object,
			   const struct oci_spec *spec)
{
	const struct json_value *list = json_member(object, "mounts");
	const struct json_place *outer = ctx->place;
	struct json_place list_place = {.up = outer, .value = list};
	struct json_place place = {.up = &list_place};

	if (!spec->n_mounts ||
	    validate_namespace_use(json_member(object, "linux"), "user") != NAMESPACE_ABSENT)
		return;
	ctx->place = &place;
	for (place.value = list->first; place.value;
	     place.value = place.value->next, place.index++) {
		const struct oci_mount *mount = &spec->mounts[place.index];

		if (!field_in_document(place.value, "uidMappings") &&
		    (has_option(mount, "idmap") || has_option(mount, "ridmap")))
			field_problem_member(ctx, place.value, "uidMappings",
					     "missing: an idmapped mount needs mappings, its own "
					     "or those of a user namespace");
	}
	ctx->place = outer;
}

void validate_spec(struct field_context *ctx, const struct json_value *object, const void *decoded)
{
	validate_uts(ctx, object, decoded);
	validate_idmap(ctx, object, decoded);
}
