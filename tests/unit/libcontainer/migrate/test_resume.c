/* SPDX-License-Identifier: Apache-2.0 */
/* The question what became of a container. This program is the destination as well, when it is called so. */
#include <signal.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/migrate/source.h"
#include "tests/unit/base/scratch.h"

#define NUMBER "0123456789abcdef0123456789abcdef"

/** What the destination answers, one after the other, and then the last one for ever: 'r' still reads, 'R' runs, 'x' fails. */
#define ANSWERS "answers"
/** A byte for each question, and one for each time that it heard that it may forget. */
#define ASKED  "asked"
#define FORGOT "forgot"

static void add_byte(int dir_fd, const char *name)
{
	auto_fd fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (write(fd, ".", 1) != 1)
		abort();
}

static size_t size_of(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, 0) < 0 ? 0 : (size_t)st.st_size;
}

static int say(struct migrate_conn *conn, int dir_fd, struct arena *memory)
{
	auto_fd fd = openat(dir_fd, ANSWERS, O_RDONLY | O_CLOEXEC);
	struct migrate_answer fate = {.fate = MIGRATE_FATE_RUNNING};
	size_t asked = size_of(dir_fd, ASKED);
	struct migrate_message msg;
	char answers[16] = "";

	if (read(fd, answers, sizeof(answers) - 1) <= 0 || migrate_hello(conn, "test", NULL) < 0 ||
	    migrate_expect(conn, MIGRATE_QUERY, 5000, &msg, NULL) < 0)
		return 1;
	add_byte(dir_fd, ASKED);
	if (asked >= strlen(answers))
		asked = strlen(answers) - 1;
	if (answers[asked] == 'x')
		return 1;
	if (answers[asked] == 'r')
		fate.fate = MIGRATE_FATE_READING;
	if (migrate_send_document(conn, MIGRATE_ANSWER, MIGRATE_DOCUMENT_ANSWER, &fate, memory,
				  NULL) < 0)
		return 1;
	if (migrate_expect(conn, MIGRATE_DONE, 5000, &msg, NULL) == 0)
		add_byte(dir_fd, FORGOT);
	return 0;
}

/** The destination, for one question. */
static int answer(const char *dir)
{
	auto_fd dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct migrate_conn conn = {0};
	struct arena memory = {.fd = -EBADF};
	int rc = 1;

	if (migrate_conn_init(&conn, 0, 1, "destination", "the source", NULL) == 0 &&
	    arena_init(&memory, NULL) == 0)
		rc = say(&conn, dir_fd, &memory);
	migrate_conn_done(&conn);
	arena_done(&memory);
	return rc;
}

static void test_what_is_asked(void **state)
{
	static const struct {
		const char *answers;
		unsigned int attempts;
		bool fails;
		size_t asked;
	} cases[] = {
	    {"R",      1, false, 1},
	    {"x",      2, true,  2},
	    {"xR",     2, false, 2},
 /* an answer, though not the last: it takes nothing from the attempts */
	    {"rrrR",   1, false, 4},
	    {"rrxrrR", 2, false, 6},
	    {"rrx",    1, true,  3},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scratch *scratch = *state;
		struct wh_error err = WH_ERROR_INIT;
		enum migrate_fate fate = MIGRATE_FATE_ABSENT;
		char rsh[128];
		const struct migrate_record record = {
		    .number = NUMBER, .id = "web", .destination = "ssh://there", .rsh = rsh};
		auto_fd fd =
		    openat(scratch->fd, ANSWERS, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		unlinkat(scratch->fd, ASKED, 0);
		unlinkat(scratch->fd, FORGOT, 0);
		assert_int_equal(fd_write_all(fd, cases[i].answers, strlen(cases[i].answers)), 0);
		snprintf(rsh, sizeof(rsh), "/proc/self/exe %s", scratch->path);
		assert_int_equal(migrate_ask(&record, cases[i].attempts, &fate, &err) < 0,
				 cases[i].fails);
		assert_int_equal(wh_error_set(&err), cases[i].fails);
		assert_int_equal(size_of(scratch->fd, ASKED), cases[i].asked);
		if (!cases[i].fails)
			assert_int_equal(fate, MIGRATE_FATE_RUNNING);
		assert_int_equal(size_of(scratch->fd, FORGOT), !cases[i].fails);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_is_asked, scratch_setup, scratch_teardown),
	};

	if (argc > 1)
		return answer(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
