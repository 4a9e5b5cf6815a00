/* rsec_io: connections, listeners, deadlines and what serves them. It belongs to whoever runs the turn (turn.h): the I/O
 * thread most of the time. "The I/O thread" in the headers of this room means that one.
 *
 * What leaves a turn goes through rsec_io_up, which gathers its items and hands them to the engine's upward queue once at
 * the turn's end.
 */
#ifndef RSEC_NET_IO_H
#define RSEC_NET_IO_H

#include "crypto/digest.h"
#include "net/counters.h"
#include "net/engine.h"
#include "net/fdmap.h"
#include "net/link.h"
#include "net/pipe.h"
#include "net/poller.h"
#include "net/timer.h"

struct rsec_conn;
struct rsec_listener;
struct rsec_origins;

enum {
    RSEC_READ_AHEAD = 65536, /* octets of memory for requests that wait for a slot, per connection (LIM-4) */
    RSEC_RECORD_MAX = 16384, /* octets of plaintext in one TLS record (RFC 8446 §5.1) */
};
#define RSEC_DRAIN_NS (5 * RSEC_NS_PER_S)    /* to send what is due on a connection that ends */
#define RSEC_REFUSAL_LINGER_NS RSEC_NS_PER_S /* for a refused peer to read its alert */
#define RSEC_LOOKUP_EVERY_NS RSEC_NS_PER_S   /* hosts are asked again while a connection sends */

typedef struct rsec_io {
    rsec_settings settings;
    rsec_policy policy;
    rsec_tls *tls;           /* counted reference */
    rsec_counters *counters; /* the engine's */
    int64_t now_ns;          /* taken once a turn */

    rsec_digest *digest;
    rsec_poller *poller;
    rsec_timers timers;
    rsec_pipe pipe;
    rsec_fdmap fds;
    rsec_event_limiter *limiter;

    uint8_t *rx;    /* RSEC_PIPE_RX octets of ciphertext, for the connection at hand */
    uint8_t *plain; /* RSEC_READ_AHEAD octets of plaintext, for the connection at hand */
    uint8_t *pack;  /* RSEC_RECORD_MAX octets: replies gathered for a peer that packs */

    struct rsec_conn *conns; /* all of them, doubly linked */
    size_t conns_num;        /* with a descriptor or with requests queued: what max_connections counts */
    struct rsec_conn *oldest_half_open, *newest_half_open; /* by age (LIM-1) */
    size_t half_open;
    size_t in_flight;            /* slots taken, over all connections (LIM-4) */
    rsec_list starved;           /* connections with requests waiting for one of the server's slots, in turn */
    rsec_list handshakes;        /* connections whose handshake can go on; one step a turn */
    rsec_list dirty;             /* connections with replies to write at the end of the turn */
    struct rsec_conn *graveyard; /* freed at the end of the turn: this turn's events may still name them */

    struct rsec_listener *listeners;
    size_t listeners_num;
    bool is_accept_paused;
    rsec_timer accept_timer;
    struct rsec_origins *origins; /* connections by source address, when that is limited */
    double accept_tokens;         /* for max_new_connections_per_s */
    int64_t accept_tokens_ns;

    bool is_stopping;
    int64_t stop_at_ns; /* when requests still in flight are given up */

    rsec_list up;                  /* this turn's items for the loop thread */
    atomic_size_t *events_waiting; /* the engine's: events in the upward queue */
} rsec_io;

/* Puts an item up for the loop thread; `link` is part of `owner` and in no list. */
static inline void rsec_io_up(rsec_io *io, rsec_link *link, rsec_up_kind kind, void *owner) {
    rsec_list_put(&io->up, link, (int)kind, owner);
}

/* Counts an event and, unless too many came before it, puts a record for the log up. `peer` may be NULL; `text` may be
 * NULL and is UTF-8 with whatever a peer supplied already escaped. */
void rsec_io_log(rsec_io *io, rsec_event_reason reason, const rsec_peer *peer, const char *text);

#endif
