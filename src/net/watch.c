#define _GNU_SOURCE
#include "net/watch.h"

#include <errno.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>

int rsec_watch_init(rsec_watch *watch, const rsec_wake *wake, const rsec_poller *poller) {
    *watch = (rsec_watch){wake->read_fd, rsec_poller_fd(poller)};
    if (!rsec_watch_is_switchable(watch)) {
        return 0;
    }
    struct epoll_event on = {.events = EPOLLIN}, off = {.events = 0};
    watch->fd = epoll_create1(EPOLL_CLOEXEC);
    if (watch->fd >= 0 && epoll_ctl(watch->fd, EPOLL_CTL_ADD, wake->read_fd, &on) == 0 &&
        epoll_ctl(watch->fd, EPOLL_CTL_ADD, watch->poller_fd, &off) == 0) {
        return 0;
    }
    int err = errno;
    rsec_watch_clear(watch);
    return err;
}

void rsec_watch_clear(rsec_watch *watch) {
    if (rsec_watch_is_switchable(watch) && watch->fd >= 0) {
        close(watch->fd);
    }
    *watch = (rsec_watch){-1, -1};
}

void rsec_watch_switch(const rsec_watch *watch, bool is_on) {
    struct epoll_event event = {.events = is_on ? EPOLLIN : 0};
    /* Both descriptors are ours and registered: this cannot fail. */
    (void)epoll_ctl(watch->fd, EPOLL_CTL_MOD, watch->poller_fd, &event);
}
#else
int rsec_watch_init(rsec_watch *watch, const rsec_wake *wake, const rsec_poller *poller) {
    (void)poller;
    *watch = (rsec_watch){wake->read_fd, -1};
    return 0;
}

void rsec_watch_clear(rsec_watch *watch) {
    *watch = (rsec_watch){-1, -1};
}

void rsec_watch_switch(const rsec_watch *watch, bool is_on) {
    (void)watch;
    (void)is_on;
}
#endif
