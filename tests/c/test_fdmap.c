/* The descriptors a forked child closes (net/fdmap.h), and the one that wakes a thread (net/wake.h). */
#define _GNU_SOURCE
#include "check.h"
#include "net/fdmap.h"
#include "net/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

TEST(fdmap_closes_what_is_noted_and_nothing_else) {
    rsec_fdmap map;
    int fds[4];
    CHECK_INT(rsec_fdmap_init(&map, 1024), RSEC_OK);
    CHECK(map.num >= 1024);
    for (int i = 0; i < 4; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        CHECK(fds[i] >= 0 && fds[i] < 1024);
    }
    rsec_fdmap_put(&map, fds[0]);
    rsec_fdmap_put(&map, fds[1]);
    rsec_fdmap_put(&map, fds[2]);
    rsec_fdmap_drop(&map, fds[1]);
    rsec_fdmap_close_all(&map);
    CHECK(!is_open(fds[0]));
    CHECK(is_open(fds[1]));
    CHECK(!is_open(fds[2]));
    CHECK(is_open(fds[3]));
    fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC); /* takes a number that is free again */
    rsec_fdmap_close_all(&map);                       /* which was forgotten */
    CHECK(is_open(fds[0]));
    close(fds[0]);
    close(fds[1]);
    close(fds[3]);
    rsec_fdmap_clear(&map);
}

TEST(fdmap_ignores_descriptors_beyond_its_room) {
    rsec_fdmap map;
    CHECK_INT(rsec_fdmap_init(&map, 3), RSEC_OK);
    rsec_fdmap_put(&map, -1);
    rsec_fdmap_put(&map, 100000);
    rsec_fdmap_drop(&map, -1);
    rsec_fdmap_drop(&map, 100000);
    rsec_fdmap_close_all(&map);
    rsec_fdmap_clear(&map);
    rsec_fdmap_clear(&map);
}

static bool is_readable(const rsec_wake *wake) {
    struct pollfd fd = {.fd = wake->read_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

TEST(wake_is_readable_from_set_to_reset) {
    rsec_wake wake;
    CHECK_INT(rsec_wake_init(&wake), 0);
    CHECK((fcntl(wake.read_fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(wake.read_fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK(!is_readable(&wake));
    rsec_wake_reset(&wake); /* does not block */
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 1000; i++) {
            rsec_wake_set(&wake);
        }
        CHECK(is_readable(&wake));
        rsec_wake_reset(&wake);
        CHECK(!is_readable(&wake));
    }
    int fd = wake.read_fd;
    rsec_wake_clear(&wake);
    CHECK(!is_open(fd));
    CHECK_INT(wake.read_fd, -1);
    rsec_wake_clear(&wake);
}
