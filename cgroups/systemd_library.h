/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsystemd's sd-bus, loaded when the systemd manager is asked for and only then: no other start
 * pays for it. For the sources of cgroups/ only.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/error.h"

/** What is used of libsystemd, with the types of its header. */
struct sd_library {
	__typeof__(&sd_bus_open_system) open_system;
	__typeof__(&sd_bus_open_user) open_user;
	__typeof__(&sd_bus_is_ready) is_ready;
	__typeof__(&sd_bus_process) process;
	__typeof__(&sd_bus_wait) wait;
	__typeof__(&sd_bus_close_unref) close_unref;
	__typeof__(&sd_bus_call) call;
	__typeof__(&sd_bus_error_free) error_free;
	__typeof__(&sd_bus_match_signal_async) match_signal_async;
	__typeof__(&sd_bus_path_encode) path_encode;
	__typeof__(&sd_bus_message_new_method_call) message_new_method_call;
	__typeof__(&sd_bus_message_append_basic) message_append_basic;
	__typeof__(&sd_bus_message_open_container) message_open_container;
	__typeof__(&sd_bus_message_close_container) message_close_container;
	__typeof__(&sd_bus_message_peek_type) message_peek_type;
	__typeof__(&sd_bus_message_enter_container) message_enter_container;
	__typeof__(&sd_bus_message_exit_container) message_exit_container;
	__typeof__(&sd_bus_message_read_basic) message_read_basic;
	__typeof__(&sd_bus_message_unref) message_unref;
};

/**
 * Load libsystemd, once. The static program executes its twin here and does not return (base/twin.h).
 * *@ret_library: never freed. Returns 0 or -errno.
 */
int sd_library_load(const struct sd_library **ret_library, struct wh_error *err);

/** Whether sd_library_load() did so already. */
bool sd_library_is_loaded(void);
