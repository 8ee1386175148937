/* SPDX-License-Identifier: Apache-2.0 */
/* The conversions behind the rows of resource_files.c that are more than copying a number. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * cpu.shares (2..262144) to cpu.weight (1..10000): ceil(10^((l^2 + 125 l) / 612 - 7/34)) with l =
 * log2(shares), so that 2 is 1, 1024 is 100 and 262144 is 10000 (what runc, crun and youki do since
 * 2025; the linear scale before made 39 of 1024). @shares is not 0.
 */
uint64_t resource_convert_shares(uint64_t shares);
/** blockIO.weight (10..1000) to io.weight: 1 + (x - 10) * 9999 / 990. */
uint64_t resource_convert_io_weight(uint64_t weight);
/**
 * memory.swap (memory and swap together, as in version 1) to memory.swap.max (swap alone). Both in
 * bytes, 0 = not set, -1 = unlimited.
 * *@ret_swap: 0 with *@ret_set false = nothing to write, -1 = max.
 * Returns 0; -EINVAL: swap needs a memory limit; -ERANGE: swap is smaller than the limit.
 */
int resource_convert_swap(int64_t swap, int64_t limit, bool *ret_set, int64_t *ret_swap);
