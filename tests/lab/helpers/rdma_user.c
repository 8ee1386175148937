/* SPDX-License-Identifier: Apache-2.0 */
/**
 * rdma_user DEVICE [leave]: takes handles of an RDMA device (one each time that it is opened), then objects (protection
 * domains of the first handle), until it is refused or has 16 of either. Says how many it has, and keeps them, or leaves.
 * What the kernel wants is in <rdma/ib_user_verbs.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <rdma/ib_user_verbs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST 16

struct request {
	struct ib_uverbs_cmd_hdr head;
	uint64_t response; /* the first field of both commands, and their only one */
};

/** Both answers fit into two words. Returns 0 or the errno. */
static int ask(int fd, uint32_t command, uint16_t answer_words)
{
	uint32_t answer[2] = {0};
	struct request request = {
	    .head = {.command = command,
		     .in_words = sizeof(request) / 4,
		     .out_words = answer_words},
	    .response = (uint64_t)(uintptr_t)answer,
	};

	return write(fd, &request, sizeof(request)) < 0 ? errno : 0;
}

int main(int argc, char **argv)
{
	int first = -1, handles = 0, objects = 0, refused = 0;

	if (argc < 2)
		return 2;
	while (handles < MOST && !refused) {
		int fd = open(argv[1], O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			perror(argv[1]);
			return 1;
		}
		refused = ask(fd, IB_USER_VERBS_CMD_GET_CONTEXT, 2);
		handles += !refused;
		first = first < 0 ? fd : first;
	}
	printf("handles %d, %s\n", handles, strerror(refused));
	refused = 0;
	while (handles > 0 && objects < MOST && !refused) {
		refused = ask(first, IB_USER_VERBS_CMD_ALLOC_PD, 1);
		objects += !refused;
	}
	printf("objects %d, %s\n", objects, strerror(refused));
	fflush(stdout);
	if (argc == 2)
		pause();
	return 0;
}
