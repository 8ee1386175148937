/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that create and run have in common. */
#pragma once

#include "cmd/options.h"
#include "libcontainer/container.h"

/** Rows for @structure, in which the struct create_options is the member named by @prefix ("opts.", or nothing when it is itself). */
#define CREATE_OPTIONS(structure, prefix)                                                                                       \
	{ "bundle", 'b', &option_string, offsetof(structure, prefix bundle), "DIR",                                             \
	  "bundle directory (default: the current one)", .complete = COMPLETE_DIRECTORY },                                      \
	{ "config", 'f', &option_string, offsetof(structure, prefix config), "FILE",                                            \
	  "read this file instead of the bundle's config.json", .complete = COMPLETE_FILE },                                    \
	{ "console-socket", '\0', &option_string, offsetof(structure, prefix console_socket), "PATH",                           \
	  "socket that receives the terminal's master fd", .complete = COMPLETE_FILE },                                         \
	{ "pid-file", '\0', &option_string, offsetof(structure, prefix pid_file), "FILE",                                       \
	  "write the pid of the container's process to FILE", .complete = COMPLETE_FILE },                                      \
	{ "pidfd-socket", '\0', &option_string, offsetof(structure, prefix pidfd_socket), "PATH",                               \
	  "socket that receives a pidfd of the container's process", .complete = COMPLETE_FILE },                               \
	{ "no-pivot", '\0', &option_flag, offsetof(structure, prefix no_pivot), NULL,                                           \
	  "move the root mount instead of pivot_root(2), for a root on a ramdisk" },                                            \
	{ "no-new-keyring", '\0', &option_flag, offsetof(structure, prefix no_new_keyring), NULL,                               \
	  "keep the caller's session keyring" },                                                                                \
	{ "preserve-fds", '\0', &option_count, offsetof(structure, prefix preserve_fds), "N",                                   \
	  "pass on N more fds, from fd 3 (or what LISTEN_FDS passes) on" },                                                     \
	{ "no-subreaper", '\0', &option_flag, offsetof(structure, prefix no_subreaper), NULL,                                   \
	  "do not become a subreaper while waiting" }
