/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/verb.h"
#include "oci-spec/config.h"
#include "oci-spec/default_spec.h"

#define CONFIG_FILE "config.json"

struct spec_args {
	const char *bundle;
	bool rootless;
};

static const struct option spec_options[] = {
    OPTION("bundle", 'b', option_string, struct spec_args, bundle, "DIR",
	   "write it to this directory (default: the current one)", .complete = COMPLETE_DIRECTORY),
    OPTION("rootless", '\0', option_flag, struct spec_args, rootless, NULL,
	   "for a user without privileges"),
};

/** Make the file; one that is there is never replaced. */
static int write_new(int dir_fd, const char *json, size_t len, struct wh_error *err)
{
	auto_fd fd = openat(dir_fd, CONFIG_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int rc;

	if (fd < 0 && errno == EEXIST)
		return wh_fail(err, 0, "'" CONFIG_FILE "' exists already; remove it first");
	if (fd < 0)
		return wh_fail(err, errno, "create '" CONFIG_FILE "'");
	rc = fd_write_all(fd, json, len);
	if (rc < 0) {
		unlinkat(dir_fd, CONFIG_FILE, 0);
		return wh_fail(err, -rc, "write '" CONFIG_FILE "'");
	}
	return 0;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct spec_args *args = data;
	const char *bundle = args->bundle ? args->bundle : ".";
	auto_fd dir = -EBADF;
	struct oci_spec *spec = NULL;
	const char *json = NULL;
	size_t len = 0;
	int rc;

	rc = oci_default_spec(cli->arena, args->rootless, geteuid(), getegid(), &spec, err);
	if (rc == 0)
		rc = oci_config_encode(spec, cli->arena, &json, &len, err);
	if (rc < 0)
		return rc;
	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return wh_fail(err, errno, "bundle '%s'", bundle);
	return write_new(dir, json, len, err);
}

const struct verb verb_spec = {
    .name = "spec",
    .summary = "write a default config.json",
    .details = "It runs sh in the directory 'rootfs' beside it, with a terminal; edit it to taste.",
    VERB_OPTIONS(spec_options),
    .args_size = sizeof(struct spec_args),
    .stateless = true,
    .run = run,
};
