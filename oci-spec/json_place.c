/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/json_place.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *json_quote(const char *text, size_t len, char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		/* A message is one line, and must not drive the terminal that shows it. */
		bool control = c < 0x20 || c == 0x7f;
		size_t need = control ? 4 : 1;

		if (used + need + (i + 1 < len ? 4 : 1) > size) {
			/* Cut before a character, never inside one. */
			while (used && ((unsigned char)text[i] & 0xc0) == 0x80) {
				i--;
				used--;
			}
			memcpy(buf + used, "...", 4);
			return buf;
		}
		if (control)
			snprintf(buf + used, 5, "\\x%02x", c);
		else
			buf[used] = (char)c;
		used += need;
	}
	buf[used] = '\0';
	return buf;
}

static bool is_plain_key(const char *key, size_t len)
{
	if (!len || len > JSON_QUOTE_SIZE - 5)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)key[i]) && key[i] != '_' && key[i] != '-')
			return false;
	return true;
}

static void component_text(const struct json_place *place, bool first, char *buf, size_t size)
{
	const struct json_value *value = place->value;
	char quoted[JSON_QUOTE_SIZE];

	if (!value->key) {
		snprintf(buf, size, "[%zu]", place->index);
		return;
	}
	json_quote(value->key, value->key_len, quoted, sizeof(quoted));
	if (is_plain_key(value->key, value->key_len))
		snprintf(buf, size, "%s%s", first ? "" : ".", quoted);
	else
		snprintf(buf, size, "['%s']", quoted);
}

/* From the value up to the root, written from the end of the buffer backwards: no recursion, no
 * limit but the buffer. */
void json_place_text(const struct json_place *place, char *buf, size_t size)
{
	size_t at = size - 1;

	buf[at] = '\0';
	for (; place && place->up; place = place->up) {
		char component[JSON_QUOTE_SIZE + 8];
		size_t len;

		component_text(place, !place->up->up, component, sizeof(component));
		len = strlen(component);
		if (len + 3 > at) {
			at -= 3;
			memcpy(buf + at, "...", 3);
			break;
		}
		at -= len;
		memcpy(buf + at, component, len);
	}
	memmove(buf, buf + at, size - at);
}
