/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "base/command.h"
#include "base/fd.h"
#include "base/process.h"

/** As much of a hook's output as an error has room for beside its own words. */
#define QUOTED_OUTPUT_MAX 3000

/**
 * The hook's arguments and environment with the NULL at the end that execve(2) wants; memory of its
 * own, since init has no heap.
 */
struct hook_vectors {
	const char **argv;
	const char **envp; /* NULL: the default */
	size_t size;       /* of the mapping that starts at argv */
};

static int vectors_make(const struct oci_hook *hook, struct hook_vectors *ret)
{
	size_t n_args = hook->n_args > 0 ? hook->n_args : 1;
	size_t size = (n_args + 1 + hook->n_env + 1) * sizeof(char *);
	const char **slots =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (slots == MAP_FAILED)
		return -ENOMEM;
	*ret = (struct hook_vectors){.argv = slots, .size = size};
	if (hook->n_args > 0)
		memcpy(slots, hook->args, n_args * sizeof(char *));
	else
		slots[0] = hook->path;
	if (!hook->env)
		return 0;
	ret->envp = slots + n_args + 1;
	if (hook->n_env > 0)
		memcpy(ret->envp, hook->env, hook->n_env * sizeof(char *));
	return 0;
}

static int timeout_ms(const struct oci_hook *hook)
{
	if (!hook->timeout)
		return COMMAND_NO_TIMEOUT;
	return *hook->timeout < INT_MAX / 1000 ? (int)*hook->timeout * 1000 : INT_MAX;
}

/** The end of what it printed, in front of which goes ": " when there is any. */
static const char *quoted_output(const struct command_result *result, const char **ret_separator)
{
	*ret_separator = result->output_len > 0 ? ": " : "";
	if (result->output_len <= QUOTED_OUTPUT_MAX)
		return result->output;
	*ret_separator = ": ...";
	return result->output + result->output_len - QUOTED_OUTPUT_MAX;
}

static int judge(const struct oci_hook *hook, const struct command_result *result,
		 struct wh_error *err)
{
	const char *separator;
	const char *output = quoted_output(result, &separator);

	if (result->exec_errno)
		return wh_fail(err, result->exec_errno, "execute it");
	if (result->timed_out)
		return wh_fail(err, 0, "no end within its timeout of %lld s%s%s",
			       (long long)*hook->timeout, separator, output);
	if (result->cancelled)
		return wh_fail(err, 0, "ended because this process received signal %d%s%s",
			       result->cancelled, separator, output);
	if (process_status_signal(result->status))
		return wh_fail(err, 0, "killed by signal %d%s%s",
			       process_status_signal(result->status), separator, output);
	if (result->status != 0)
		return wh_fail(err, 0, "exit status %d%s%s", result->status, separator, output);
	return 0;
}

static int run(const struct oci_hook *hook, const struct hook_setting *setting,
	       struct wh_error *err)
{
	auto_fd cwd = setting->cwd ? open(setting->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	struct command_result result;
	struct hook_vectors vectors;
	struct command command;
	int rc;

	if (hook->path[0] != '/')
		return wh_fail(err, 0, "the path must be absolute");
	rc = vectors_make(hook, &vectors);
	if (rc < 0)
		return wh_oom(err);
	command = (struct command){
	    .path = hook->path,
	    .argv = vectors.argv,
	    .envp = vectors.envp ? vectors.envp : setting->default_env,
	    .cwd_fd = cwd,
	    .input = setting->state,
	    .input_len = setting->len,
	    .timeout_ms = timeout_ms(hook),
	    .attended = setting->attended,
	};
	rc = command_run(&command, &result, err);
	munmap(vectors.argv, vectors.size);
	return rc < 0 ? rc : judge(hook, &result, err);
}

int hook_run(const struct oci_hook *hook, const char *kind, size_t index,
	     const struct hook_setting *setting, struct wh_error *err)
{
	int rc = run(hook, setting, err);

	if (rc < 0)
		wh_error_prefix(err, "hooks.%s[%zu] '%s'", kind, index, hook->path);
	return rc;
}

int hooks_run(const struct oci_hook *hooks, size_t count, const char *kind,
	      const struct hook_setting *setting, struct wh_error *err)
{
	for (size_t i = 0; i < count; i++) {
		int rc = hook_run(&hooks[i], kind, i, setting, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
