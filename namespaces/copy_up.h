/* SPDX-License-Identifier: Apache-2.0 */
/* tmpcopyup: a tmpfs that starts with what the directory under it has. */
#pragma once

#include "base/error.h"

/**
 * Copy what the directory @from_fd (O_PATH is enough) holds into the empty directory @to_fd:
 * directories, files, links, devices and FIFOs with mode, owner, times and extended attributes;
 * sockets are left out, hard links become copies. The owner of @to_fd becomes that of @from_fd. No
 * memory is allocated. Links are never followed. Returns 0 or -errno.
 */
int copy_up_tree(int from_fd, int to_fd, struct wh_error *err);
