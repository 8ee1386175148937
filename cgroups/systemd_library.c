/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "base/twin.h"

#define LIBSYSTEMD_SONAME "libsystemd.so.0"

#define SYMBOL(member)                                                                             \
	{                                                                                          \
		"sd_bus_" #member, offsetof(struct sd_library, member)                             \
	}

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
    SYMBOL(open_system),
    SYMBOL(open_user),
    SYMBOL(is_ready),
    SYMBOL(process),
    SYMBOL(wait),
    SYMBOL(close_unref),
    SYMBOL(call),
    SYMBOL(error_free),
    SYMBOL(match_signal_async),
    SYMBOL(path_encode),
    SYMBOL(message_new_method_call),
    SYMBOL(message_append_basic),
    SYMBOL(message_open_container),
    SYMBOL(message_close_container),
    SYMBOL(message_peek_type),
    SYMBOL(message_enter_container),
    SYMBOL(message_exit_container),
    SYMBOL(message_read_basic),
    SYMBOL(message_unref),
};

static void *handle;

int sd_library_load(const struct sd_library **ret_library, struct wh_error *err)
{
	static struct sd_library library;
	int rc = twin_require(LIBSYSTEMD_SONAME, err);

	if (rc < 0)
		return rc;
	if (!handle)
		handle = dlopen(LIBSYSTEMD_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "the systemd cgroup manager needs " LIBSYSTEMD_SONAME
				    ", which could not be loaded (install libsystemd0): %s",
				    dlerror());
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		void *address = dlsym(handle, symbols[i].name);

		if (!address)
			return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
					    LIBSYSTEMD_SONAME " lacks %s: %s", symbols[i].name,
					    dlerror());
		memcpy((char *)&library + symbols[i].offset, &address, sizeof(address));
	}
	*ret_library = &library;
	return 0;
}

bool sd_library_is_loaded(void)
{
	return handle != NULL;
}
