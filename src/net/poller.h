/* rsec_poller: waits for descriptors. epoll(7) on Linux; poll(2) elsewhere and with -DRSEC_POLLER_POLL. One thread. */
#ifndef RSEC_NET_POLLER_H
#define RSEC_NET_POLLER_H

#include "wire/status.h"

#include <stddef.h>
#include <stdint.h>

enum { RSEC_POLL_IN = 1, RSEC_POLL_OUT = 2, RSEC_POLL_ERR = 4 /* error or hang-up; always reported */ };

typedef struct {
    void *data;
    unsigned events; /* RSEC_POLL_* */
} rsec_poll_event;

typedef struct rsec_poller rsec_poller;

/* "epoll" or "poll". */
const char *rsec_poller_name(void);

/* NULL with errno set. */
RSEC_CHECK rsec_poller *rsec_poller_new(void);
void rsec_poller_free(rsec_poller *poller);

/* Watches `fd` level-triggered; `data` comes back with its events. 0 or an errno value. */
RSEC_CHECK int rsec_poller_add(rsec_poller *poller, int fd, unsigned events, void *data);
RSEC_CHECK int rsec_poller_change(rsec_poller *poller, int fd, unsigned events, void *data);
void rsec_poller_remove(rsec_poller *poller, int fd);

/* Waits for at most timeout_ns (negative: without limit) and fills up to `cap` events. How many, 0 also when a signal
 * came; -1 with errno set. */
RSEC_CHECK int rsec_poller_wait(rsec_poller *poller, rsec_poll_event *events, int cap, int64_t timeout_ns);

/* The poller's own descriptor, to be closed after a fork; -1 when it has none. */
int rsec_poller_fd(const rsec_poller *poller);

#endif
