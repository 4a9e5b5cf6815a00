/* limit_server: what one core can do for RADIUS/TLS. `limit_server --help`.
 *
 * epoll, OpenSSL, the MD5 work the protocol asks for (check the Message-Authenticator or the Request Authenticator,
 * reveal the User-Password, sign the reply), a fixed policy, and nothing else: no dictionary, no dispatch, no limits,
 * no Python. A reference point to measure against, not a server.
 *
 * The policy is that of the benchmark's other servers: user0042@example.org has the password hunter0042 and is answered
 * with Access-Accept and "Hello user0042@example.org", accounting with Accounting-Response.
 *
 * One reply to a TLS record, as real peers send and as some need; many records to a system call.
 */
#define _GNU_SOURCE
#include "support.h"
#include "tls_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_HEADER = 20, PACKET_MAX = 4096, RECORD_MAX = 16384, LEFT_MAX = 4 << 20, EVENTS = 256, DIGEST_LEN = 16 };

enum {
    ACCESS_REQUEST = 1,
    ACCESS_ACCEPT = 2,
    ACCESS_REJECT = 3,
    ACCOUNTING_REQUEST = 4,
    ACCOUNTING_RESPONSE = 5,
    STATUS_SERVER = 12,
};

enum { USER_NAME = 1, USER_PASSWORD = 2, REPLY_MESSAGE = 18, MESSAGE_AUTHENTICATOR = 80 };

typedef struct {
    tls_link link; /* first: the poller's data.ptr is a conn too */
    bool is_up;
    size_t in_len; /* octets of an unfinished packet */
    uint8_t in[PACKET_MAX];
} conn;

static uint16_t port;
static const char *certfile, *keyfile, *ca_certfile, *secret = "radsec";
static size_t tickets;
static bool coalesce;

/* --- digests: fetched once and kept, since an implicit fetch costs more than the digest --- */

static EVP_MD *md5;
static EVP_MD_CTX *md_ctx;
static EVP_MAC_CTX *mac_ctx;

static void digests_init(void) {
    md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    md_ctx = EVP_MD_CTX_new();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac_ctx = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"MD5"}, 0), OSSL_PARAM_construct_end()};
    if (md5 == NULL || md_ctx == NULL || mac_ctx == NULL ||
        EVP_MAC_init(mac_ctx, (const uint8_t *)secret, strlen(secret), params) != 1) {
        die("MD5: %s", tls_error_text());
    }
    EVP_MAC_free(hmac);
}

static void digest_of(uint8_t out[DIGEST_LEN], const void *first, size_t first_len, const void *then, size_t then_len) {
    EVP_DigestInit_ex2(md_ctx, md5, NULL);
    EVP_DigestUpdate(md_ctx, first, first_len);
    EVP_DigestUpdate(md_ctx, then, then_len);
    EVP_DigestFinal_ex(md_ctx, out, NULL);
}

static void hmac_of(uint8_t out[DIGEST_LEN], const void *octets, size_t len) {
    size_t out_len;
    EVP_MAC_init(mac_ctx, NULL, 0, NULL);
    EVP_MAC_update(mac_ctx, octets, len);
    EVP_MAC_final(mac_ctx, out, &out_len, DIGEST_LEN);
}

/* --- the way of a packet --- */

typedef struct {
    uint8_t *user, *password, *message_auth;
    size_t user_len, password_len;
} attrs;

static attrs find_attrs(uint8_t *pkt, size_t len) {
    attrs found = {0};
    for (size_t off = PACKET_HEADER; off + 2 <= len && pkt[off + 1] >= 2 && off + pkt[off + 1] <= len;
         off += pkt[off + 1]) {
        uint8_t *value = pkt + off + 2;
        size_t value_len = (size_t)pkt[off + 1] - 2;
        if (pkt[off] == USER_NAME) {
            found.user = value;
            found.user_len = value_len;
        } else if (pkt[off] == USER_PASSWORD) {
            found.password = value;
            found.password_len = value_len;
        } else if (pkt[off] == MESSAGE_AUTHENTICATOR && value_len == DIGEST_LEN) {
            found.message_auth = value;
        }
    }
    return found;
}

static bool is_authentic(uint8_t *pkt, size_t len, uint8_t *message_auth) {
    uint8_t given[DIGEST_LEN], computed[DIGEST_LEN];
    if (message_auth != NULL) {
        memcpy(given, message_auth, DIGEST_LEN);
        memset(message_auth, 0, DIGEST_LEN);
        hmac_of(computed, pkt, len);
        if (CRYPTO_memcmp(given, computed, DIGEST_LEN) != 0) {
            return false;
        }
    }
    if (pkt[0] == ACCOUNTING_REQUEST) {
        memcpy(given, pkt + 4, DIGEST_LEN);
        memset(pkt + 4, 0, DIGEST_LEN);
        digest_of(computed, pkt, len, secret, strlen(secret));
        memcpy(pkt + 4, given, DIGEST_LEN);
        return CRYPTO_memcmp(given, computed, DIGEST_LEN) == 0;
    }
    return true;
}

