/* What a server is told: limits and deadlines that hold for its life, and the policy that may change under traffic. */
#ifndef RSEC_NET_SETTINGS_H
#define RSEC_NET_SETTINGS_H

#include "crypto/authenticator.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RSEC_NO_TIMEOUT = -1 };

/* Fixed at rsec_engine_new. Times are in nanoseconds of CLOCK_MONOTONIC; RSEC_NO_TIMEOUT is none. A count of 0 is
 * "no limit" where that is said. */
typedef struct {
    int64_t handshake_timeout_ns;        /* from accept to the end of the TLS handshake (LIM-1) */
    int64_t idle_timeout_ns;             /* `connection_read_timeout`: nothing in flight, nothing arriving (LIM-2) */
    int64_t packet_timeout_ns;           /* from a packet's first octet to its last (LIM-3) */
    int64_t write_timeout_ns;            /* without progress while output waits (LIM-5) */
    size_t max_handshakes;               /* half-open connections; past it the oldest one goes; 0: no limit */
    size_t max_connections;              /* in all, half-open ones included; 0: no limit */
    size_t max_connections_per_peer;     /* per source address; 0: no limit */
    double max_new_connections_per_s;    /* 0: no limit */
    size_t max_in_flight;                /* requests given to Python, per connection (LIM-4); at least 1 */
    size_t max_in_flight_total;          /* and in all; at least 1 */
    size_t max_output;                   /* octets of ciphertext waiting for one peer (LIM-5); at least 32768 */
    uint64_t max_packets_per_connection; /* accepted requests; 0: no limit */
} rsec_settings;

/* What holds for the next packet. Handed over whole with rsec_engine_set_policy. */
typedef struct {
    rsec_request_policy verify;
    bool raw;                      /* `packet_received` is overridden: framing (PKT-1..3) and nothing else is done here;
                                    * every packet goes to Python unverified */
    bool coa_to_python;            /* CoA-Request has a handler; otherwise CoA-NAK 406 is answered here (COA-1) */
    bool disconnect_to_python;     /* the same for Disconnect-Request */
    bool unknown_code_is_answered; /* Protocol-Error with Error-Cause 406, instead of silence (PKT-7) */
    bool sign_access_replies;      /* `require_message_authenticator` in either meaning */
    bool sign_all_replies;         /* `require_message_authenticator=True` */
} rsec_policy;

#endif
