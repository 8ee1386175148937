/* SPDX-License-Identifier: Apache-2.0 */
/* echo PORT: serves one connection after the other, and sends back what it reads. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t m = write(fd, buf + done, (size_t)(n - done));

			if (m <= 0)
				return;
			done += m;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)atoi(argv[1]))};
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(sock, 8) < 0)
		return 1;
	for (;;) {
		int fd = accept(sock, NULL, NULL);

		if (fd >= 0) {
			serve(fd);
			close(fd);
		}
	}
}
