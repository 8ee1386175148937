/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that change nothing: the loopback interface is in every network namespace. */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "namespaces/netlink.h"

struct found {
	int index;
	char name[IF_NAMESIZE];
	int count;
};

static int read_link(const struct nlmsghdr *header, void *ctx)
{
	const struct ifinfomsg *info = NLMSG_DATA(header);
	struct found *found = ctx;
	size_t len;

	assert_int_equal(header->nlmsg_type, RTM_NEWLINK);
	found->index = info->ifi_index;
	found->count++;
	for (const struct rtattr *a = netlink_attributes(header, sizeof(*info), &len);
	     RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_IFNAME && RTA_PAYLOAD(a) <= sizeof(found->name))
			memcpy(found->name, RTA_DATA(a), RTA_PAYLOAD(a));
	}
	return 0;
}

static int get_link(int sock, const char *name, struct found *found)
{
	const struct ifinfomsg any = {0};
	struct netlink_message message;

	netlink_begin(&message, RTM_GETLINK, 0, &any, sizeof(any));
	netlink_put(&message, IFLA_IFNAME, name, strlen(name) + 1);
	return netlink_request(sock, &message, read_link, found);
}

static void test_message(void **state)
{
	const struct ifinfomsg fixed = {.ifi_index = 7};
	struct netlink_message message;
	const struct rtattr *first;
	const struct rtattr *second;
	size_t len;

	netlink_begin(&message, RTM_SETLINK, NLM_F_CREATE, &fixed, sizeof(fixed));
	netlink_put(&message, IFLA_IFNAME, "x", 2);
	netlink_put(&message, IFLA_MTU, &(uint32_t){1400}, sizeof(uint32_t));
	assert_int_equal(message.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);
	assert_int_equal(message.header.nlmsg_len, 16 + 16 + 8 + 8);
	first = netlink_attributes(&message.header, sizeof(fixed), &len);
	assert_int_equal(len, 16);
	assert_true(RTA_OK(first, len));
	assert_int_equal(first->rta_type, IFLA_IFNAME);
	assert_string_equal((const char *)RTA_DATA(first), "x");
	second = RTA_NEXT(first, len);
	assert_true(RTA_OK(second, len));
	assert_int_equal(second->rta_type, IFLA_MTU);
	assert_int_equal(*(const uint32_t *)RTA_DATA(second), 1400);
}

static void test_requests(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	auto_fd sock = netlink_open(&err);
	struct found found = {0};

	assert_true(sock >= 0);
	assert_int_equal(get_link(sock, "lo", &found), 0);
	assert_int_equal(found.index, 1);
	assert_string_equal(found.name, "lo");
	assert_int_equal(found.count, 1);
	assert_int_equal(get_link(sock, "no-such-one", &found), -ENODEV);
	assert_int_equal(found.count, 1);
}

static int give_up(const struct nlmsghdr *header, void *ctx)
{
	return -E2BIG;
}

/* what is left of an answer that was given up is not taken for the next one's */
static void test_list(void **state)
{
	const struct ifinfomsg any = {0};
	struct wh_error err = WH_ERROR_INIT;
	auto_fd sock = netlink_open(&err);
	struct netlink_message message;
	struct found found = {0};

	assert_true(sock >= 0);
	netlink_begin(&message, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	assert_int_equal(netlink_request(sock, &message, give_up, NULL), -E2BIG);
	assert_int_equal(get_link(sock, "lo", &found), 0);
	assert_int_equal(found.count, 1);
	found.count = 0;
	assert_int_equal(netlink_request(sock, &message, read_link, &found), 0);
	assert_true(found.count >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_list),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
