/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name_table.h"

#include "base/str.h"

const struct name_value *name_table_find(const struct name_table *table, const char *name)
{
	for (size_t i = 0; i < table->len; i++) {
		if (streq(table->rows[i].name, name))
			return &table->rows[i];
	}
	return NULL;
}

const char *name_table_name(const struct name_table *table, int64_t value)
{
	for (size_t i = 0; i < table->len; i++) {
		if (table->rows[i].value == value)
			return table->rows[i].name;
	}
	return NULL;
}
