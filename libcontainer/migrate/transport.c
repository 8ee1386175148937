/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"

/** What a pipe may hold: with the default of 64 KiB both ends wake for every quarter of a chunk. */
#define PIPE_SIZE (1 << 20)

static int bad_destination(const char *text, const char *why, struct wh_error *err)
{
	return wh_fail_kind(err, WH_ERROR_USAGE, 0,
			    "destination '%s': %s; it is ssh://[USER@]HOST[:PORT] or local:[ROOT]",
			    text, why);
}

/** Split "HOST:PORT" or "[ADDRESS]:PORT" in place. Returns what is wrong, or NULL. */
static const char *split_port(char *host, struct migrate_destination *destination)
{
	char *port;

	if (host[0] == '[') {
		char *end = strchr(host, ']');

		if (!end)
			return "the address has no ']'";
		*end = '\0';
		host++;
		port = end + 1;
		if (*port != '\0' && *port != ':')
			return "what follows the address is no port";
		port = *port == ':' ? port : NULL;
	} else {
		port = strchr(host, ':');
	}
	if (port) {
		uint64_t number;

		*port++ = '\0';
		if (str_parse_u64(port, 65535, &number) < 0 || number == 0)
			return "the port is no number from 1 to 65535";
		destination->port = port;
	}
	destination->host = host;
	return NULL;
}

static const char *parse_ssh(char *text, struct migrate_destination *destination)
{
	char *at = strrchr(text, '@');
	const char *wrong;
	size_t len = strlen(text);

	if (len > 0 && text[len - 1] == '/')
		text[len - 1] = '\0';
	if (strchr(text, '/'))
		return "a path has no meaning here (--remote-wherry names the state root there)";
	if (at) {
		*at = '\0';
		destination->user = text;
		text = at + 1;
		if (destination->user[0] == '\0' || destination->user[0] == '-')
			return "this is no user";
	}
	wrong = split_port(text, destination);
	if (wrong)
		return wrong;
	return destination->host[0] == '\0' || destination->host[0] == '-' ? "this is no host"
									   : NULL;
}

int migrate_destination_parse(const char *text, struct arena *arena,
			      struct migrate_destination *ret_destination, struct wh_error *err)
{
	struct migrate_destination destination = {0};
	const char *rest = str_after(text, "local:");
	const char *wrong;
	char *copy;

	if (strpbrk(text, " \t\n"))
		return bad_destination(text, "it has a blank", err);
	if (rest) {
		destination.local = true;
		destination.root = str_empty(rest) ? NULL : rest;
		*ret_destination = destination;
		return 0;
	}
	rest = str_after(text, "ssh://");
	if (!rest)
		return bad_destination(text, "unknown kind", err);
	copy = arena_strdup(arena, rest);
	if (!copy)
		return wh_oom(err);
	wrong = parse_ssh(copy, &destination);
	if (wrong)
		return bad_destination(text, wrong, err);
	*ret_destination = destination;
	return 0;
}

/** The words of a command that is being put together. */
struct words {
	const char **argv;
	size_t count;
};

static void add_word(struct words *words, const char *word)
{
	/* One too many is found at the end. */
	if (words->count < MIGRATE_WORDS_MAX)
		words->argv[words->count++] = word;
}

static int add_blank_separated(struct words *words, const char *text, struct arena *arena,
			       struct wh_error *err)
{
	char *copy = arena_strdup(arena, text);
	char *place = NULL;

	if (!copy)
		return wh_oom(err);
	for (char *word = strtok_r(copy, " \t", &place); word; word = strtok_r(NULL, " \t", &place))
		add_word(words, word);
	return 0;
}

/** "PROGRAM migrate --receive", for a shell. */
static const char *shell_line(const struct migrate_destination *destination, const char *program,
			      const char *criu, struct arena *arena)
{
	return arena_printf(arena, "%s%s migrate --receive%s%s", program,
			    destination->systemd ? " --cgroup-manager systemd" : "",
			    criu ? " --criu " : "", criu ? criu : "");
}

static int local_words(const struct migrate_destination *destination, const char *remote,
		       const char *criu, struct arena *arena, struct words *words,
		       struct wh_error *err)
{
	const char *line;

	if (!remote) {
		add_word(words, "/proc/self/exe");
		if (destination->root) {
			add_word(words, "--root");
			add_word(words, destination->root);
		}
		if (destination->systemd) {
			add_word(words, "--cgroup-manager");
			add_word(words, "systemd");
		}
		add_word(words, "migrate");
		add_word(words, "--receive");
		if (criu) {
			add_word(words, "--criu");
			add_word(words, criu);
		}
		return 0;
	}
	line = shell_line(destination, remote, criu, arena);
	if (line)
		line = arena_printf(arena, "exec %s", line);
	if (!line)
		return wh_oom(err);
	add_word(words, "/bin/sh");
	add_word(words, "-c");
	add_word(words, line);
	return 0;
}

