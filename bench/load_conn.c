#define _GNU_SOURCE
#include "load.h"

#include "support.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const int64_t retry_ns = SECOND_NS / 100; /* between two attempts at a connect(2) that fails at once */

void load_note_error(load *ld, const char *what, const char *why) {
    if (ld->errors++ == 0) {
        (void)snprintf(ld->first_error, sizeof ld->first_error, "%s: %s", what, why);
    }
}

void load_dial(load *ld, conn *cn) {
    *cn = (conn){.link = {.fd = -1}, .state = CONN_DOWN, .dialled_ns = now_ns()};
    int one = 1, fd = socket(ld->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket: %s", strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, ld->address->ai_addr, ld->address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        load_note_error(ld, "connect", strerror(errno));
        close(fd);
        ld->down_num++;
        return;
    }
    tls_link_open(&cn->link, ld->ctx, fd, ld->poller, true);
    SSL_set_connect_state(cn->link.ssl);
    if (ld->session != NULL && SSL_set_session(cn->link.ssl, ld->session) != 1) {
        load_note_error(ld, "session", tls_error_text());
    }
    cn->state = CONN_DIALLING;
}

void load_dial_again(load *ld, int64_t now) {
    for (unsigned i = 0; i < ld->options->conns && ld->down_num > 0; i++) {
        conn *cn = &ld->conns[i];
        if (cn->state == CONN_DOWN && now - cn->dialled_ns > retry_ns) {
            ld->down_num--;
            load_dial(ld, cn);
        }
    }
}

void load_close(load *ld, conn *cn) {
    ld->lost += cn->in_flight;
    ld->up_num -= cn->state == CONN_UP;
    tls_link_close(&cn->link);
    *cn = (conn){.link = {.fd = -1}, .state = CONN_IDLE};
}

void load_redial(load *ld, conn *cn) {
    load_close(ld, cn);
    ld->reconnects++;
    if (!is_paced(ld)) {
        load_dial(ld, cn);
    }
}

void load_fail(load *ld, conn *cn, const char *what, const char *why) {
    load_note_error(ld, what, why);
    load_redial(ld, cn);
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    load *ld = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(ld->session);
    ld->session = session;
    return 1;
}

/* With --handshakes the chain is verified once: every server has to do its full share of each handshake, and that is
 * what is measured; the generator, which would do as much again, need not. */
static int verify_once(X509_STORE_CTX *store, void *arg) {
    bool *is_verified = arg;
    *is_verified = *is_verified || X509_verify_cert(store) == 1;
    return *is_verified;
}

static void make_context(load *ld) {
    static bool is_verified;
    const load_options *options = ld->options;
    ld->ctx = tls_context(TLS_client_method(), options->cert, options->key, options->ca);
    if (options->tls_version != 0 && (SSL_CTX_set_min_proto_version(ld->ctx, options->tls_version) != 1 ||
                                      SSL_CTX_set_max_proto_version(ld->ctx, options->tls_version) != 1)) {
        die("--tls: %s", tls_error_text());
    }
    if (options->handshakes || options->hold) {
        SSL_CTX_set_cert_verify_callback(ld->ctx, verify_once, &is_verified);
    }
    SSL_CTX_set_app_data(ld->ctx, ld);
    SSL_CTX_set_session_cache_mode(ld->ctx, SSL_SESS_CACHE_OFF);
    if (options->resume) {
        SSL_CTX_set_session_cache_mode(ld->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ld->ctx, keep_session);
    }
}

void load_set_up(load *ld) {
    const load_options *options = ld->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(options->host, options->port, &hints, &ld->address);
    if (error != 0) {
        die("--host %s: %s", options->host, gai_strerror(error));
    }
    if (options->server_pid > 0 && clock_getcpuclockid(options->server_pid, &ld->server_clock) != 0) {
        die("--server-pid %d: no such process", (int)options->server_pid);
    }
    make_context(ld);
    ld->poller = epoll_create1(EPOLL_CLOEXEC);
    ld->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    ld->conns = calloc(options->conns, sizeof *ld->conns);
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = ld}, input = {.events = EPOLLIN, .data.ptr = NULL};
    if (ld->poller < 0 || ld->timer < 0 || ld->conns == NULL ||
        epoll_ctl(ld->poller, EPOLL_CTL_ADD, ld->timer, &timer) != 0) {
        die("epoll: %s", strerror(errno));
    }
    if (options->hold && epoll_ctl(ld->poller, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0) {
        die("--hold: standard input has to be a pipe or a terminal: %s", strerror(errno));
    }
}

void load_tear_down(load *ld) {
    for (unsigned i = 0; i < ld->options->conns; i++) {
        tls_link_close(&ld->conns[i].link);
    }
    free(ld->conns);
    SSL_SESSION_free(ld->session);
    SSL_CTX_free(ld->ctx);
    freeaddrinfo(ld->address);
}
