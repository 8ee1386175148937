/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/namespace.h"

#include "base/str.h"

const struct oci_namespace *oci_namespace_find(const struct oci_linux *linux_, int64_t type)
{
	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		if (linux_->namespaces[i].type == type)
			return &linux_->namespaces[i];
	}
	return NULL;
}

bool oci_namespace_is_new(const struct oci_namespace *ns)
{
	return ns && str_empty(ns->path);
}

bool oci_namespace_is_joined(const struct oci_namespace *ns)
{
	return ns && !str_empty(ns->path);
}
