/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_convert.h"

#include <errno.h>
#include <stdbool.h>

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000

/*
 * log2 and 10^x by hand: libm is not worth loading for one number, and whole bits of precision are
 * plenty for an integer up to 10000.
 */

/** log2(@x) for @x >= 1. */
static double log2_of(double x)
{
	double result = 0, bit = 1;

	while (x >= 2) {
		x /= 2;
		result += 1;
	}
	for (int i = 0; i < 52; i++) {
		x *= x;
		bit /= 2;
		if (x >= 2) {
			x /= 2;
			result += bit;
		}
	}
	return result;
}

/** e^@x by its series; @x is small and not negative. */
static double exp_of(double x)
{
	double sum = 1, term = 1;

	for (int i = 1; i < 64; i++) {
		term *= x / i;
		sum += term;
	}
	return sum;
}

uint64_t resource_convert_shares(uint64_t shares)
{
	static const double ln10 = 2.302585092994045684;
	/* What a rounding error may add to a value that is an integer. */
	static const double slack = 1e-12;
	double l, weight;
	uint64_t whole;

	if (shares <= SHARES_MIN)
		return WEIGHT_MIN;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	l = log2_of((double)shares);
	weight = exp_of(((l * l + 125 * l) / 612 - 7.0 / 34) * ln10);
	whole = (uint64_t)weight;
	return weight - (double)whole > slack * weight ? whole + 1 : whole;
}

uint64_t resource_convert_io_weight(uint64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

int resource_convert_swap(int64_t swap, int64_t limit, bool *ret_set, int64_t *ret_swap)
{
	*ret_set = true;
	*ret_swap = -1;
	if (swap == -1 || (swap == 0 && limit == -1))
		return 0;
	if (swap == 0) {
		*ret_set = false;
		*ret_swap = 0;
		return 0;
	}
	if (limit <= 0)
		return -EINVAL;
	if (swap < limit)
		return -ERANGE;
	*ret_swap = swap - limit;
	return 0;
}
