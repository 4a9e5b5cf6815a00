/* tls_link: a non-blocking TLS connection under epoll that costs one recv(2) and one send(2) a turn, however many
 * records go through.
 *
 * OpenSSL reads from and writes to two buffers that all links of the process share: what recv(2) brought for the link
 * at hand, and what goes to its socket next. SSL_set_fd() would read a record with two system calls and write it with
 * one; an idle link holds no buffer. One thread, one link at a time:
 *
 *   tls_link_begin(link);                          the shared buffers are this link's now
 *   tls_link_receive(link);                        when the poller said so
 *   SSL_do_handshake, SSL_read_ex, SSL_write_ex    on link->ssl, until SSL_ERROR_WANT_READ
 *   tls_link_flush(link);                          everything written goes to the socket, or is kept for it
 */
#ifndef BENCH_TLS_LINK_H
#define BENCH_TLS_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int fd; /* -1: not open */
    int poller;
    bool is_watching_output;
    SSL *ssl;
    uint8_t *left; /* ciphertext that the socket did not take */
    size_t left_len, left_cap;
} tls_link;

/* A TLS 1.2 and 1.3 context with this certificate, for peers of this CA. Dies when a file is not what it should be. */
SSL_CTX *tls_context(const SSL_METHOD *method, const char *certfile, const char *keyfile, const char *ca_certfile);

/* The oldest error in OpenSSL's queue as text (borrowed until the next call), or errno's. The queue is emptied. */
const char *tls_error_text(void);

/* Takes over the socket and has `poller` watch it, with `link` as the event's data.ptr. Dies when out of memory. */
void tls_link_open(tls_link *link, SSL_CTX *ctx, int fd, int poller, bool watch_output);

/* Closes the socket, without a word to the peer. Harmless for a link that is not open. */
void tls_link_close(tls_link *link);

void tls_link_begin(tls_link *link);

/* False: the peer is gone (end of stream, or an error: errno; 0 at the end of the stream). */
bool tls_link_receive(tls_link *link);

/* False: the peer is gone (errno). Watches for output exactly as long as something is left. */
bool tls_link_flush(tls_link *link);

#endif
