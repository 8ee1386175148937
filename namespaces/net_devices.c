/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/net_devices.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "namespaces/netlink.h"
#include "namespaces/ns_enter.h"

/** Addresses of one device that are kept; more are an error. */
#define MAX_ADDRESSES 128
/** Numbers tried for a %d, as many as the kernel has names for one pattern. */
#define MAX_NUMBER 32768
/** How often a list that changes while it is read is asked for. */
#define MAX_ATTEMPTS 10
/** What somebody set about an address; the other flags are the kernel's to find out. */
#define KEPT_ADDRESS_FLAGS                                                                         \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |            \
	 IFA_F_MCAUTOJOIN)

/** One device on its way. */
struct move {
	const struct oci_net_device *device;
	int host;      /* netlink socket of the caller's namespace */
	int container; /* and of the container's */
	int netns_fd;
	int index; /* on the host */
	char name[IF_NAMESIZE];
	size_t n_addresses;
	/* requests that add them, made from what the host showed */
	struct netlink_message addresses[MAX_ADDRESSES];
};

static int read_index(const struct nlmsghdr *header, void *ctx)
{
	const struct ifinfomsg *info = NLMSG_DATA(header);

	if (header->nlmsg_type == RTM_NEWLINK && header->nlmsg_len >= NLMSG_LENGTH(sizeof(*info)))
		*(int *)ctx = info->ifi_index;
	return 0;
}

/** The index of the device @name. Returns it, or -ENODEV, or another -errno. */
static int find_device(int sock, const char *name)
{
	const struct ifinfomsg any = {.ifi_family = AF_UNSPEC};
	struct netlink_message message;
	int index = -ENODEV;
	int rc;

	netlink_begin(&message, RTM_GETLINK, 0, &any, sizeof(any));
	netlink_put(&message, IFLA_IFNAME, name, strlen(name) + 1);
	rc = netlink_request(sock, &message, read_index, &index);
	return rc < 0 ? rc : index;
}

/* addresses */

static bool is_kept_attribute(const struct move *move, const struct rtattr *attribute)
{
	switch (attribute->rta_type) {
	case IFA_LOCAL:
	case IFA_ADDRESS:
	case IFA_BROADCAST:
	case IFA_RT_PRIORITY:
		return true;
	case IFA_LABEL: /* it begins with the device's name */
		return streq(move->name, move->device->host_name);
	default:
		return false;
	}
}

static uint32_t address_flags(const struct nlmsghdr *header, const struct ifaddrmsg *address)
{
	uint32_t flags = address->ifa_flags;
	size_t len;

	for (const struct rtattr *a = netlink_attributes(header, sizeof(*address), &len);
	     RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof(flags))
			memcpy(&flags, RTA_DATA(a), sizeof(flags));
	}
	return flags;
}

/** Keep what config-linux.md#network-devices names: IFA_F_PERMANENT and RT_SCOPE_UNIVERSE. */
static int keep_address(const struct nlmsghdr *header, void *ctx)
{
	struct move *move = ctx;
	const struct ifaddrmsg *shown = NLMSG_DATA(header);
	struct netlink_message *message;
	struct ifaddrmsg address;
	uint32_t flags;
	size_t len;

	if (header->nlmsg_type != RTM_NEWADDR || header->nlmsg_len < NLMSG_LENGTH(sizeof(*shown)))
		return 0;
	flags = address_flags(header, shown);
	if ((int)shown->ifa_index != move->index || !(flags & IFA_F_PERMANENT) ||
	    shown->ifa_scope != RT_SCOPE_UNIVERSE ||
	    (shown->ifa_family != AF_INET && shown->ifa_family != AF_INET6))
		return 0;
	if (move->n_addresses == MAX_ADDRESSES)
		return -E2BIG;
	message = &move->addresses[move->n_addresses++];
	address = *shown;
	address.ifa_flags = 0;
	flags &= KEPT_ADDRESS_FLAGS;
	netlink_begin(message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address, sizeof(address));
	netlink_put(message, IFA_FLAGS, &flags, sizeof(flags));
	for (const struct rtattr *a = netlink_attributes(header, sizeof(*shown), &len);
	     RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		/* none of them is longer than an IPv6 address or a name */
		if (is_kept_attribute(move, a) && RTA_PAYLOAD(a) <= IF_NAMESIZE)
			netlink_put(message, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
	}
	return 0;
}

static int read_addresses(struct move *move, struct wh_error *err)
{
	const struct ifaddrmsg any = {.ifa_family = AF_UNSPEC};
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < MAX_ATTEMPTS; i++) {
		struct netlink_message message;

		move->n_addresses = 0;
		netlink_begin(&message, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any));
		rc = netlink_request(move->host, &message, keep_address, move);
	}
	if (rc == -E2BIG)
		return wh_fail(err, E2BIG, "it has more than %d permanent addresses",
			       MAX_ADDRESSES);
	return rc < 0 ? wh_fail(err, -rc, "read its addresses") : 0;
}

