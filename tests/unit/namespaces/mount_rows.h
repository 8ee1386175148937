/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts as a document has them, one row each. */
#pragma once

#include "oci-spec/types.h"

/** A mount: destination, type, source, and options to the end of the row. */
#define MOUNT(destination_, type_, source_, ...)                                                   \
	{                                                                                          \
		.destination = destination_, .type = type_, .source = source_,                     \
		.options = (const char *[]){__VA_ARGS__},                                          \
		.n_options = sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)          \
	}
