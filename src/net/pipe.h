/* rsec_pipe: the BIO between OpenSSL and two buffers that all connections of the I/O thread share.
 *
 * Ciphertext is received into `rx` with one recv(2) and read from there; what OpenSSL writes gathers in `tx` and leaves
 * with one send(2), however many records it holds. An idle connection has no buffer at all. One thread, one connection
 * at a time: before another's turn `rx` is used up or saved, and `tx` flushed.
 */
#ifndef RSEC_NET_PIPE_H
#define RSEC_NET_PIPE_H

#include "wire/status.h"

#include <openssl/bio.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RSEC_PIPE_RX = 1 << 16,
    RSEC_PIPE_TX = 1 << 18,
    RSEC_PIPE_TX_ROOM = 1 << 15, /* below this much room the owner flushes before it lets OpenSSL write again */
};

typedef struct {
    BIO_METHOD *method;
    const uint8_t *rx; /* borrowed: the octets to be read next */
    size_t rx_off, rx_len;
    uint8_t *tx; /* RSEC_PIPE_TX octets, owned */
    size_t tx_len;
} rsec_pipe;

RSEC_CHECK rsec_status rsec_pipe_init(rsec_pipe *pipe);
void rsec_pipe_clear(rsec_pipe *pipe);

/* A BIO over `pipe` for an SSL's both directions (SSL_set_bio takes it); NULL: no memory. */
RSEC_CHECK BIO *rsec_pipe_bio(rsec_pipe *pipe);

#endif
