/* udp_server: RADIUS/UDP with the benchmark's policy, for a proxy to stand in front of. `udp_server --help`. */
#define _GNU_SOURCE
#include "answer.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char help[] =
    "usage: udp_server\n"
    "\n"
    "Answers RADIUS/UDP requests on a free port of 127.0.0.1, secret radsec. Prints one line of JSON\n"
    "with its port, and serves until standard input ends.\n";

static int open_on_loopback(void) {
    int octets = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        die("127.0.0.1: %s", strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
    printf("{\"port\": %d}\n", ntohs(addr.sin_port));
    (void)fflush(stdout);
    return fd;
}

static void answer_all(int fd) {
    static uint8_t in[PACKET_MAX], out[PACKET_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    for (ssize_t got; (got = recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&from, &from_len)) >= 0;) {
        size_t len = got >= PACKET_HEADER ? (size_t)(in[2] << 8 | in[3]) : 0;
        size_t out_len = len >= PACKET_HEADER && len <= (size_t)got ? answer(in, len, out) : 0;
        if (out_len > 0) {
            (void)sendto(fd, out, out_len, 0, (struct sockaddr *)&from, from_len);
        }
        from_len = sizeof from;
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        (void)fputs(help, strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    answer_init("radsec", false);
    struct pollfd watched[] = {{.fd = open_on_loopback(), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR) {
            die("poll: %s", strerror(errno));
        }
        if (watched[0].revents != 0) {
            answer_all(watched[0].fd);
        }
        char octets[256];
        if (watched[1].revents != 0 && read(STDIN_FILENO, octets, sizeof octets) <= 0) {
            return 0;
        }
    }
}
