/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/json_writer.h"

static void write_sample(struct json_writer *w)
{
	json_write_object_begin(w);
	json_write_key(w, "empty");
	json_write_array_begin(w);
	json_write_array_end(w);
	json_write_key(w, "nested");
	json_write_array_begin(w);
	json_write_object_begin(w);
	json_write_object_end(w);
	json_write_u64(w, UINT64_MAX);
	json_write_i64(w, INT64_MIN);
	json_write_bool(w, true);
	json_write_string(w, NULL);
	json_write_array_end(w);
	json_write_key(w, "text");
	json_write_string(w, "q\"\\\n\x01/\xc3\xa9");
	json_write_object_end(w);
}

static void check(const char *indent, const char *want)
{
	struct json_writer writer;
	struct document d;
	const char *json;
	size_t len;

	document_init(&d);
	json_writer_init(&writer, indent);
	write_sample(&writer);
	assert_int_equal(json_writer_finish(&writer, &d.arena, &json, &len, &d.err), 0);
	assert_string_equal(json, want);
	assert_int_equal(len, strlen(want));
	document_done(&d);
}

static void test_one_line(void **state)
{
	check(NULL,
	      "{\"empty\":[],\"nested\":[{},18446744073709551615,-9223372036854775808,true,null],"
	      "\"text\":\"q\\\"\\\\\\n\\u0001/\xc3\xa9\"}");
}

static void test_indented(void **state)
{
	check("  ", "{\n  \"empty\": [],\n  \"nested\": [\n    {},\n    18446744073709551615,\n    "
		    "-9223372036854775808,\n    true,\n"
		    "    null\n  ],\n  \"text\": \"q\\\"\\\\\\n\\u0001/\xc3\xa9\"\n}\n");
}

static void test_invalid_bytes(void **state)
{
	struct json_writer writer;
	struct document d;
	const char *json;
	size_t len;

	document_init(&d);
	json_writer_init(&writer, NULL);
	json_write_string(&writer, "/caf\xe9/\xc0\xaf");
	assert_int_equal(json_writer_finish(&writer, &d.arena, &json, &len, &d.err), 0);
	assert_string_equal(json, "\"/caf\xef\xbf\xbd/\xef\xbf\xbd\xef\xbf\xbd\"");
	document_done(&d);
}

/* A generator that was misused is an error, not half a text. */
static void test_failure(void **state)
{
	struct json_writer writer;
	struct document d;
	const char *json = NULL;
	size_t len;

	document_init(&d);
	json_writer_init(&writer, NULL);
	json_write_object_begin(&writer);
	json_write_u64(&writer, 1); /* no key */
	json_write_object_end(&writer);
	assert_true(json_writer_finish(&writer, &d.arena, &json, &len, &d.err) < 0);
	assert_null(json);
	assert_true(wh_error_set(&d.err));
	document_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_line),
	    cmocka_unit_test(test_indented),
	    cmocka_unit_test(test_invalid_bytes),
	    cmocka_unit_test(test_failure),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