static bool is_password_right(const uint8_t *pkt, const attrs *found) {
    uint8_t key[DIGEST_LEN], clear[DIGEST_LEN], wanted[DIGEST_LEN] = "hunter";
    if (found->password_len != DIGEST_LEN || found->user_len < 8) {
        return false;
    }
    digest_of(key, secret, strlen(secret), pkt + 4, 16);
    for (size_t i = 0; i < sizeof clear; i++) {
        clear[i] = key[i] ^ found->password[i];
    }
    memcpy(wanted + 6, found->user + 4, 4);
    return CRYPTO_memcmp(clear, wanted, DIGEST_LEN) == 0;
}

/* Writes the reply to the request of `len` octets, which is changed on the way. Its length; 0: there is none. */
static size_t answer(uint8_t *pkt, size_t len, uint8_t *out) {
    static const char hello[] = {'H', 'e', 'l', 'l', 'o', ' '};
    attrs found = find_attrs(pkt, len);
    if ((pkt[0] != ACCESS_REQUEST && pkt[0] != ACCOUNTING_REQUEST && pkt[0] != STATUS_SERVER) ||
        !is_authentic(pkt, len, found.message_auth)) {
        return 0;
    }
    size_t out_len = PACKET_HEADER;
    out[0] = pkt[0] == ACCOUNTING_REQUEST ? ACCOUNTING_RESPONSE : ACCESS_ACCEPT;
    out[1] = pkt[1];
    memcpy(out + 4, pkt + 4, 16);
    if (pkt[0] == ACCESS_REQUEST && !is_password_right(pkt, &found)) {
        out[0] = ACCESS_REJECT;
    } else if (pkt[0] == ACCESS_REQUEST && found.user != NULL) {
        size_t user_len = found.user_len < 247 ? found.user_len : 247;
        out[out_len] = REPLY_MESSAGE;
        out[out_len + 1] = (uint8_t)(8 + user_len);
        memcpy(out + out_len + 2, hello, sizeof hello);
        memcpy(out + out_len + 8, found.user, user_len);
        out_len += 8 + user_len;
    }
    uint8_t *message_auth = NULL;
    if (found.message_auth != NULL) {
        out[out_len] = MESSAGE_AUTHENTICATOR;
        out[out_len + 1] = 2 + DIGEST_LEN;
        message_auth = memset(out + out_len + 2, 0, DIGEST_LEN);
        out_len += 2 + DIGEST_LEN;
    }
    out[2] = (uint8_t)(out_len >> 8);
    out[3] = (uint8_t)out_len;
    if (message_auth != NULL) {
        uint8_t digest[DIGEST_LEN];
        hmac_of(digest, out, out_len);
        memcpy(message_auth, digest, DIGEST_LEN);
    }
    digest_of(out + 4, out, out_len, secret, strlen(secret));
    return out_len;
}

/* Answers every packet that OpenSSL can decrypt. False: the connection is to be given up. */
static bool answer_all(conn *cn) {
    static uint8_t in[PACKET_MAX + RECORD_MAX], out[RECORD_MAX];
    size_t out_len = 0, got, put;
    memcpy(in, cn->in, cn->in_len);
    while (SSL_read_ex(cn->link.ssl, in + cn->in_len, RECORD_MAX, &got) == 1) {
        size_t have = cn->in_len + got, off = 0;
        while (have - off >= PACKET_HEADER) {
            size_t len = (size_t)(in[off + 2] << 8 | in[off + 3]);
            if (len < PACKET_HEADER || len > PACKET_MAX) {
                return false;
            }
            if (have - off < len) {
                break;
            }
            out_len += answer(in + off, len, out + out_len);
            off += len;
            if (out_len > 0 && (!coalesce || out_len > RECORD_MAX - PACKET_MAX)) {
                if (SSL_write_ex(cn->link.ssl, out, out_len, &put) != 1) {
                    return false;
                }
                out_len = 0;
            }
        }
        cn->in_len = have - off;
        memmove(in, in + off, cn->in_len);
    }
    bool goes_on = SSL_get_error(cn->link.ssl, 0) == SSL_ERROR_WANT_READ;
    memcpy(cn->in, in, cn->in_len);
    return (out_len == 0 || SSL_write_ex(cn->link.ssl, out, out_len, &put) == 1) && goes_on;
}

