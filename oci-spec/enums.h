/* SPDX-License-Identifier: Apache-2.0 */
/* Every enumeration of the documents as a table of names: parsing, printing and `features` share
 * them. */
#pragma once

#include "base/name_table.h"

extern const struct name_table oci_namespace_types; /* "pid" -> CLONE_NEWPID, ... */
extern const struct name_table
    oci_capability_names; /* "CAP_CHOWN" -> 0, ...; all that the kernel headers and libcap know, to
			     CAP_CHECKPOINT_RESTORE */
extern const struct name_table oci_rlimit_types;       /* "RLIMIT_NOFILE" -> RLIMIT_NOFILE */
extern const struct name_table oci_scheduler_policies; /* "SCHED_OTHER" -> SCHED_OTHER */
extern const struct name_table oci_scheduler_flags;
extern const struct name_table oci_io_priority_classes;
extern const struct name_table oci_seccomp_actions;   /* -> enum oci_seccomp_action */
extern const struct name_table oci_seccomp_operators; /* -> enum oci_seccomp_op */
extern const struct name_table
    oci_seccomp_architectures; /* "SCMP_ARCH_X86" -> 0...: an index of this table */
extern const struct name_table oci_seccomp_flags; /* -> SECCOMP_FILTER_FLAG_* of the kernel */
extern const struct name_table oci_memory_policy_modes;
extern const struct name_table oci_memory_policy_flags;
extern const struct name_table oci_personality_domains;
extern const struct name_table oci_propagations; /* -> enum oci_propagation */
extern const struct name_table oci_statuses;     /* -> enum oci_status */
extern const struct name_table oci_time_clocks;  /* "monotonic" -> CLOCK_MONOTONIC, "boottime" */
