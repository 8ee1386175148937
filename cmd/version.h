/* SPDX-License-Identifier: Apache-2.0 */
/* What `wherry --version` says. */
#pragma once

#include <stdio.h>

/** Print the lines that engines read: "wherry version X", "commit: X", "spec: X" (moby's
 * parseRuntimeVersion, go-runc). */
void version_print(FILE *out);
