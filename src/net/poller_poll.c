#define _GNU_SOURCE
#include "net/poller.h"

#if !defined(__linux__) || defined(RSEC_POLLER_POLL)

#include "net/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Dense arrays for poll(2), and for every descriptor the place it has in them. */
struct rsec_poller {
    struct pollfd *fds;
    void **data;
    size_t num, cap;
    size_t *place; /* by descriptor: index + 1, 0 for none */
    size_t place_cap;
    size_t turn; /* where the next look for ready descriptors starts, so that none is favoured */
};

const char *rsec_poller_name(void) {
    return "poll";
}

rsec_poller *rsec_poller_new(void) {
    rsec_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) {
        errno = ENOMEM;
    }
    return poller;
}

void rsec_poller_free(rsec_poller *poller) {
    if (poller != NULL) {
        free(poller->fds);
        free(poller->data);
        free(poller->place);
        free(poller);
    }
}

static short poll_bits(unsigned events) {
    short bits = 0;
    if (events & RSEC_POLL_IN) {
        bits |= POLLIN;
    }
    if (events & RSEC_POLL_OUT) {
        bits |= POLLOUT;
    }
    return bits;
}

static int reserve(rsec_poller *poller, int fd) {
    if ((size_t)fd >= poller->place_cap) {
        size_t cap = ((size_t)fd + 64) * 2;
        size_t *place = realloc(poller->place, cap * sizeof *place);
        if (place == NULL) {
            return ENOMEM;
        }
        memset(place + poller->place_cap, 0, (cap - poller->place_cap) * sizeof *place);
        poller->place = place;
        poller->place_cap = cap;
    }
    if (poller->num == poller->cap) {
        size_t cap = poller->cap == 0 ? 64 : poller->cap * 2;
        struct pollfd *fds = realloc(poller->fds, cap * sizeof *fds);
        if (fds == NULL) {
            return ENOMEM;
        }
        poller->fds = fds;
        void **data = realloc(poller->data, cap * sizeof *data);
        if (data == NULL) {
            return ENOMEM;
        }
        poller->data = data;
        poller->cap = cap;
    }
    return 0;
}

int rsec_poller_add(rsec_poller *poller, int fd, unsigned events, void *data) {
    int err = reserve(poller, fd);
    if (err != 0) {
        return err;
    }
    poller->fds[poller->num] = (struct pollfd){.fd = fd, .events = poll_bits(events)};
    poller->data[poller->num] = data;
    poller->place[fd] = ++poller->num;
    return 0;
}

int rsec_poller_change(rsec_poller *poller, int fd, unsigned events, void *data) {
    if ((size_t)fd >= poller->place_cap || poller->place[fd] == 0) {
        return ENOENT;
    }
    size_t i = poller->place[fd] - 1;
    poller->fds[i].events = poll_bits(events);
    poller->data[i] = data;
    return 0;
}

void rsec_poller_remove(rsec_poller *poller, int fd) {
    if ((size_t)fd >= poller->place_cap || poller->place[fd] == 0) {
        return;
    }
    size_t i = poller->place[fd] - 1, last = --poller->num;
    poller->place[fd] = 0;
    if (i != last) {
        poller->fds[i] = poller->fds[last];
        poller->data[i] = poller->data[last];
        poller->place[poller->fds[i].fd] = i + 1;
    }
}

int rsec_poller_wait(rsec_poller *poller, rsec_poll_event *events, int cap, int64_t timeout_ns) {
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        int64_t ms = (timeout_ns + RSEC_NS_PER_MS - 1) / RSEC_NS_PER_MS;
        timeout_ms = ms > INT_MAX ? INT_MAX : (int)ms;
    }
    int ready = poll(poller->fds, (nfds_t)poller->num, timeout_ms);
    if (ready < 0) {
        return errno == EINTR ? 0 : -1;
    }
    int num = 0;
    for (size_t k = 0; k < poller->num && num < ready && num < cap; k++) {
        size_t i = (poller->turn + k) % poller->num;
        short bits = poller->fds[i].revents;
        if (bits == 0) {
            continue;
        }
        unsigned found = 0;
        if (bits & POLLIN) {
            found |= RSEC_POLL_IN;
        }
        if (bits & POLLOUT) {
            found |= RSEC_POLL_OUT;
        }
        if (bits & (POLLERR | POLLHUP | POLLNVAL)) {
            found |= RSEC_POLL_ERR;
        }
        events[num++] = (rsec_poll_event){poller->data[i], found};
    }
    poller->turn++;
    return num;
}

int rsec_poller_fd(const rsec_poller *poller) {
    (void)poller;
    return -1;
}

#else
typedef int rsec_poller_poll_is_not_built; /* ISO C wants a declaration in every file */
#endif
