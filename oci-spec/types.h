/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime-spec's Linux configuration (config.md, config-linux.md, versions 1.0 to 1.3) as plain
 * structs, one member a property, named as in the document.
 *
 * Memory: all of it lives in the arena the document was decoded into; everything is const once
 * decoded. Presence: a pointer that is NULL was not in the document. `T *x; size_t n_x;` is an
 * array: x is NULL when absent and not NULL when present, even if empty. Scalars that are not
 * pointers are required, or have the default stated beside them. Enumerations and flags hold the
 * kernel's value where there is one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_string_map {
	const char *key;
	const char *value;
};

struct oci_root {
	const char *path; /* as written; relative to the bundle */
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct oci_mount {
	const char *destination;
	const char *type; /* NULL or "none" for binds; a bind is what has `bind` or `rbind` in its
			     options */
	const char *source;
	const char **options;
	size_t n_options;
	struct oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
};

struct oci_console_size {
	uint64_t height;
	uint64_t width;
};

struct oci_user {
	uint32_t uid;
	uint32_t gid;
	const uint32_t *umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
	const char *username; /* not for Linux; kept for the round trip */
};

struct oci_rlimit {
	int64_t type; /* RLIMIT_* of the kernel */
	uint64_t soft;
	uint64_t hard;
};

/** A capability set as a bit mask (bit = CAP_* number). Names unknown to wherry are kept apart: the
 * spec wants a warning. */
struct oci_capability_set {
	uint64_t mask;
	const char **unknown;
	size_t n_unknown;
};

struct oci_capabilities {
	const struct oci_capability_set *bounding;
	const struct oci_capability_set *effective;
	const struct oci_capability_set *inheritable;
	const struct oci_capability_set *permitted;
	const struct oci_capability_set *ambient;
};

struct oci_scheduler {
	int64_t policy; /* SCHED_* */
	const int64_t *nice;
	const int64_t *priority;
	const uint64_t *runtime;
	const uint64_t *deadline;
	const uint64_t *period;
	uint64_t flags; /* SCHED_FLAG_*, or-ed; 0 when absent */
	bool has_flags;
};

struct oci_io_priority {
	int64_t io_class; /* IOPRIO_CLASS_* */
	int64_t priority;
};

struct oci_exec_cpu_affinity {
	const char *initial;
	const char *final;
};

struct oci_process {
	bool terminal;
	const struct oci_console_size *console_size;
	struct oci_user user;
	const char **args;
	size_t n_args;
	const char *command_line; /* Windows; kept for the round trip */
	const char **env;
	size_t n_env;
	const char *cwd;
	const struct oci_capabilities *capabilities;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	const bool *no_new_privileges;
	const char *apparmor_profile;
	const char *selinux_label;
	const int64_t *oom_score_adj;
	const struct oci_scheduler *scheduler;
	const struct oci_io_priority *io_priority;
	const struct oci_exec_cpu_affinity *exec_cpu_affinity;
};

struct oci_hook {
	const char *path;
	const char **args;
	size_t n_args;
	const char **env;
	size_t n_env;
	const int64_t *timeout; /* seconds, > 0 */
};

struct oci_hooks {
	struct oci_hook *prestart;
	size_t n_prestart;
	struct oci_hook *create_runtime;
	size_t n_create_runtime;
	struct oci_hook *create_container;
	size_t n_create_container;
	struct oci_hook *start_container;
	size_t n_start_container;
	struct oci_hook *poststart;
	size_t n_poststart;
	struct oci_hook *poststop;
	size_t n_poststop;
};

struct oci_namespace {
	int64_t type;     /* CLONE_NEW* */
	const char *path; /* NULL = a new one */
};

struct oci_device {
	char type; /* 'c', 'b', 'u' (= 'c') or 'p' */
	const char *path;
	const int64_t *major;
	const int64_t *minor;
	const uint32_t *file_mode;
	const uint32_t *uid;
	const uint32_t *gid;
};

struct oci_net_device {
	const char *host_name; /* the map's key */
	const char *name;      /* in the container; NULL = the same */
};

struct oci_time_offset {
	int64_t clock; /* CLOCK_MONOTONIC or CLOCK_BOOTTIME: the map's key */
	int64_t secs;
	uint32_t nanosecs;
};

/* resources (config-linux.md#control-groups) */

struct oci_device_rule {
	bool allow;
	char type;            /* 'a' (default), 'c' or 'b' */
	const int64_t *major; /* NULL = any; the -1 that engines write for it arrives as NULL too */
	const int64_t *minor;
	const char *access; /* of "rwm"; NULL = all */
};

struct oci_memory {
	const int64_t *limit;
	const int64_t *reservation;
	const int64_t *swap;
	const int64_t *kernel;
	const int64_t *kernel_tcp;
	const uint64_t *swappiness;
	const bool *disable_oom_killer;
	const bool *use_hierarchy;
	const bool *check_before_update;
};

struct oci_cpu {
	const uint64_t *shares;
	const int64_t *quota;
	const uint64_t *burst;
	const uint64_t *period;
	const int64_t *realtime_runtime;
	const uint64_t *realtime_period;
	const char *cpus;
	const char *mems;
	const int64_t *idle;
};

struct oci_weight_device {
	int64_t major;
	int64_t minor;
	const uint16_t *weight;
	const uint16_t *leaf_weight;
};

struct oci_throttle_device {
	int64_t major;
	int64_t minor;
	uint64_t rate;
};

struct oci_block_io {
	const uint16_t *weight;
	const uint16_t *leaf_weight;
	struct oci_weight_device *weight_device;
	size_t n_weight_device;
	struct oci_throttle_device *throttle_read_bps_device;
	size_t n_throttle_read_bps_device;
	struct oci_throttle_device *throttle_write_bps_device;
	size_t n_throttle_write_bps_device;
	struct oci_throttle_device *throttle_read_iops_device;
	size_t n_throttle_read_iops_device;
	struct oci_throttle_device *throttle_write_iops_device;
	size_t n_throttle_write_iops_device;
};

struct oci_hugepage_limit {
	const char *page_size;
	uint64_t limit;
};

struct oci_interface_priority {
	const char *name;
	uint32_t priority;
};

struct oci_network {
	const uint32_t *class_id;
	struct oci_interface_priority *priorities;
	size_t n_priorities;
};

struct oci_pids {
	const int64_t *limit;
};

struct oci_rdma {
	const char *device; /* the map's key */
	const uint32_t *hca_handles;
	const uint32_t *hca_objects;
};

struct oci_resources {
	struct oci_device_rule *devices;
	size_t n_devices;
	const struct oci_memory *memory;
	const struct oci_cpu *cpu;
	const struct oci_pids *pids;
	const struct oci_block_io *block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	const struct oci_network *network;
	struct oci_rdma *rdma;
	size_t n_rdma;
	struct oci_string_map *unified;
	size_t n_unified;
};

/* seccomp */

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value;
	uint64_t value_two;
	int64_t op; /* enum oci_seccomp_op */
};

