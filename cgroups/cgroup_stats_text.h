/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of statistics that are more than one number or "key value" lines. Each parser takes the
 * text of its file, leaves out what it does not understand, and returns 0 or -ENOMEM. Pure.
 */
#pragma once

#include "base/arena.h"
#include "oci-spec/stats.h"

/** "some avg10=0.12 avg60=0.00 avg300=0.00 total=4", and "full ..." (psi.rst). */
int stats_text_pressure(const char *text, struct arena *arena, void *dest);
/** All of memory.stat into struct oci_memory_stats' raw. */
int stats_text_raw(const char *text, struct arena *arena, void *dest);
/** "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." into struct oci_io_stats. */
int stats_text_io(const char *text, struct arena *arena, void *dest);
/** "mlx5_0 hca_handle=2 hca_object=max" into a list of struct oci_rdma_stats. */
int stats_text_rdma_current(const char *text, struct arena *arena, void *dest);
int stats_text_rdma_limit(const char *text, struct arena *arena, void *dest);
/** "0-3,7" into the processors and the memory nodes of struct oci_cpuset_stats. */
int stats_text_cpus(const char *text, struct arena *arena, void *dest);
int stats_text_mems(const char *text, struct arena *arena, void *dest);
