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
#include "answer.h"
#include "support.h"
#include "tls_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORD_MAX = 16384, LEFT_MAX = 4 << 20, EVENTS = 256 };

typedef struct {
    tls_link link; /* first: the poller's data.ptr is a conn too */
    bool is_up;
    size_t in_len; /* octets of an unfinished packet */
    uint8_t in[PACKET_MAX];
} conn;

static uint16_t port;
static const char *certfile, *keyfile, *ca_certfile, *secret = "radsec";
static size_t tickets;
static bool coalesce, takes_md5_init;

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
            size_t reply_len = answer(in + off, len, out + out_len);
            if (reply_len == 0) {
                return false;
            }
            out_len += reply_len;
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
                           "  --coalesce 1    as many replies to a TLS record as fit; otherwise one\n"
                           "  --md5-init 1    digests by MD5_Init() and its like; otherwise by EVP\n";

static void parse_options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},     {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},      {"ca", required_argument, NULL, 'a'},
        {"secret", required_argument, NULL, 's'},   {"tickets", required_argument, NULL, 't'},
        {"coalesce", required_argument, NULL, 'o'}, {"md5-init", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
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
        case 'm':
            takes_md5_init = flag_option("md5-init", optarg);
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
    answer_init(secret, takes_md5_init);
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
