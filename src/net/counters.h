/* What happened, counted from the first day. Whoever runs a turn writes (turn.h), any thread reads: relaxed atomics, no
 * lock. A gauge goes up and down, everything else only up.
 */
#ifndef RSEC_NET_COUNTERS_H
#define RSEC_NET_COUNTERS_H

#include "net/event.h"

#include <stdatomic.h>
#include <stdint.h>

#define RSEC_COUNTERS(X)                                                                                               \
    X(connections_accepted)  /* by accept(2) */                                                                        \
    X(connections_open)      /* gauge: handshake done, not yet closed */                                               \
    X(connections_half_open) /* gauge: accepted, handshake not done */                                                 \
    X(handshakes_completed)                                                                                            \
    X(octets_received)  /* ciphertext */                                                                               \
    X(octets_sent)      /* ciphertext */                                                                               \
    X(receive_calls)    /* recv(2) on connections */                                                                   \
    X(send_calls)       /* send(2) on connections */                                                                   \
    X(packets_received) /* whole packets, good or bad */                                                               \
    X(access_requests)  /* accepted, by code */                                                                        \
    X(accounting_requests)                                                                                             \
    X(coa_requests)                                                                                                    \
    X(disconnect_requests)                                                                                             \
    X(status_requests)                                                                                                 \
    X(duplicates)    /* of a request in flight, dropped (PKT-12) */                                                    \
    X(superseded)    /* replies dropped because the identifier was used again */                                       \
    X(answered_here) /* without Python: Status-Server, NAK, Protocol-Error */                                          \
    X(requests_to_python)                                                                                              \
    X(requests_in_flight) /* gauge: holding a slot */                                                                  \
    X(requests_waiting)   /* gauge: accepted, waiting for a slot */                                                    \
    X(requests_dropped)   /* Access-Requests dropped before their handler ran: the connection had died */              \
    X(replies_sent)                                                                                                    \
    X(replies_discarded) /* the connection was gone (PKT-13) */                                                        \
    X(no_replies)        /* the handler gave none */                                                                   \
    X(turns_by_loop)     /* turns that the loop thread ran by itself (turn.h) */                                       \
    X(reads_paused)      /* times reading stopped at a bound (LIM-4, LIM-5) */                                         \
    X(events_held_back)  /* log records not made */

typedef struct {
#define RSEC_COUNTER_FIELD(name) atomic_uint_fast64_t name;
    RSEC_COUNTERS(RSEC_COUNTER_FIELD)
#undef RSEC_COUNTER_FIELD
    atomic_uint_fast64_t events[RSEC_EVENT_COUNT]; /* by reason, held back ones too */
} rsec_counters;

/* Adds to a counter. One thread at a time: under turn_lock. */
static inline void rsec_count(atomic_uint_fast64_t *counter, int64_t step) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (uint64_t)step,
                          memory_order_relaxed);
}

/* Calls `visit` with each name and value, in a fixed order; stops at the first non-zero return value and returns it. */
int rsec_counters_visit(const rsec_counters *counters, int (*visit)(void *arg, const char *name, uint64_t value),
                        void *arg);

/* Live objects of this process, to find leaks: connections, requests, peers, secrets are counted by their new and free. */
typedef struct {
    int64_t conns, requests, peers, engines;
} rsec_live;
rsec_live rsec_live_objects(void);
/* Any thread. `step` is +1 or -1. */
typedef enum { RSEC_LIVE_CONN, RSEC_LIVE_REQUEST, RSEC_LIVE_PEER, RSEC_LIVE_ENGINE, RSEC_LIVE_COUNT } rsec_live_kind;
void rsec_live_note(rsec_live_kind kind, int step);

#endif
