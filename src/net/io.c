#include "net/io.h"

#include <stdlib.h>
#include <string.h>

void rsec_io_log(rsec_io *io, rsec_event_reason reason, const rsec_peer *peer, const char *text) {
    const char *address = peer != NULL ? peer->address : "";
    uint32_t held_back = 0;
    rsec_count(&io->counters->events[reason], 1);
    if (!rsec_event_limiter_pass(io->limiter, reason, address, io->now_ns, &held_back)) {
        rsec_count(&io->counters->events_held_back, 1);
        return;
    }
    if (atomic_load_explicit(io->events_waiting, memory_order_relaxed) >= RSEC_EVENT_QUEUE) {
        rsec_count(&io->counters->events_held_back, 1);
        return;
    }
    rsec_event *event = calloc(1, sizeof *event);
    if (event == NULL) {
        rsec_count(&io->counters->events_held_back, 1);
        return;
    }
    event->reason = reason;
    event->level = rsec_event_level(reason);
    event->held_back = held_back;
    event->port = peer != NULL ? peer->port : 0;
    memcpy(event->address, address, strlen(address) + 1);
    if (text != NULL) {
        size_t len = strlen(text);
        memcpy(event->text, text, len < sizeof event->text ? len : sizeof event->text - 1);
    }
    atomic_fetch_add_explicit(io->events_waiting, 1, memory_order_relaxed);
    rsec_io_up(io, &event->link, RSEC_UP_EVENT, event);
}
