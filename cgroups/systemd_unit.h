/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's unit, decided from the document alone: its name, its slice, and the properties it is
 * started with (all but the pids). Pure.
 */
#pragma once

#include "cgroups/bus_value.h"
#include "cgroups/unit_name.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

struct systemd_unit {
	struct unit_name name;
	bool user; /* of the caller's own manager, not of the host's */
	struct bus_properties properties;
};

/** Annotations with this prefix are properties of the unit, their values in GVariant's text format. */
#define SYSTEMD_PROPERTY_PREFIX "org.systemd.property."

/**
 * Complete @unit, whose name is set: what every container's unit has, then @limits (by
 * resource_files_properties()) and the device rules, last what annotations ask for. Adds problems for
 * annotations that cannot be read. Returns 0 or -ENOMEM.
 */
int systemd_unit_plan(const struct oci_spec *spec, const char *id,
		      const struct bus_properties *limits, struct arena *arena,
		      struct problems *problems, struct systemd_unit *unit);
