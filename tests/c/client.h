/* A RADIUS/TLS client for tests: blocking, with deadlines, and able to misbehave. */
#ifndef RSEC_TESTS_CLIENT_H
#define RSEC_TESTS_CLIENT_H

#include "crypto/authenticator.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int fd; /* -1: closed */
    SSL *ssl;
} client;

/* A context with the client certificate in certs/; NULL: no memory. `has_certificate` false: without one. */
SSL_CTX *client_context(bool has_certificate);

/* Connects to 127.0.0.1 without TLS. `receive_octets` is the socket's receive buffer, 0: the system's. */
bool client_connect(client *peer, uint16_t port, int receive_octets);
/* The handshake on a connected client. */
bool client_handshake(client *peer, SSL_CTX *ctx);
/* Both. */
bool client_open(client *peer, SSL_CTX *ctx, uint16_t port);

/* Writes `len` octets as one record. */
bool client_send(client *peer, const void *octets, size_t len);
/* While it holds, records wait in the socket; letting go sends them in one segment. */
void client_cork(client *peer, bool holds);
/* Reads one packet, whatever the records; false at the end of the connection or after the deadline. */
bool client_receive(client *peer, uint8_t out[RSEC_PACKET_MAX], size_t *len);
/* Whether the server ended the connection with close_notify, nothing coming before it. */
bool client_sees_close_notify(client *peer);

/* Sends close_notify, and closes the socket. */
void client_close(client *peer);
/* Closes the socket with a reset and without a word. */
void client_reset(client *peer);

/* Builds and signs a request of `code` with User-Name, a Message-Authenticator when `with_mac`, and `proxy_state` unless
 * that is NULL. `out` has RSEC_PACKET_MAX octets; returns the length, 0: no memory. */
size_t client_request(rsec_digest *digest, const char *secret, uint8_t code, uint8_t id, uint32_t number, bool with_mac,
                      const char *proxy_state, uint8_t *out);
/* Whether `reply` answers `request`: identifier, Response Authenticator, Message-Authenticator when there is one. */
bool client_reply_is_good(rsec_digest *digest, const char *secret, const uint8_t *request, rsec_view reply);

#endif
