/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules as systemd knows them: DevicePolicy and DeviceAllow. They are a list of what is allowed,
 * so that a refusal inside of what is allowed cannot be said: that is left to our own program, which
 * stands beside systemd's (both must allow). Pure.
 */
#pragma once

#include "base/error.h"
#include "cgroups/bus_value.h"
#include "oci-spec/types.h"

/**
 * Append the properties: never narrower than @rules. Returns 0, or -errno with a text that starts with
 * the rule's index, as device_program_build() has it.
 */
int device_property_add(const struct oci_device_rule *rules, size_t n_rules,
			struct bus_properties *properties, struct wh_error *err);
