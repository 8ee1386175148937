/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/netlink.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"

/** Room for one datagram of an answer; the kernel's are 32 KiB at most (netlink(7)). */
#define ANSWER_SIZE 65536
/** The kernel answers at once: whoever waits longer waits for ever. */
#define TIMEOUT_S 10

void netlink_begin(struct netlink_message *message, uint16_t type, uint16_t flags,
		   const void *fixed, size_t len)
{
	*message = (struct netlink_message){
	    .header = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)}
        };
	assert(NLMSG_SPACE(len) <= sizeof(*message));
	memcpy(NLMSG_DATA(&message->header), fixed, len);
	message->header.nlmsg_len = (uint32_t)NLMSG_SPACE(len);
}

void netlink_put(struct netlink_message *message, uint16_t type, const void *data, size_t len)
{
	const struct rtattr attribute = {.rta_type = type,
					 .rta_len = (unsigned short)RTA_LENGTH(len)};
	char *end = message->bytes + message->header.nlmsg_len;

	assert(len <= sizeof(*message) &&
	       message->header.nlmsg_len + RTA_SPACE(len) <= sizeof(*message));
	memcpy(end, &attribute, sizeof(attribute));
	memcpy(end + RTA_LENGTH(0), data, len);
	message->header.nlmsg_len += (uint32_t)RTA_SPACE(len);
}

int netlink_open(struct wh_error *err)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	auto_fd sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return wh_fail(err, errno, "open a netlink socket");
	return fd_take(&sock);
}

/** One datagram of the kernel's. Returns its length or -errno. */
static ssize_t receive(int sock, char *answer, size_t size)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {answer, size};
	struct msghdr msg = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t len;

	do {
		len = recvmsg(sock, &msg, 0);
	} while ((len < 0 && errno == EINTR) || (len >= 0 && from.nl_pid != 0));
	if (len < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : len;
}

/** Whether @header ends the answer, and how: *@ret_rc. */
static bool is_end(const struct nlmsghdr *header, int *ret_rc)
{
	const struct nlmsgerr *answer = NLMSG_DATA(header);

	*ret_rc = 0;
	if (header->nlmsg_type == NLMSG_DONE)
		return true;
	if (header->nlmsg_type != NLMSG_ERROR)
		return false;
	*ret_rc = header->nlmsg_len < NLMSG_LENGTH(sizeof(*answer)) ? -EPROTO : answer->error;
	return true;
}

int netlink_request(int sock, struct netlink_message *message, netlink_reader *read, void *ctx)
{
	static uint32_t sequence;
	static char answer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool changed = false;
	int rc;

	message->header.nlmsg_seq = ++sequence;
	/* two bits, which mean other things where something is made */
	if ((message->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		message->header.nlmsg_flags |= NLM_F_ACK;
	if (send(sock, message, message->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t len = receive(sock, answer, sizeof(answer));
		const struct nlmsghdr *header = (const struct nlmsghdr *)answer;

		if (len < 0)
			return (int)len;
		for (; NLMSG_OK(header, (size_t)len); header = NLMSG_NEXT(header, len)) {
			if (header->nlmsg_seq != sequence)
				continue; /* of a request that was given up */
			changed |= (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (is_end(header, &rc))
				return rc == 0 && changed ? -EINTR : rc;
			rc = read ? read(header, ctx) : 0;
			if (rc < 0)
				return rc;
		}
	}
}

const struct rtattr *netlink_attributes(const struct nlmsghdr *header, size_t fixed_len,
					size_t *ret_len)
{
	const size_t start = NLMSG_SPACE(fixed_len);

	*ret_len = header->nlmsg_len > start ? header->nlmsg_len - start : 0;
	return (const struct rtattr *)((const char *)header + start);
}
