#define _GNU_SOURCE
#include "tls_link.h"

#include "support.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one turn can write is bounded: a server answers what is in rx, a client sends 256 packets of 4096 octets. */
enum { RX_CAP = 256 << 10, TX_CAP = 2 << 20 };

static uint8_t rx[RX_CAP], tx[TX_CAP];
static size_t rx_off, rx_len, tx_len;

static int bio_read(BIO *bio, char *out, size_t cap, size_t *got) {
    BIO_clear_retry_flags(bio);
    if (rx_off == rx_len) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = cap < rx_len - rx_off ? cap : rx_len - rx_off;
    memcpy(out, rx + rx_off, *got);
    rx_off += *got;
    return 1;
}

static int bio_write(BIO *bio, const char *octets, size_t len, size_t *put) {
    BIO_clear_retry_flags(bio);
    if (len > TX_CAP - tx_len) {
        BIO_set_retry_write(bio);
        return 0;
    }
    memcpy(tx + tx_len, octets, len);
    tx_len += len;
    *put = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *shared_buffers(void) {
    static BIO_METHOD *method;
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "shared buffers");
        if (method == NULL || !BIO_meth_set_read_ex(method, bio_read) || !BIO_meth_set_write_ex(method, bio_write) ||
            !BIO_meth_set_ctrl(method, bio_ctrl)) {
            die("BIO_meth_new: %s", tls_error_text());
        }
    }
    return method;
}

const char *tls_error_text(void) {
    static char text[256];
    unsigned long error = ERR_get_error();
    if (error == 0) {
        return errno != 0 ? strerror(errno) : "no reason given";
    }
    ERR_error_string_n(error, text, sizeof text);
    ERR_clear_error();
    return text;
}

SSL_CTX *tls_context(const SSL_METHOD *method, const char *certfile, const char *keyfile, const char *ca_certfile) {
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        die("SSL_CTX_new: %s", tls_error_text());
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, certfile) != 1) {
        die("certificate %s: %s", certfile, tls_error_text());
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, keyfile, SSL_FILETYPE_PEM) != 1) {
        die("key %s: %s", keyfile, tls_error_text());
    }
    if (SSL_CTX_load_verify_locations(ctx, ca_certfile, NULL) != 1) {
        die("CA certificate %s: %s", ca_certfile, tls_error_text());
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    return ctx;
}

static void watch(tls_link *link, int operation, bool output) {
    struct epoll_event event = {.events = EPOLLIN | (output ? EPOLLOUT : 0), .data.ptr = link};
    if (epoll_ctl(link->poller, operation, link->fd, &event) != 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
    link->is_watching_output = output;
}

void tls_link_open(tls_link *link, SSL_CTX *ctx, int fd, int poller, bool watch_output) {
    *link = (tls_link){.fd = fd, .poller = poller, .ssl = SSL_new(ctx)};
    BIO *bio = BIO_new(shared_buffers());
    if (link->ssl == NULL || bio == NULL) {
        die("SSL_new: %s", tls_error_text());
    }
    BIO_set_init(bio, 1);
    SSL_set_bio(link->ssl, bio, bio);
    watch(link, EPOLL_CTL_ADD, watch_output);
}

void tls_link_close(tls_link *link) {
    if (link->ssl != NULL) {
        SSL_free(link->ssl);
        close(link->fd);
        free(link->left);
    }
    *link = (tls_link){.fd = -1};
}

void tls_link_begin(tls_link *link) {
    (void)link; /* the links share one pair of buffers: the last turn's rest is not this link's */
    rx_off = rx_len = tx_len = 0;
    errno = 0;
}

bool tls_link_receive(tls_link *link) {
    ssize_t got = recv(link->fd, rx, RX_CAP, 0);
    if (got > 0) {
        rx_off = 0;
        rx_len = (size_t)got;
        return true;
    }
    if (got == 0) {
        errno = 0;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Sends what it can of `len` octets; false: the peer is gone. */
static bool send_some(int fd, const uint8_t *octets, size_t len, size_t *sent) {
    ssize_t put = send(fd, octets, len, MSG_NOSIGNAL);
    *sent = put > 0 ? (size_t)put : 0;
    return put >= 0 || errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
}

static void keep(tls_link *link, const uint8_t *octets, size_t len) {
    if (link->left_len + len > link->left_cap) {
        link->left_cap = 2 * (link->left_len + len);
        link->left = realloc(link->left, link->left_cap);
        if (link->left == NULL) {
            die("no memory for %zu octets of output", link->left_cap);
        }
    }
    memcpy(link->left + link->left_len, octets, len);
    link->left_len += len;
}

bool tls_link_flush(tls_link *link) {
    size_t sent = 0;
    if (link->left_len == 0 && tx_len > 0) {
        if (!send_some(link->fd, tx, tx_len, &sent)) {
            return false;
        }
        if (sent < tx_len) {
            keep(link, tx + sent, tx_len - sent);
        }
    } else if (link->left_len > 0) {
        keep(link, tx, tx_len);
        if (!send_some(link->fd, link->left, link->left_len, &sent)) {
            return false;
        }
        link->left_len -= sent;
        memmove(link->left, link->left + sent, link->left_len);
    }
    tx_len = 0;
    if ((link->left_len > 0) != link->is_watching_output) {
        watch(link, EPOLL_CTL_MOD, link->left_len > 0);
    }
    return true;
}
