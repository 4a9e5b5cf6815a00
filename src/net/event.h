/* rsec_event: something an operator may want to read in a log, on its way from the I/O thread to Python's `logging`.
 *
 * At most RSEC_EVENT_BURST events of one reason and peer address pass in a second; what is held back is counted and told
 * in the next one that passes. The queue is bounded: past RSEC_EVENT_QUEUE waiting events more are counted, not kept.
 */
#ifndef RSEC_NET_EVENT_H
#define RSEC_NET_EVENT_H

#include "net/link.h"
#include "net/peer.h"

#include <stddef.h>
#include <stdint.h>

enum { RSEC_EVENT_BURST = 10, RSEC_EVENT_QUEUE = 1024, RSEC_EVENT_TEXT = 480 };

/* Why a thing happened. Each is also a counter of the same name (counters.h); rsec_event_name gives the name. */
typedef enum {
    RSEC_EVENT_CONNECTED,            /* handshake done: DEBUG */
    RSEC_EVENT_CLOSED,               /* ended as agreed: DEBUG */
    RSEC_EVENT_REFUSED_HANDSHAKE,    /* text: why, in words */
    RSEC_EVENT_REFUSED_FINGERPRINT,  /* text: the fingerprint seen */
    RSEC_EVENT_REFUSED_UNKNOWN_HOST, /* not in `hosts` (PKT-5) */
    RSEC_EVENT_REFUSED_LIMIT,        /* text: which limit (LIM-1) */
    RSEC_EVENT_HANDSHAKE_TIMEOUT,
    RSEC_EVENT_HANDSHAKE_EVICTED, /* the oldest half-open one gave way */
    RSEC_EVENT_MALFORMED,         /* PKT-2, PKT-3; text: what and where */
    RSEC_EVENT_BAD_AUTHENTICATOR, /* PKT-4, PKT-14, PKT-15; text: which */
    RSEC_EVENT_IDLE_TIMEOUT,
    RSEC_EVENT_PACKET_TIMEOUT,
    RSEC_EVENT_WRITE_TIMEOUT,
    RSEC_EVENT_MAX_PACKETS,
    RSEC_EVENT_RESET,         /* the peer reset the connection */
    RSEC_EVENT_TRUNCATED,     /* went without close_notify (TLS-11) */
    RSEC_EVENT_TLS_ERROR,     /* an error inside an established TLS connection; text: which */
    RSEC_EVENT_HOST_GONE,     /* removed from `hosts` while connected */
    RSEC_EVENT_RESPONSE_CODE, /* a response code at a server: dropped (PKT-7) */
    RSEC_EVENT_UNKNOWN_CODE,  /* PKT-7; text: the code */
    RSEC_EVENT_ACCEPT_PAUSED, /* no descriptors or memory to accept with */
    RSEC_EVENT_NO_MEMORY,
    RSEC_EVENT_ENGINE_FAILED, /* the I/O thread cannot go on; text: which call, which errno */
    RSEC_EVENT_COUNT
} rsec_event_reason;

typedef enum { RSEC_LEVEL_DEBUG, RSEC_LEVEL_INFO, RSEC_LEVEL_WARNING, RSEC_LEVEL_ERROR } rsec_level;

typedef struct rsec_event {
    rsec_link link;
    rsec_event_reason reason;
    rsec_level level;
    char address[RSEC_ADDRESS_TEXT]; /* "" when no peer is concerned */
    uint16_t port;
    uint32_t held_back;         /* events of this reason and address that were held back before this one */
    char text[RSEC_EVENT_TEXT]; /* UTF-8, may be empty; what a peer supplied is escaped already */
} rsec_event;

/* "refused_handshake" and so on: static text. */
const char *rsec_event_name(rsec_event_reason reason);
/* The sentence for the log: "TLS handshake refused". Static text. */
const char *rsec_event_sentence(rsec_event_reason reason);
rsec_level rsec_event_level(rsec_event_reason reason);

/* Copies `len` octets of what a peer supplied into `out` as printable ASCII with \xNN escapes, always ended by a NUL,
 * cut to fit `cap`. Returns the text's length. */
size_t rsec_event_escape(const void *octets, size_t len, char *out, size_t cap);

/* The limiter: I/O thread only. Fixed memory; when more (reason, address) pairs are seen in a second than it has room
 * for, the oldest is forgotten. */
typedef struct rsec_event_limiter rsec_event_limiter;
RSEC_CHECK rsec_event_limiter *rsec_event_limiter_new(void);
void rsec_event_limiter_free(rsec_event_limiter *limiter);
/* Whether an event may pass at `now_ns`; *held_back is how many were held back since the last that did. */
bool rsec_event_limiter_pass(rsec_event_limiter *limiter, rsec_event_reason reason, const char *address, int64_t now_ns,
                             uint32_t *held_back);

#endif