/* One turn of one connection; false: it is over. */
static bool serve(conn *cn, unsigned events) {
    tls_link_begin(&cn->link);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !tls_link_receive(&cn->link)) {
        return false;
    }
    bool goes_on = true;
    if (!cn->is_up) {
        int rc = SSL_do_handshake(cn->link.ssl);
        cn->is_up = rc == 1;
        goes_on = rc == 1 || SSL_get_error(cn->link.ssl, rc) == SSL_ERROR_WANT_READ;
    }
    if (goes_on && cn->is_up) {
        goes_on = answer_all(cn);
        if (!goes_on) {
            SSL_shutdown(cn->link.ssl);
        }
    }
    /* An alert goes out too. */
    return tls_link_flush(&cn->link) && goes_on && cn->link.left_len < LEFT_MAX;
}

/* --- setting up --- */

static const char help[] = "usage: limit_server --cert FILE --key FILE --ca FILE [options]\n"
                           "\n"
                           "Answers RADIUS/TLS requests on 127.0.0.1 as fast as one core can, for comparison.\n"
                           "Prints one line of JSON with its port, and serves until standard input ends.\n"
                           "\n"
                           "  --port N        0: any free one (default)\n"
                           "  --secret TEXT   radsec\n"
                           "  --tickets N     TLS 1.3 session tickets after each full handshake (0)\n"
                           "  --coalesce 1    as many replies to a TLS record as fit; otherwise one\n";

static void parse_options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"ca", required_argument, NULL, 'a'},
        {"secret", required_argument, NULL, 's'},
        {"tickets", required_argument, NULL, 't'},
        {"coalesce", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (opt) {
        case 'p':
            port = (uint16_t)long_option("port", optarg, 0, 65535);
            break;
        case 'c':
            certfile = optarg;
            break;
        case 'k':
            keyfile = optarg;
            break;
        case 'a':
            ca_certfile = optarg;
            break;
        case 's':
            secret = optarg;
            break;
        case 't':
            tickets = (size_t)long_option("tickets", optarg, 0, 100);
            break;
        case 'o':
            coalesce = flag_option("coalesce", optarg);
            break;
        case 'h':
            (void)fputs(help, stdout);
            exit(0);
        default:
            exit(2);
        }
    }
    if (optind < argc || certfile == NULL || keyfile == NULL || ca_certfile == NULL) {
        die("--cert, --key and --ca are needed, and nothing but options");
    }
}

static SSL_CTX *make_context(void) {
    SSL_CTX *ctx = tls_context(TLS_server_method(), certfile, keyfile, ca_certfile);
    if (SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"limit", 5) != 1 ||
        SSL_CTX_set_num_tickets(ctx, tickets) != 1) {
        die("SSL_CTX: %s", tls_error_text());
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (tickets == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    return ctx;
}

static int listen_on_loopback(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        die("127.0.0.1 port %u: %s", port, strerror(errno));
    }
    printf("{\"port\": %d, \"openssl\": \"%s\"}\n", ntohs(addr.sin_port), OpenSSL_version(OPENSSL_VERSION));
    (void)fflush(stdout);
    return fd;
}

static void accept_all(int listener, SSL_CTX *ctx, int poller) {
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conn *cn = calloc(1, sizeof *cn);
        if (cn == NULL) {
            die("no memory for a connection");
        }
        tls_link_open(&cn->link, ctx, fd, poller, false);
        SSL_set_accept_state(cn->link.ssl);
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
        die("accept: %s", strerror(errno));
    }
}

static void watch(int poller, int fd, void *data) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0 && errno != EPERM) { /* EPERM: a file as standard input */
        die("epoll_ctl: %s", strerror(errno));
    }
}

int main(int argc, char **argv) {
    static char listening, input; /* what the poller knows the listener and standard input by */
    parse_options(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    digests_init();
    SSL_CTX *ctx = make_context();
    int poller = epoll_create1(EPOLL_CLOEXEC), listener = listen_on_loopback();
    watch(poller, listener, &listening);
    watch(poller, STDIN_FILENO, &input);
    for (;;) {
        struct epoll_event events[EVENTS];
        int num = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < num; i++) {
            void *data = events[i].data.ptr;
            if (data == &listening) {
                accept_all(listener, ctx, poller);
            } else if (data == &input) {
                char octets[256];
                if (read(STDIN_FILENO, octets, sizeof octets) <= 0) {
                    SSL_CTX_free(ctx);
                    return 0;
                }
            } else if (!serve(data, events[i].events)) {
                tls_link_close(data);
                free(data);
            }
        }
    }
}
