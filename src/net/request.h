/* rsec_request: one accepted request on its way through the server, one block of memory.
 *
 * One thread owns it at a time: the I/O thread makes it, the loop thread has it from rsec_engine_take until
 * rsec_engine_complete, then the I/O thread again, which frees it. Meanwhile the I/O thread reads nothing but `octets`,
 * which never change, and its own fields.
 */
#ifndef RSEC_NET_REQUEST_H
#define RSEC_NET_REQUEST_H

#include "crypto/secret.h"
#include "net/link.h"
#include "net/peer.h"
#include "wire/packet.h"

struct rsec_conn;

typedef struct rsec_request {
    /* The I/O thread's. */
    struct rsec_conn *conn;        /* never NULL; the connection keeps its block until the last request is back */
    struct rsec_request *same_key; /* chain in the connection's table of requests in flight */
    bool is_superseded;            /* its identifier was used again: the reply is dropped (PKT-12) */
    /* The owner's: the place in the one queue or list that holds it. */
    rsec_link link;
    /* Written before hand-over, read-only afterwards. */
    rsec_peer *peer;         /* counted reference */
    rsec_secret *secret;     /* the one it was verified with, counted reference; NULL in raw mode */
    rsec_packet_facts facts; /* zeroed in raw mode */
    bool is_raw;             /* unverified: `packet_received` takes it */
    /* The answer, written by the loop thread. */
    uint8_t *reply; /* malloc'd, owned; NULL: no reply */
    size_t reply_len;
    size_t reply_message_auth_off; /* of the 16 octets to sign; 0: none */
    bool reply_is_signed;          /* nothing left to sign: always so in raw mode */
    bool is_dropped;               /* not answered because its connection had died before its turn came */
    /* The packet as received. */
    size_t len;
    uint8_t octets[];
} rsec_request;

/* A request over a copy of `pkt`, taking references to peer and secret; NULL when there is no memory. */
RSEC_CHECK rsec_request *rsec_request_new(struct rsec_conn *conn, rsec_peer *peer, rsec_secret *secret, rsec_view pkt,
                                          const rsec_packet_facts *facts);
void rsec_request_free(rsec_request *req);

/* Octets of memory it takes, without reply and the allocator's own. */
static inline size_t rsec_request_size(const rsec_request *req) {
    return sizeof *req + req->len;
}

static inline rsec_view rsec_request_packet(const rsec_request *req) {
    return (rsec_view){req->octets, req->len};
}

/* Builds the reply that a server gives by itself: `code`, the request's Proxy-State (PKT-11), Error-Cause when
 * `error_cause` is not 0, Message-Authenticator first when `with_message_auth` (PKT-17). Writes at most 4096 octets at
 * `out`, unsigned; *len and *message_auth_off (0: none) are set. */
RSEC_CHECK rsec_status rsec_request_answer(rsec_view pkt, uint8_t code, uint32_t error_cause, bool with_message_auth,
                                           uint8_t out[RSEC_PACKET_MAX], size_t *len, size_t *message_auth_off);

#endif