static int add_addresses(struct move *move, int index, struct wh_error *err)
{
	for (size_t i = 0; i < move->n_addresses; i++) {
		struct netlink_message *message = &move->addresses[i];
		struct ifaddrmsg *address = NLMSG_DATA(&message->header);
		int rc;

		address->ifa_index = (unsigned int)index;
		rc = netlink_request(move->container, message, NULL, NULL);
		if (rc < 0)
			return wh_fail(err, -rc, "keep its %s address %zu of %zu in the container",
				       address->ifa_family == AF_INET6 ? "IPv6" : "IPv4", i + 1,
				       move->n_addresses);
	}
	return 0;
}

/* names */

/** The first free name of a pattern, as the kernel would choose it: known before the move. */
static int number_name(struct move *move, const char *pattern, struct wh_error *err)
{
	const char *place = strstr(pattern, "%d");
	int rc = 0;

	for (int number = 0; number < MAX_NUMBER && rc >= 0; number++) {
		int len = snprintf(move->name, sizeof(move->name), "%.*s%d%s",
				   (int)(place - pattern), pattern, number, place + 2);

		if (len < 0 || (size_t)len >= sizeof(move->name))
			break;
		rc = find_device(move->container, move->name);
		if (rc == -ENODEV)
			return 0;
	}
	if (rc < 0)
		return wh_fail(err, -rc, "look for a free name '%s' in the container", pattern);
	return wh_fail(err, EEXIST, "no name '%s' is free in the container", pattern);
}

static int choose_name(struct move *move, struct wh_error *err)
{
	const char *name = net_device_name(move->device);
	int rc;

	if (strstr(name, "%d"))
		return number_name(move, name, err);
	snprintf(move->name, sizeof(move->name), "%s", name);
	rc = find_device(move->container, name);
	if (rc == -ENODEV)
		return 0;
	if (rc < 0)
		return wh_fail(err, -rc, "look for '%s' in the container", name);
	return wh_fail(
	    err, EEXIST,
	    "the container's network namespace has an interface '%s': give another name, "
	    "or one with %%d",
	    name);
}

/** Both namespaces allow it, as far as can be seen. */
static int check_device(struct move *move, struct wh_error *err)
{
	move->index = find_device(move->host, move->device->host_name);
	if (move->index == -ENODEV)
		return wh_fail(err, 0, "the host has no such network interface");
	if (move->index < 0)
		return wh_fail(err, -move->index, "look for it on the host");
	return choose_name(move, err);
}

/* moving */

static int change_namespace(struct move *move, struct wh_error *err)
{
	const struct ifinfomsg device = {.ifi_family = AF_UNSPEC, .ifi_index = move->index};
	struct netlink_message message;
	int rc;

	netlink_begin(&message, RTM_SETLINK, 0, &device, sizeof(device));
	netlink_put(&message, IFLA_NET_NS_FD, &move->netns_fd, sizeof(move->netns_fd));
	netlink_put(&message, IFLA_IFNAME, move->name, strlen(move->name) + 1);
	rc = netlink_request(move->host, &message, NULL, NULL);
	if (rc == -EINVAL)
		return wh_fail(err, EINVAL,
			       "the kernel does not move an interface of this kind to another "
			       "network namespace");
	return rc < 0 ? wh_fail(err, -rc, "move it to the container as '%s'", move->name) : 0;
}