enum oci_seccomp_op {
	OCI_SECCOMP_NE,
	OCI_SECCOMP_LT,
	OCI_SECCOMP_LE,
	OCI_SECCOMP_EQ,
	OCI_SECCOMP_GE,
	OCI_SECCOMP_GT,
	OCI_SECCOMP_MASKED_EQ,
};

/** In the order of `seccomp_actions` in oci-spec/enums.c. */
enum oci_seccomp_action {
	OCI_SECCOMP_KILL, /* = KILL_THREAD */
	OCI_SECCOMP_KILL_PROCESS,
	OCI_SECCOMP_KILL_THREAD,
	OCI_SECCOMP_TRAP,
	OCI_SECCOMP_ERRNO,
	OCI_SECCOMP_TRACE,
	OCI_SECCOMP_ALLOW,
	OCI_SECCOMP_LOG,
	OCI_SECCOMP_NOTIFY,
};

struct oci_seccomp_syscall {
	const char **names;
	size_t n_names;
	int64_t action; /* enum oci_seccomp_action */
	const uint32_t *errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	int64_t default_action; /* enum oci_seccomp_action */
	const uint32_t *default_errno_ret;
	int64_t *architectures; /* AUDIT_ARCH_*-independent index into seccomp_architectures
				   (oci-spec/enums.h) */
	size_t n_architectures;
	int64_t *flags; /* SECCOMP_FILTER_FLAG_* of the kernel, one an element */
	size_t n_flags;
	const char *listener_path;
	const char *listener_metadata;
	struct oci_seccomp_syscall *syscalls;
	size_t n_syscalls;
};

struct oci_intel_rdt {
	const char *clos_id;
	const char **schemata;
	size_t n_schemata;
	const char *l3_cache_schema;
	const char *mem_bw_schema;
	const bool *enable_monitoring;
};

struct oci_memory_policy {
	int64_t mode; /* MPOL_* */
	const char *nodes;
	uint64_t flags; /* MPOL_F_*, or-ed; 0 when absent */
	bool has_flags;
};

struct oci_personality {
	int64_t domain;     /* PER_* */
	const char **flags; /* none is known to the spec */
	size_t n_flags;
};

enum oci_propagation {
	OCI_PROPAGATION_UNSET,
	OCI_PROPAGATION_SHARED,
	OCI_PROPAGATION_SLAVE,
	OCI_PROPAGATION_PRIVATE,
	OCI_PROPAGATION_UNBINDABLE,
	OCI_PROPAGATION_RSHARED,
	OCI_PROPAGATION_RSLAVE,
	OCI_PROPAGATION_RPRIVATE,
	OCI_PROPAGATION_RUNBINDABLE,
};

struct oci_linux {
	struct oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	struct oci_string_map *sysctl;
	size_t n_sysctl;
	const struct oci_resources *resources;
	const char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t n_namespaces;
	struct oci_device *devices;
	size_t n_devices;
	struct oci_net_device *net_devices;
	size_t n_net_devices;
	const struct oci_seccomp *seccomp;
	int64_t rootfs_propagation; /* enum oci_propagation */
	const char **masked_paths;
	size_t n_masked_paths;
	const char **readonly_paths;
	size_t n_readonly_paths;
	const char *mount_label;
	const struct oci_intel_rdt *intel_rdt;
	const struct oci_memory_policy *memory_policy;
	const struct oci_personality *personality;
	struct oci_time_offset *time_offsets;
	size_t n_time_offsets;
};

struct oci_spec {
	const char *oci_version;
	const struct oci_root *root;
	const struct oci_process *process;
	const char *hostname;
	const char *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	const struct oci_hooks *hooks;
	struct oci_string_map *annotations;
	size_t n_annotations;
	const struct oci_linux *linux_; /* "linux"; never NULL after decoding on Linux: an absent
					   object decodes as an empty one */
};