/** Found out within a minute: a peer whose host has gone away. */
static const char *const ssh_words[] = {
    "ssh", "-T", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
};

static int remote_words(const struct migrate_destination *destination, const char *rsh,
			const char *remote, const char *criu, struct arena *arena,
			struct words *words, struct wh_error *err)
{
	const char *host = destination->user
			       ? arena_printf(arena, "%s@%s", destination->user, destination->host)
			       : destination->host;
	const char *line = shell_line(destination, remote ? remote : "wherry", criu, arena);
	int rc = 0;

	if (!host || !line)
		return wh_oom(err);
	if (rsh)
		rc = add_blank_separated(words, rsh, arena, err);
	for (size_t i = 0; !rsh && i < ARRAY_LEN(ssh_words); i++)
		add_word(words, ssh_words[i]);
	if (rc < 0)
		return rc;
	if (words->count == 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--rsh: the command is empty");
	if (destination->port) {
		add_word(words, "-p");
		add_word(words, destination->port);
	}
	add_word(words, host);
	add_word(words, line);
	return 0;
}

int migrate_command_build(const struct migrate_destination *destination, const char *rsh,
			  const char *remote, const char *criu, struct arena *arena,
			  const char **ret_argv, struct wh_error *err)
{
	struct words words = {.argv = ret_argv};
	int rc = destination->local
		     ? local_words(destination, remote, criu, arena, &words, err)
		     : remote_words(destination, rsh, remote, criu, arena, &words, err);

	if (rc < 0)
		return rc;
	if (words.count >= MIGRATE_WORDS_MAX)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--rsh: more than %d words",
				    MIGRATE_WORDS_MAX - 10);
	ret_argv[words.count] = NULL;
	return 0;
}

/** In the child: only what is safe between fork and exec. */
static _Noreturn void become(const char *const *argv, int in, int out, int error_fd)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction normal = {.sa_handler = SIG_DFL};
	int code;

	/* ^C is for us to handle: what it would cut is the connection that we say goodbye over. */
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGQUIT, &ignore, NULL);
	sigaction(SIGPIPE, &normal, NULL);
	if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0)
		execvp(argv[0], (char *const *)argv);
	code = errno;
	if (write(error_fd, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

static int make_pipe(int ends[2], struct wh_error *err)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	/* Not more than asked for: an ordinary user's pipes may not grow. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

static int start(const char *const *argv, int in, int out, int error_fd,
		 struct migrate_transport *transport, struct wh_error *err)
{
	struct clone_args args = {
	    .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&transport->pidfd, .exit_signal = SIGCHLD};
	long pid = sys_clone3(&args, sizeof(args));

	if (pid == 0)
		become(argv, in, out, error_fd);
	if (pid < 0) {
		transport->pidfd = -EBADF;
		return wh_fail(err, (int)-pid, "fork");
	}
	transport->pid = (pid_t)pid;
	return 0;
}

int migrate_transport_open(const char *const *argv, struct migrate_transport *ret_transport,
			   struct wh_error *err)
{
	struct migrate_transport transport = MIGRATE_TRANSPORT_NONE;
	int pipes[3][2];
	int made = 0;
	int code = 0;
	int rc = 0;

	while (rc == 0 && made < 3) {
		rc = make_pipe(pipes[made], err);
		made += rc == 0;
	}
	if (rc == 0)
		rc = start(argv, pipes[0][0], pipes[1][1], pipes[2][1], &transport, err);
	if (rc == 0) {
		transport.to = fd_take(&pipes[0][1]);
		transport.from = fd_take(&pipes[1][0]);
		pipes[2][1] = fd_close(pipes[2][1]);
		if (read(pipes[2][0], &code, sizeof(code)) == (ssize_t)sizeof(code))
			rc = wh_fail(err, code, "run '%s'", argv[0]);
	}
	while (made-- > 0) {
		fd_close(pipes[made][0]);
		fd_close(pipes[made][1]);
	}
	if (rc < 0)
		(void)migrate_transport_close(&transport);
	else
		*ret_transport = transport;
	return rc;
}

int migrate_transport_close(struct migrate_transport *transport)
{
	int status = 0;

	transport->to = fd_close(transport->to);
	transport->from = fd_close(transport->from);
	if (transport->pid <= 0)
		return 0;
	if (process_wait_end(transport->pidfd, MIGRATE_END_MS) < 0)
		sys_pidfd_send_signal(transport->pidfd, SIGKILL, NULL, 0);
	(void)process_reap(transport->pidfd, &status);
	transport->pidfd = fd_close(transport->pidfd);
	transport->pid = 0;
	return status;
}
