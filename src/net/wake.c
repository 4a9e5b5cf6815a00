#define _GNU_SOURCE
#include "net/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>

int rsec_wake_init(rsec_wake *wake) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    *wake = (rsec_wake){fd, fd};
    return fd < 0 ? errno : 0;
}

void rsec_wake_clear(rsec_wake *wake) {
    if (wake->read_fd >= 0) {
        close(wake->read_fd);
    }
    *wake = (rsec_wake){-1, -1};
}
#else
int rsec_wake_init(rsec_wake *wake) {
    int fds[2];
    *wake = (rsec_wake){-1, -1};
    if (pipe(fds) != 0) {
        return errno;
    }
    for (int i = 0; i < 2; i++) {
        if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) != 0 || fcntl(fds[i], F_SETFL, O_NONBLOCK) != 0) {
            int err = errno;
            close(fds[0]);
            close(fds[1]);
            return err;
        }
    }
    *wake = (rsec_wake){fds[0], fds[1]};
    return 0;
}

void rsec_wake_clear(rsec_wake *wake) {
    if (wake->read_fd >= 0) {
        close(wake->read_fd);
        close(wake->write_fd);
    }
    *wake = (rsec_wake){-1, -1};
}
#endif

void rsec_wake_set(const rsec_wake *wake) {
    const uint64_t one = 1;
    ssize_t n;
    do {
        n = write(wake->write_fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
}

void rsec_wake_reset(const rsec_wake *wake) {
    uint64_t drain[8];
    ssize_t n;
    do {
        n = read(wake->read_fd, drain, sizeof drain);
        /* An eventfd gives everything in one read of 8 octets; a pipe may hold more than the buffer takes. */
    } while ((n < 0 && errno == EINTR) || n == (ssize_t)sizeof drain);
}
