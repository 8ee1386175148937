/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts that come into a running container, or leave it: what both ends have to agree on. */
#pragma once

/** As many at once. */
#define MOUNTS_MAX 128
