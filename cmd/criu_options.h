/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that checkpoint and restore have in common. */
#pragma once

#include "cmd/options.h"
#include "libcontainer/checkpoint/archive.h"
#include "libcontainer/checkpoint/checkpoint.h"

/** What the rows fill besides struct criu_choices, until criu_args_apply(). */
struct criu_args {
	struct criu_choices choices;
	struct choice cgroups_mode;
	struct choice network_lock;
	struct string_list empty_ns;
};

extern const char *const criu_cgroups_modes[];
extern const char *const criu_network_locks[];

/** Rows for @structure, in which the struct criu_args is the member named by @prefix. */
#define CRIU_OPTIONS(structure, prefix)                                                            \
	OPTION("image-path", '\0', option_string, structure, prefix choices.image_path, "DIR",     \
	       "directory of the image (default: checkpoint)", .complete = COMPLETE_DIRECTORY),    \
	    OPTION("work-path", '\0', option_string, structure, prefix choices.work_path, "DIR",   \
		   "directory of CRIU's logs and statistics (default: the image's)",               \
		   .complete = COMPLETE_DIRECTORY),                                                \
	    OPTION("criu", '\0', option_string, structure, prefix choices.criu, "PATH",            \
		   "the criu program, absolute (default: where it is usually installed)",          \
		   .complete = COMPLETE_FILE),                                                     \
	    OPTION("tcp-established", '\0', option_flag, structure,                                \
		   prefix choices.tcp_established, NULL, "keep established TCP connections"),      \
	    OPTION("tcp-close", '\0', option_flag, structure, prefix choices.tcp_close, NULL,      \
		   "close TCP connections"),                                                       \
	    OPTION("ext-unix-sk", '\0', option_flag, structure, prefix choices.ext_unix_sk, NULL,  \
		   "allow unix sockets that are connected to the outside"),                        \
	    OPTION("shell-job", '\0', option_flag, structure, prefix choices.shell_job, NULL,      \
		   "allow processes whose terminal or session is the caller's"),                   \
	    OPTION("file-locks", '\0', option_flag, structure, prefix choices.file_locks, NULL,    \
		   "keep file locks, which others may see held meanwhile"),                        \
	    OPTION("link-remap", '\0', option_flag, structure, prefix choices.link_remap, NULL,    \
		   "give files without a name a temporary one"),                                   \
	    OPTION("auto-dedup", '\0', option_flag, structure, prefix choices.auto_dedup, NULL,    \
		   "drop memory from parent images that this one supersedes"),                     \
	    OPTION("lazy-pages", '\0', option_flag, structure, prefix choices.lazy_pages, NULL,    \
		   "leave memory behind, to be fetched on access"),                                \
	    OPTION("manage-cgroups-mode", '\0', option_choice, structure, prefix cgroups_mode,     \
		   "MODE",                                                                         \
		   "cgroups below the container's: soft (default), full, strict or ignore",        \
		   .choices = criu_cgroups_modes),                                                 \
	    OPTION("network-lock", '\0', option_choice, structure, prefix network_lock, "METHOD",  \
		   "how packets are held back: iptables, nftables or skip",                        \
		   .choices = criu_network_locks),                                                 \
	    OPTION("empty-ns", '\0', option_list, structure, prefix empty_ns, "NS",                \
		   "leave out what is in this namespace; only network"),                           \
	    OPTION("lsm-profile", '\0', option_string, structure, prefix choices.lsm_profile,      \
		   "TYPE:NAME", "the profile of restored processes"),                              \
	    OPTION("lsm-mount-context", '\0', option_string, structure,                            \
		   prefix choices.lsm_mount_context, "CONTEXT", "the SELinux context of mounts")

/** Check what the rows cannot say. Returns 0 or -EINVAL. */
int criu_args_check(const struct criu_args *args, struct wh_error *err);
/** The choices, with what the rows stored beside them. */
struct criu_choices criu_args_choices(const struct criu_args *args);
/** Who tells a person at a terminal what is being done; NULL when there is none. */
archive_progress_fn criu_progress(void);
