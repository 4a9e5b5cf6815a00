/* rsec_peer: who is on the other end of a connection. Outlives the connection as long as somebody holds a reference.
 *
 * The fields up to `is_gone` are written by the I/O thread before the peer is handed to another thread and never after
 * (the certificate's when the handshake completes, before the first request goes up). `user` belongs to the loop thread.
 */
#ifndef RSEC_NET_PEER_H
#define RSEC_NET_PEER_H

#include "crypto/fingerprint.h"
#include "crypto/secret.h"
#include "net/link.h"
#include "wire/status.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { RSEC_ADDRESS_TEXT = 72 }; /* IPv6 text, "%" and an interface name */

typedef struct rsec_peer {
    atomic_uint refs;
    uint64_t serial;                 /* number of the connection, counted from 1 */
    char address[RSEC_ADDRESS_TEXT]; /* numeric text; a link-local one with its scope; IPv4-mapped ones as IPv4 */
    uint16_t port;
    char local_address[RSEC_ADDRESS_TEXT];
    uint16_t local_port;
    bool has_certificate;
    uint8_t fingerprint[RSEC_FINGERPRINT_LEN]; /* SHA-256; valid with has_certificate (TLS-10) */
    X509 *certificate;                         /* counted reference, or NULL */
    char tls_version[16];                      /* "TLSv1.3" */
    char cipher[48];                           /* "TLS_AES_256_GCM_SHA384" */
    char alpn[16];                             /* "" when none was agreed */
    uint8_t radius_version;                    /* 0: RADIUS/1.0; the door for RADIUS/1.1 (RFC 9765) */
    atomic_bool is_gone;                       /* the connection has ended: replies would be discarded (PKT-13) */
    void *user;                                /* loop thread only */
    struct rsec_conn *conn;                    /* I/O thread only; NULL once the connection has ended */
    atomic_bool is_asked; /* a look-up is on its way up: set by the I/O thread when it puts up_lookup, cleared by
                                      * the loop thread once it has taken it out */
    /* The I/O thread's while is_asked is false, then under the engine's upward lock; up_closed goes up once. */
    rsec_link up_lookup, up_closed;
    /* Under the engine's downward lock. */
    rsec_link down_admit;
    rsec_secret *admitted; /* counted reference: the outcome on its way to the I/O thread */
} rsec_peer;

/* A peer with count 1 named from the two ends of a connected socket; NULL when there is no memory. */
RSEC_CHECK rsec_peer *rsec_peer_new(const struct sockaddr *remote, socklen_t remote_len, const struct sockaddr *local,
                                    socklen_t local_len);
rsec_peer *rsec_peer_ref(rsec_peer *peer);
/* The last reference frees. `user` must be NULL by then. */
void rsec_peer_unref(rsec_peer *peer);

/* Fills the TLS fields from a completed handshake. I/O thread. */
RSEC_CHECK rsec_status rsec_peer_note_tls(rsec_peer *peer, const SSL *ssl);

/* Numeric text of a socket address, and its port; "" and 0 for families that are neither IPv4 nor IPv6. */
void rsec_peer_address_text(const struct sockaddr *addr, socklen_t len, char text[RSEC_ADDRESS_TEXT], uint16_t *port);

#endif
