/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that create and run have in common. */
#pragma once

#include "cmd/options.h"
#include "libcontainer/container.h"

/**
 * Rows for @structure, in which the struct create_options is the member named by @prefix: "opts.",
 * or nothing when it is itself.
 */
#define CREATE_OPTIONS(structure, prefix)                                                          \
	OPTION("bundle", 'b', option_string, structure, prefix bundle, "DIR",                      \
	       "bundle directory (default: the current one)", .complete = COMPLETE_DIRECTORY),     \
	    OPTION("config", 'f', option_string, structure, prefix config, "FILE",                 \
		   "read this file instead of the bundle's config.json",                           \
		   .complete = COMPLETE_FILE),                                                     \
	    OPTION("console-socket", '\0', option_string, structure, prefix console_socket,        \
		   "PATH", "socket that receives the terminal's master fd",                        \
		   .complete = COMPLETE_FILE),                                                     \
	    OPTION("pid-file", '\0', option_string, structure, prefix pid_file, "FILE",            \
		   "write the pid of the container's process to FILE", .complete = COMPLETE_FILE), \
	    OPTION("pidfd-socket", '\0', option_string, structure, prefix pidfd_socket, "PATH",    \
		   "socket that receives a pidfd of the container's process",                      \
		   .complete = COMPLETE_FILE),                                                     \
	    OPTION("no-pivot", '\0', option_flag, structure, prefix no_pivot, NULL,                \
		   "move the root mount instead of pivot_root(2), for a root on a ramdisk"),       \
	    OPTION("no-new-keyring", '\0', option_flag, structure, prefix no_new_keyring, NULL,    \
		   "keep the caller's session keyring"),                                           \
	    OPTION("preserve-fds", '\0', option_count, structure, prefix preserve_fds, "N",        \
		   "pass on N more fds, from fd 3 (or what LISTEN_FDS passes) on"),                \
	    OPTION("no-subreaper", '\0', option_flag, structure, prefix no_subreaper, NULL,        \
		   "do not become a subreaper while waiting")
