/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain directory that stands for a v2 mount: what needs no kernel behind the files is tested
 * there, whatever controllers the host has.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"

struct fake_tree {
	char path[64];
	int fd;
};

/** For what a test makes; empty at its start. */
extern struct arena fake_tree_arena;

/** cmocka set-up and tear-down: *@state is a struct fake_tree in an empty directory. */
int fake_tree_setup(void **state);
int fake_tree_teardown(void **state);
/** Make the directory @path. */
void fake_tree_mkdir(const struct fake_tree *tree, const char *path);
/** Make the file @path holding @text. */
void fake_tree_file(const struct fake_tree *tree, const char *path, const char *text);
/** What @path holds, in a static buffer. */
const char *fake_tree_read(const struct fake_tree *tree, const char *path);
