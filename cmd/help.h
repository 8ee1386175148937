/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made from the tables of verbs and options. */
#pragma once

#include <stdio.h>

struct verb;

/** The help of the program: verbs and global options. */
void help_print(FILE *out);
/** The help of one verb. */
void help_print_verb(FILE *out, const struct verb *verb);
/** One line without its newline: "wherry kill [OPTION]... ID [SIGNAL]". @verb NULL: the program's.
 */
void help_print_usage(FILE *out, const struct verb *verb);
