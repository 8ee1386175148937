/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's remote procedure calls: what a request asks for and what an answer says, as plain structs,
 * and their form on the wire. The field numbers are those that CRIU documents (criu.org/RPC); what is
 * not used here is not here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/protobuf.h"

/** The requests, by CRIU's numbers. */
enum criu_request_type {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_PRE_DUMP = 4,
	CRIU_PAGE_SERVER = 5,
	CRIU_NOTIFY = 6,
	CRIU_CPUINFO_DUMP = 7,
	CRIU_CPUINFO_CHECK = 8,
	CRIU_FEATURE_CHECK = 9,
	CRIU_VERSION = 10,
	CRIU_PAGE_SERVER_CHLD = 12,
};

/** What CRIU does about cgroups: nothing (cgroups.h). The value is CRIU's + 1, so that 0 is "not said". */
enum criu_cgroups_mode {
	CRIU_CGROUPS_DEFAULT = 0,
	CRIU_CGROUPS_IGNORE = 1,
};

/** How packets are held back while connections are saved, by CRIU's numbers. */
enum criu_network_lock {
	CRIU_NETWORK_LOCK_DEFAULT = 0,
	CRIU_NETWORK_LOCK_IPTABLES = 1,
	CRIU_NETWORK_LOCK_NFTABLES = 2,
	CRIU_NETWORK_LOCK_SKIP = 3,
};

/** An fd of CRIU's own that takes the place of what had the name @key. */
struct criu_inherit_fd {
	const char *key;
	int fd;
};

/** A namespace to join: its type's name ("net") and its file. */
struct criu_join_ns {
	const char *type;
	const char *file;
};

/** The address that memory is sent to, or received at. */
struct criu_page_server {
	const char *address; /* NULL: none */
	int port;
	int fd; /* a connected socket of CRIU's own instead; 0: none */
};

/**
 * The options of a request. Zero and NULL: not said. fds are the caller's (CRIU looks them up there)
 * unless said otherwise.
 */
struct criu_options {
	int images_dir_fd;
	int work_dir_fd;
	int status_fd;
	int pid;
	int log_level;
	const char *log_file;
	const char *root;
	const char *parent_img;
	const char *freeze_cgroup;
	const char *config_file;
	const char *lsm_profile;
	const char *lsm_mount_context;
	uint64_t cpu_cap;
	uint64_t ghost_limit;
	uint64_t empty_ns; /* CLONE_NEW* */
	uint64_t timeout;  /* s */
	enum criu_cgroups_mode cgroups_mode;
	enum criu_network_lock network_lock;
	bool leave_running;
	bool leave_stopped;
	bool ext_unix_sk;
	bool tcp_established;
	bool tcp_skip_in_flight;
	bool tcp_close;
	bool evasive_devices;
	bool shell_job;
	bool file_locks;
	bool notify_scripts;
	bool track_mem;
	bool auto_dedup;
	bool link_remap;
	bool manage_cgroups;
	bool rst_sibling;
	bool ext_sharing;
	bool ext_masters;
	bool lazy_pages;
	bool orphan_pts_master;
	bool skip_file_rwx_check;
	const char *const *external;
	size_t n_external;
	const struct criu_inherit_fd *inherit_fds; /* fds as CRIU numbers them */
	size_t n_inherit_fds;
	const struct criu_join_ns *join_ns;
	size_t n_join_ns;
	struct criu_page_server page_server;
};

/** What a kernel and CRIU can do, for CRIU_FEATURE_CHECK. */
struct criu_features {
	bool mem_track;
	bool lazy_pages;
};

struct criu_request {
	enum criu_request_type type;
	const struct criu_options *options; /* NULL: none */
	bool keep_open;
	bool notify_success; /* the answer to a notification */
	const struct criu_features *features;
};

/** Room for a request: its options may name many mounts. */
#define CRIU_REQUEST_MAX (128UL << 10)
/** Room for an answer. */
#define CRIU_RESPONSE_MAX (16UL << 10)

/** A notification's name: the longest is "pre-stream-xxx". */
#define CRIU_SCRIPT_MAX 32

struct criu_response {
	enum criu_request_type type;
	bool success;
	int cr_errno;
	char message[256];            /* why not, if CRIU says so */
	int pid;                      /* of CRIU_RESTORE: the container's first process; of a
					   page server: its process */
	int port;                     /* of a page server */
	char script[CRIU_SCRIPT_MAX]; /* of CRIU_NOTIFY: at which point it is */
	int notify_pid;
	struct criu_features features;
	unsigned int version; /* of CRIU_VERSION: 40101 is 4.1.1 */
};

/** Write @request for the wire. Returns 0, or -E2BIG when @writer has no room for it. */
int criu_request_encode(const struct criu_request *request, struct pb_writer *writer);
/** Read an answer. Returns 0 or -EBADMSG. */
int criu_response_decode(const void *data, size_t len, struct criu_response *ret_response);
