#define _GNU_SOURCE
#include "net/poller.h"

#if defined(__linux__) && !defined(RSEC_POLLER_POLL)

#include "net/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 256 };

struct rsec_poller {
    int fd;
    struct epoll_event ready[BATCH];
};

const char *rsec_poller_name(void) {
    return "epoll";
}

rsec_poller *rsec_poller_new(void) {
    rsec_poller *poller = malloc(sizeof *poller);
    if (poller == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        free(poller);
        return NULL;
    }
    return poller;
}

void rsec_poller_free(rsec_poller *poller) {
    if (poller != NULL) {
        close(poller->fd);
        free(poller);
    }
}

static int control(rsec_poller *poller, int op, int fd, unsigned events, void *data) {
    struct epoll_event event = {.events = 0, .data.ptr = data};
    if (events & RSEC_POLL_IN) {
        event.events |= EPOLLIN;
    }
    if (events & RSEC_POLL_OUT) {
        event.events |= EPOLLOUT;
    }
    return epoll_ctl(poller->fd, op, fd, &event) == 0 ? 0 : errno;
}

int rsec_poller_add(rsec_poller *poller, int fd, unsigned events, void *data) {
    return control(poller, EPOLL_CTL_ADD, fd, events, data);
}

int rsec_poller_change(rsec_poller *poller, int fd, unsigned events, void *data) {
    return control(poller, EPOLL_CTL_MOD, fd, events, data);
}

void rsec_poller_remove(rsec_poller *poller, int fd) {
    (void)control(poller, EPOLL_CTL_DEL, fd, 0, NULL);
}

int rsec_poller_wait(rsec_poller *poller, rsec_poll_event *events, int cap, int64_t timeout_ns) {
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        /* Rounded up: waking before a deadline would only mean waking twice. */
        int64_t ms = (timeout_ns + RSEC_NS_PER_MS - 1) / RSEC_NS_PER_MS;
        timeout_ms = ms > INT_MAX ? INT_MAX : (int)ms;
    }
    int num = epoll_wait(poller->fd, poller->ready, cap < BATCH ? cap : BATCH, timeout_ms);
    if (num < 0) {
        return errno == EINTR ? 0 : -1;
    }
    for (int i = 0; i < num; i++) {
        unsigned found = 0;
        if (poller->ready[i].events & EPOLLIN) {
            found |= RSEC_POLL_IN;
        }
        if (poller->ready[i].events & EPOLLOUT) {
            found |= RSEC_POLL_OUT;
        }
        if (poller->ready[i].events & (EPOLLERR | EPOLLHUP)) {
            found |= RSEC_POLL_ERR;
        }
        events[i] = (rsec_poll_event){poller->ready[i].data.ptr, found};
    }
    return num;
}

int rsec_poller_fd(const rsec_poller *poller) {
    return poller->fd;
}

#else
typedef int rsec_poller_epoll_is_not_built; /* ISO C wants a declaration in every file */
#endif
