/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "tests/unit/base/scratch.h"

#include <stdbool.h>
#include <sys/wait.h>

#include "base/str.h"

/* What one run of a child wrote. */
struct output {
	char log[40000], err[40000];
};

static void slurp(const struct scratch *scratch, const char *name, char *buf, size_t size)
{
	int fd = openat(scratch->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	assert_return_code(n, errno);
	buf[n] = '\0';
	close(fd);
	unlinkat(scratch->fd, name, 0);
}

/* Run @body in a child, with stderr caught and the log (when @to_file) in a file. */
static void run(const struct scratch *scratch, bool to_file, enum log_format format,
		enum log_level level, void (*body)(const void *), const void *arg,
		struct output *ret)
{
	char path[100];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/log", scratch->path);
	pid = fork();
	if (pid == 0) {
		int fd = openat(scratch->fd, "stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, STDERR_FILENO);
		if (log_open(to_file ? path : NULL, format, level, NULL) < 0)
			_exit(1);
		body(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	slurp(scratch, "log", ret->log, sizeof(ret->log));
	slurp(scratch, "stderr", ret->err, sizeof(ret->err));
}

static void log_all_levels(const void *arg)
{
	log_write(LOG_LEVEL_ERROR, "an error");
	log_warning("a %s", "warning");
	log_write(LOG_LEVEL_INFO, "info");
	log_debug("debug");
}

static void log_text(const void *text)
{
	log_write(LOG_LEVEL_ERROR, "%s", (const char *)text);
}

static void log_final(const void *arg)
{
	struct wh_error err = WH_ERROR_INIT;

	wh_fail(&err, EACCES, "open '%s'", "/x");
	log_error(&err);
}

/* Replace the digits of the time by 0. */
static void hide_time(char *text)
{
	for (char *p = strstr(text, "time"); p; p = strstr(p + 1, "time")) {
		for (size_t i = 0; p[i] && p[i] != 'Z'; i++) {
			if (p[i] >= '0' && p[i] <= '9')
				p[i] = '0';
		}
	}
}

#define TIME "0000-00-00T00:00:00Z"

static void test_levels_and_formats(void **state)
{
	static const struct {
		bool to_file;
		enum log_format format;
		enum log_level level;
		const char *log, *err;
	} cases[] = {
	    {false, LOG_FORMAT_TEXT, LOG_LEVEL_WARNING, "",
	     "wherry: an error\nwherry: warning: a warning\n"                    },
	    {false, LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG,   "",
	     "wherry: an error\nwherry: warning: a warning\nwherry: info: info\nwherry: debug: "
	     "debug\n"							   },
	    {false, LOG_FORMAT_JSON, LOG_LEVEL_ERROR,   "",
	     "{\"level\":\"error\",\"msg\":\"an error\",\"time\":\"" TIME "\"}\n"},
	    {true,  LOG_FORMAT_JSON, LOG_LEVEL_WARNING,
	     "{\"level\":\"error\",\"msg\":\"an error\",\"time\":\"" TIME "\"}\n"
	     "{\"level\":\"warning\",\"msg\":\"a warning\",\"time\":\"" TIME "\"}\n",
	     ""								  },
	    {true,  LOG_FORMAT_TEXT, LOG_LEVEL_INFO,
	     "time=\"" TIME "\" level=error msg=\"an error\"\ntime=\"" TIME
	     "\" level=warning msg=\"a warning\"\n"
	     "time=\"" TIME "\" level=info msg=\"info\"\n",
	     ""								  },
	};
	static struct output out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		run(*state, cases[i].to_file, cases[i].format, cases[i].level, log_all_levels, NULL,
		    &out);
		hide_time(out.log);
		hide_time(out.err);
		assert_string_equal(out.log, cases[i].log);
		assert_string_equal(out.err, cases[i].err);
	}
}

static void test_final_error(void **state)
{
	static const struct {
		bool to_file;
		enum log_format format;
		const char *log, *err;
	} cases[] = {
	    {false, LOG_FORMAT_TEXT, "",					     "wherry: open '/x': permission denied\n"},
	    {false, LOG_FORMAT_JSON, "",
	     "{\"level\":\"error\",\"msg\":\"open '/x': permission denied\",\"time\":\"" TIME
	     "\"}\n"													 },
	    {true,  LOG_FORMAT_TEXT,
	     "time=\"" TIME "\" level=error msg=\"open '/x': permission denied\"\n",
	     "wherry: open '/x': permission denied\n"									},
	    {true,  LOG_FORMAT_JSON,
	     "{\"level\":\"error\",\"msg\":\"open '/x': permission denied\",\"time\":\"" TIME
	     "\"}\n",								"wherry: open '/x': permission denied\n"},
	};
	static struct output out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		run(*state, cases[i].to_file, cases[i].format, LOG_LEVEL_ERROR, log_final, NULL,
		    &out);
		hide_time(out.log);
		hide_time(out.err);
		assert_string_equal(out.log, cases[i].log);
		assert_string_equal(out.err, cases[i].err);
	}
}

static void test_json_escapes(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"a\"b\\c/d",			      "a\\\"b\\\\c/d"                         },
	    {"\b\f\n\r\t",			     "\\b\\f\\n\\r\\t"                       },
	    {"\x01\x1b[0m\x7f",                        "\\u0001\\u001b[0m\\u007f"              },
	    {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2"},
	    {"\xff",				   "\\ufffd"			       },
	    {"\xc3",				   "\\ufffd"			       }, /* cut */
	    {"\xc0\x80",			       "\\ufffd\\ufffd"                        }, /* overlong */
	    {"\xe0\x80\x80",                           "\\ufffd\\ufffd\\ufffd"                 }, /* overlong */
	    {"\xed\xa0\x80",                           "\\ufffd\\ufffd\\ufffd"                 }, /* a surrogate */
	    {"\xf4\x90\x80\x80",                       "\\ufffd\\ufffd\\ufffd\\ufffd"          }, /* beyond U+10FFFF */
	    {"\xe2\x82",			       "\\ufffd\\ufffd"                        },
	    {"\xf0\x9f\x9a"
	     "a",			 "\\ufffd\\ufffd\\ufffda"                },
	};
	static struct output out;
	char want[200];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		run(*state, true, LOG_FORMAT_JSON, LOG_LEVEL_ERROR, log_text, cases[i].text, &out);
		hide_time(out.log);
		snprintf(want, sizeof(want),
			 "{\"level\":\"error\",\"msg\":\"%s\",\"time\":\"" TIME "\"}\n",
			 cases[i].want);
		assert_string_equal(out.log, want);
	}
}

