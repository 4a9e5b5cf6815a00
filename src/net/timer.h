/* rsec_timers: deadlines in a binary heap, earliest first. One thread. A timer is part of the object it belongs to. */
#ifndef RSEC_NET_TIMER_H
#define RSEC_NET_TIMER_H

#include "wire/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t at_ns;
    size_t place; /* index + 1 in the heap; 0: not set */
    void *owner;
} rsec_timer;

typedef struct {
    rsec_timer **heap;
    size_t num, cap;
} rsec_timers;

void rsec_timers_init(rsec_timers *timers);
void rsec_timers_clear(rsec_timers *timers);

/* Makes room for `num` timers in all, so that rsec_timers_set cannot fail. RSEC_NO_MEMORY. */
RSEC_CHECK rsec_status rsec_timers_reserve(rsec_timers *timers, size_t num);

/* Sets or moves `timer`. Room was reserved. */
void rsec_timers_set(rsec_timers *timers, rsec_timer *timer, int64_t at_ns, void *owner);
/* Unsets it; nothing happens when it is not set. */
void rsec_timers_unset(rsec_timers *timers, rsec_timer *timer);

/* The earliest timer, still set, or NULL. */
rsec_timer *rsec_timers_first(const rsec_timers *timers);

#endif
