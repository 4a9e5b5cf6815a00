/* rsec_watch: the one descriptor that an event loop watches. Readable when `wake` is; while the poller is switched on, also
 * when that has news. Where pollers have no descriptor of their own it is the wake's, and cannot be switched.
 */
#ifndef RSEC_NET_WATCH_H
#define RSEC_NET_WATCH_H

#include "net/poller.h"
#include "net/wake.h"

#include <stdbool.h>

typedef struct {
    int fd;        /* what to watch */
    int poller_fd; /* borrowed; -1: nothing to switch, and `fd` is borrowed from the wake */
} rsec_watch;

/* 0, or an errno value with fd -1. The poller starts switched off. Close-on-exec. */
int rsec_watch_init(rsec_watch *watch, const rsec_wake *wake, const rsec_poller *poller);
void rsec_watch_clear(rsec_watch *watch);

/* Whether the poller can be switched. */
static inline bool rsec_watch_is_switchable(const rsec_watch *watch) {
    return watch->poller_fd >= 0;
}

/* Switches the poller on or off. Any thread. */
void rsec_watch_switch(const rsec_watch *watch, bool is_on);

#endif
