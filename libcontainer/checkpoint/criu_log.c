/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's log, as far as an error quotes it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/checkpoint/criu.h"

/** The end of a log that is read: errors stand there. */
#define LOG_TAIL_MAX 65536
/** As many errors are quoted: the first is the cause, or close to it. */
#define QUOTED_MAX 3

/** What CRIU calls an error and goes on after: it only wanted more open files than it may have. */
static const char *const harmless[] = {"rlimit: Can't setup RLIMIT_NOFILE for self"};

/** What CRIU gives up after without calling it an error. */
static const char *const fatal[] = {"Can't connect to server"};

static bool begins_with_one_of(const char *message, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_after(message, texts[i]))
			return true;
	}
	return false;
}

/** What says why it failed in a line of the log, "(00.1) 12: Error (criu/x.c:1): text", or NULL. */
static const char *error_text(const char *line)
{
	const char *text = line;

	if (*text == '(')
		text = strchr(text, ')');
	while (text &&
	       (*text == ')' || *text == ' ' || *text == ':' || (*text >= '0' && *text <= '9')))
		text++;
	if (text && begins_with_one_of(text, fatal, ARRAY_LEN(fatal)))
		return text;
	text = text ? str_after(text, "Error (") : NULL;
	text = text ? strchr(text, ')') : NULL;
	if (!text)
		return NULL;
	text++;
	text += strspn(text, ": ");
	return begins_with_one_of(text, harmless, ARRAY_LEN(harmless)) ? NULL : text;
}

void criu_log_cause(const char *text, char *buf, size_t size)
{
	size_t used = 0;
	int quoted = 0;

	buf[0] = '\0';
	for (const char *line = text; *line && quoted < QUOTED_MAX;) {
		size_t len = strcspn(line, "\n");
		const char *message = error_text(line);

		if (message && message < line + len && used < size) {
			int n = snprintf(buf + used, size - used, "%s%.*s", quoted ? "; " : "",
					 (int)(line + len - message), message);

			used += n > 0 ? (size_t)n : 0;
			quoted++;
		}
		line += len + (line[len] == '\n');
	}
}

/** What CRIU says of something that only a flag of ours lets it save or restore, without naming it. */
static const struct {
	const char *words;
	const char *hint;
} hints[] = {
    {"path=/dev/pts/",              " (its caller's terminal: --shell-job is needed)"},
    {"tty: No task found with sid", " (its caller's terminal: --shell-job is needed)"},
};

const char *criu_log_hint(const char *cause)
{
	for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
		if (strstr(cause, hints[i].words))
			return hints[i].hint;
	}
	return "";
}

static void read_tail(int work_fd, const char *name, char *buf, size_t size)
{
	auto_fd fd = openat(work_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread(fd, buf, size - 1,
			  st.st_size > (off_t)size - 1 ? st.st_size - ((off_t)size - 1) : 0);
	buf[n > 0 ? n : 0] = '\0';
}

int criu_failed(const struct criu_response *response, const char *what, int work_fd,
		const char *work_path, const char *log_name, struct wh_error *err)
{
	static char tail[LOG_TAIL_MAX];
	char cause[1536];

	read_tail(work_fd, log_name, tail, sizeof(tail));
	criu_log_cause(tail, cause, sizeof(cause));
	if (!cause[0])
		snprintf(cause, sizeof(cause), "%s%s",
			 response->message[0] ? response->message : "it gives no reason",
			 response->cr_errno == EBADRQC ? " (an option that it does not know)" : "");
	if (work_path)
		wh_fail(err, 0, "CRIU could not %s: %s%s (more in '%s/%s')", what, cause,
			criu_log_hint(cause), work_path, log_name);
	else
		wh_fail(err, 0, "CRIU could not %s: %s%s", what, cause, criu_log_hint(cause));
	return -EIO;
}