static int set_up(int sock, int index, struct wh_error *err)
{
	const struct ifinfomsg device = {
	    .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct netlink_message message;
	int rc;

	netlink_begin(&message, RTM_NEWLINK, 0, &device, sizeof(device));
	rc = netlink_request(sock, &message, NULL, NULL);
	return rc < 0 ? wh_fail(err, -rc, "set it up in the container") : 0;
}

/** MTU and hardware address stay with the device; its addresses do not, and it is down. */
static int move_device(struct move *move, struct wh_error *err)
{
	int index;
	int rc = check_device(move, err);

	if (rc == 0)
		rc = read_addresses(move, err);
	if (rc == 0)
		rc = change_namespace(move, err);
	if (rc < 0)
		return rc;
	index = find_device(move->container, move->name);
	if (index < 0)
		return wh_fail(err, -index, "find it in the container as '%s'", move->name);
	rc = add_addresses(move, index, err);
	return rc < 0 ? rc : set_up(move->container, index, err);
}

static int for_each(struct move *move, const struct ns_plan *plan,
		    int (*act)(struct move *move, struct wh_error *err), struct wh_error *err)
{
	for (size_t i = 0; i < plan->n_net_devices; i++) {
		int rc;

		move->device = &plan->net_devices[i];
		rc = act(move, err);
		if (rc < 0) {
			if (err)
				wh_error_prefix(err, "linux.netDevices: '%s'",
						move->device->host_name);
			return rc;
		}
	}
	return 0;
}

/** A socket stays in the namespace it was made in. */
static int open_socket_there(int netns_fd, int own_fd, struct wh_error *err)
{
	int sock;

	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return wh_fail(err, errno,
			       "linux.netDevices: enter the container's network namespace (needs "
			       "CAP_SYS_ADMIN)");
	sock = netlink_open(err);
	if (setns(own_fd, CLONE_NEWNET) < 0) {
		fd_close(sock);
		return wh_fail(err, errno, "linux.netDevices: return to the network namespace");
	}
	return sock;
}

static int check_is_other(int netns_fd, int own_fd, struct wh_error *err)
{
	struct stat theirs;
	struct stat own;

	if (fstat(netns_fd, &theirs) < 0 || fstat(own_fd, &own) < 0)
		return wh_fail(err, errno, "compare network namespaces");
	if (theirs.st_ino == own.st_ino && theirs.st_dev == own.st_dev)
		return wh_fail(err, 0,
			       "linux.netDevices: the network namespace to join is the one they "
			       "are in");
	return 0;
}

int net_devices_move(const struct ns_plan *plan, pid_t pid, struct wh_error *err)
{
	auto_free struct move *move = calloc(1, sizeof(*move));
	auto_fd proc = procfs_open(false, err);
	auto_fd own_fd = proc < 0 ? proc : ns_open_of_process(proc, getpid(), "net", err);
	auto_fd netns_fd = own_fd < 0 ? own_fd : ns_open_of_process(proc, pid, "net", err);
	auto_fd host = -EBADF;
	auto_fd container = -EBADF;
	int rc;

	if (!move)
		return wh_oom(err);
	if (netns_fd < 0)
		return netns_fd;
	rc = check_is_other(netns_fd, own_fd, err);
	if (rc < 0)
		return rc;
	host = netlink_open(err);
	if (host < 0)
		return host;
	container = open_socket_there(netns_fd, own_fd, err);
	if (container < 0)
		return container;
	move->host = host;
	move->container = container;
	move->netns_fd = netns_fd;
	rc = for_each(move, plan, check_device, err);
	return rc < 0 ? rc : for_each(move, plan, move_device, err);
}
