/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to the kernel's network configuration (netlink(7), rtnetlink(7)): one request at a time,
 * in a buffer of fixed size. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** More than any request here needs. */
#define NETLINK_MESSAGE_SIZE 256

struct netlink_message {
	union {
		struct nlmsghdr header;
		char bytes[NETLINK_MESSAGE_SIZE];
	};
};

/** A request of @type (RTM_*) with @flags (NLM_F_*) whose fixed part is @fixed. */
void netlink_begin(struct netlink_message *message, uint16_t type, uint16_t flags,
		   const void *fixed, size_t len);
/** Append an attribute. The buffer is large enough for what its callers build: asserted. */
void netlink_put(struct netlink_message *message, uint16_t type, const void *data, size_t len);

/** What is done with each message of an answer. Returns 0 or -errno, which ends the request. */
typedef int netlink_reader(const struct nlmsghdr *header, void *ctx);

/** A route socket of the caller's network namespace. Returns an fd owned by the caller or -errno.
 */
int netlink_open(struct wh_error *err);
/**
 * Send @message and read the answer to its end: the acknowledgement, or the end of the list that
 * NLM_F_DUMP asks for. @read: NULL when only the acknowledgement matters.
 * Returns 0 or -errno: the kernel's, @read's, -EINTR when a list changed while it was read (ask
 * again), or -ETIMEDOUT.
 */
int netlink_request(int sock, struct netlink_message *message, netlink_reader *read, void *ctx);
/** The attributes of a message behind its fixed part of @fixed_len bytes: walk them with RTA_OK. */
const struct rtattr *netlink_attributes(const struct nlmsghdr *header, size_t fixed_len,
					size_t *ret_len);
