/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the destination: which program carries the protocol, and that program as our child with its
 * standard input and output as the connection.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/migrate/protocol.h"

/** What DEST says. Strings live in the arena; NULL: not given. */
struct migrate_destination {
	bool local;
	const char *root; /* local: its state root */
	const char *user; /* ssh */
	const char *host;
	const char *port;
	bool systemd; /* not DEST's: containers are to be units of systemd there */
};

/**
 * Read "ssh://[user@]host[:port]" (an IPv6 address in brackets) or "local:[ROOT]". A host or user that ssh
 * would read as an option is refused. Returns 0, or -EINVAL (kind USAGE).
 */
int migrate_destination_parse(const char *text, struct arena *arena,
			      struct migrate_destination *ret_destination, struct wh_error *err);

/** Most words of a command. */
#define MIGRATE_WORDS_MAX 64

/**
 * The command that runs `migrate --receive` at @destination.
 *
 * @rsh: instead of ssh, words apart by blanks; NULL: ssh
 * @remote: the program there and its options, for a shell; NULL: wherry
 * @criu: CRIU there, for --criu; NULL: not said
 * @ret_argv: room for MIGRATE_WORDS_MAX, NULL-terminated
 * Returns 0, or -EINVAL (kind USAGE).
 */
int migrate_command_build(const struct migrate_destination *destination, const char *rsh,
			  const char *remote, const char *criu, struct arena *arena,
			  const char **ret_argv, struct wh_error *err);

/** A started command. */
struct migrate_transport {
	pid_t pid; /* 0: none */
	int pidfd;
	int to;   /* its standard input */
	int from; /* its standard output */
};

#define MIGRATE_TRANSPORT_NONE                                                                     \
	((struct migrate_transport){.pidfd = -EBADF, .to = -EBADF, .from = -EBADF})

/**
 * Start @argv; its standard error is ours, and it ignores what the terminal sends us. Returns 0 or -errno
 * (a program that is not found is one). Undone by migrate_transport_close().
 */
int migrate_transport_open(const char *const *argv, struct migrate_transport *ret_transport,
			   struct wh_error *err);
/**
 * End the connection and reap the command, which is killed when it does not end by itself in 10 s. Returns its exit
 * status (128 + signal), 0 without one.
 */
int migrate_transport_close(struct migrate_transport *transport);