static void test_terminal_is_safe(void **state)
{
	static struct output out;

	run(*state, false, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, log_text,
	    "a\x1b]0;x\x07\tb\nc\x7f\xc3\xa9", &out);
	assert_string_equal(out.err, "wherry: a\\x1b]0;x\\x07\tb\nc\\x7f\xc3\xa9\n");
}

/* The longest message of the worst bytes is still one whole JSON line. */
static void test_longest(void **state)
{
	static struct output out;
	static char text[20000];

	memset(text, 1, sizeof(text) - 1);
	run(*state, true, LOG_FORMAT_JSON, LOG_LEVEL_ERROR, log_text, text, &out);
	assert_true(strlen(out.log) > 4000 * 6);
	assert_ptr_equal(strchr(out.log, '\n'), out.log + strlen(out.log) - 1);
	assert_string_equal(out.log + strlen(out.log) - 3, "\"}\n");
}

static void test_open(void **state)
{
	struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	char path[100];
	struct stat st;

	scratch_write(scratch, "victim", "");
	assert_return_code(symlinkat("victim", scratch->fd, "link"), errno);
	snprintf(path, sizeof(path), "%s/link", scratch->path);
	assert_int_equal(log_open(path, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, &err), -ELOOP);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(log_open("/nonexistent/log", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, &err),
			 -ENOENT);

	/* Appended to, and private. */
	umask(022);
	snprintf(path, sizeof(path), "%s/new", scratch->path);
	assert_int_equal(log_open(path, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, &err), 0);
	log_write(LOG_LEVEL_ERROR, "one");
	assert_int_equal(log_open(path, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, &err), 0);
	errno = 79;
	log_write(LOG_LEVEL_ERROR, "two");
	assert_int_equal(errno, 79);
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2 * strlen("time=\"" TIME "\" level=error msg=\"one\"\n"));
	assert_int_equal(log_open("/dev/stderr", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, &err), 0);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SCRATCH_TEST(test_levels_and_formats),
	    SCRATCH_TEST(test_final_error),
	    SCRATCH_TEST(test_json_escapes),
	    SCRATCH_TEST(test_terminal_is_safe),
	    SCRATCH_TEST(test_longest),
	    SCRATCH_TEST(test_open),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
