/* radsec_load: a RADIUS/TLS load generator that checks every reply, one thread under epoll. `radsec_load --help`.
 *
 * Closed loop (default): each connection has --window requests in flight, and sends the next one when a reply comes. It
 * finds how much a server can do. A server that stalls is not asked anything meanwhile, so its latencies look better
 * than what a client with a schedule of its own would see (coordinated omission).
 *
 * Open loop (--rate): requests fall due at even intervals, whatever the server does; each latency counts from the
 * moment its request was due, also when no Identifier was free to send it. After the window, everything that fell due
 * in it is waited for, and what does not come is reported.
 */
#define _GNU_SOURCE
#include "latency.h"
#include "load_options.h"
#include "support.h"
#include "tls_link.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { IDS = 256, RECORD_MAX = 16384, EVENTS = 256, ERRORS_MAX = 1000 };

#define SECOND_NS INT64_C(1000000000)

static const int64_t connect_limit_ns = 10 * SECOND_NS;
static const int64_t requests_limit_ns = 60 * SECOND_NS; /* for as many replies as --requests asks for */
static const int64_t drain_limit_ns = 5 * SECOND_NS;     /* open loop: for replies after the window */
static const int64_t longest_wait_ns = SECOND_NS / 100;
static const int64_t retry_ns = SECOND_NS / 100; /* between two attempts at a connect(2) that fails at once */
static const int64_t spin_ns = 60000;            /* open loop: awake so long before a request is due */

typedef struct {
    request_facts facts;
    int64_t sent_ns; /* in an open loop: when it was due */
    bool is_used;
} slot;

typedef enum { CONN_DOWN, CONN_DIALLING, CONN_HANDSHAKE, CONN_UP } conn_state;

typedef struct {
    tls_link link; /* first: the poller's data.ptr is a conn too */
    conn_state state;
    unsigned in_flight;
    uint8_t next_id;
    int64_t dialled_ns;
    size_t in_len; /* octets of an unfinished reply */
    uint8_t in[PACKET_MAX];
    slot slots[IDS];
} conn;

typedef struct {
    int64_t at_ns, own_cpu_ns, server_cpu_ns;
    uint64_t ok, handshakes;
} mark;

typedef struct {
    const load_options *options;
    struct addrinfo *address;
    SSL_CTX *ctx;
    SSL_SESSION *session;
    clockid_t server_clock;
    int poller, timer;
    conn *conns;
    int64_t dialled_ns, up_ns; /* 0: not all connections are up yet */
    int64_t begin_ns, end_ns;  /* the window, as planned */
    int64_t timer_ns;          /* when the timer expires, or has expired */
    int64_t schedule_len;      /* open loop: so many requests fall due before the end of the window */
    mark begin, end;           /* as it was; at_ns is 0 until then */
    unsigned down_num;         /* connections whose connect(2) failed at once: tried again every so often */
    int64_t due_num;           /* open loop: so many requests of the schedule were sent */
    size_t next_conn;
    uint64_t sent, ok, bad, lost, rejects, unexpected, unanswered, errors, handshakes, reconnects;
    char first_error[256];
    latency lat;
} load;

static int64_t clock_ns(clockid_t clock) {
    struct timespec time;
    return clock_gettime(clock, &time) == 0 ? (int64_t)time.tv_sec * SECOND_NS + time.tv_nsec : 0;
}

static mark mark_now(const load *ld) {
    return (mark){
        .at_ns = now_ns(),
        .own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
        .server_cpu_ns = ld->options->server_pid > 0 ? clock_ns(ld->server_clock) : 0,
        .ok = ld->ok,
        .handshakes = ld->handshakes,
    };
}

static void note_error(load *ld, const char *what, const char *why) {
    if (ld->errors++ == 0) {
        (void)snprintf(ld->first_error, sizeof ld->first_error, "%s: %s", what, why);
    }
}

/* --- connections --- */

static void dial(load *ld, conn *cn) {
    *cn = (conn){.link = {.fd = -1}, .dialled_ns = now_ns()};
    int one = 1, fd = socket(ld->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket: %s", strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, ld->address->ai_addr, ld->address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        note_error(ld, "connect", strerror(errno));
        close(fd);
        ld->down_num++;
        return;
    }
    tls_link_open(&cn->link, ld->ctx, fd, ld->poller, true);
    SSL_set_connect_state(cn->link.ssl);
    if (ld->session != NULL && SSL_set_session(cn->link.ssl, ld->session) != 1) {
        note_error(ld, "session", tls_error_text());
    }
    cn->state = CONN_DIALLING;
}

/* Ends a connection with what was in flight on it, and opens another in its place. */
static void redial(load *ld, conn *cn) {
    ld->lost += cn->in_flight;
    tls_link_close(&cn->link);
    dial(ld, cn);
    ld->reconnects++;
}

static void fail(load *ld, conn *cn, const char *what, const char *why) {
    note_error(ld, what, why);
    redial(ld, cn);
}

static void dial_again(load *ld, int64_t now) {
    for (unsigned i = 0; i < ld->options->conns; i++) {
        conn *cn = &ld->conns[i];
        if (cn->state == CONN_DOWN && now - cn->dialled_ns > retry_ns) {
            ld->down_num--;
            dial(ld, cn);
        }
    }
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

/* --- requests --- */

/* Writes up to `num` requests, due at `first_ns` and every `step_ns` after it. How many the free Identifiers allowed;
 * -1: TLS failed. */
static long send_requests(load *ld, conn *cn, long num, int64_t first_ns, double step_ns) {
    static uint8_t out[RECORD_MAX];
    size_t out_len = 0, put;
    long done = 0;
    for (; done < num && cn->in_flight < IDS; done++) {
        while (cn->slots[cn->next_id].is_used) {
            cn->next_id++;
        }
        slot *sl = &cn->slots[cn->next_id];
        sl->is_used = true;
        sl->sent_ns = first_ns + (int64_t)((double)done * step_ns);
        out_len += request_build(out + out_len, cn->next_id, &sl->facts);
        cn->next_id++;
        cn->in_flight++;
        ld->sent++;
        if (!ld->options->coalesce || out_len > RECORD_MAX - PACKET_MAX) {
            if (SSL_write_ex(cn->link.ssl, out, out_len, &put) != 1) {
                return -1;
            }
            out_len = 0;
        }
    }
    return out_len == 0 || SSL_write_ex(cn->link.ssl, out, out_len, &put) == 1 ? done : -1;
}

/* Closed loop: up to the window. False: TLS failed. */
static bool fill(load *ld, conn *cn) {
    const load_options *options = ld->options;
    long room = (long)options->window - cn->in_flight;
    if (options->requests > 0 && room > options->requests - (long)ld->sent) {
        room = options->requests - (long)ld->sent;
    }
    /* A handshake's latency is that of the whole way from the first SYN to the reply. */
    int64_t from_ns = options->handshakes ? cn->dialled_ns : room > 0 ? now_ns() : 0;
    return room <= 0 || send_requests(ld, cn, room, from_ns, 0) >= 0;
}

static int64_t due_ns(const load *ld, int64_t index) {
    return ld->up_ns + (int64_t)((double)index * (1e9 / ld->options->rate));
}

/* Open loop: sends what has fallen due, spread over the connections. */
static void send_due(load *ld) {
    int64_t now = now_ns(), last = now < ld->end_ns ? now : ld->end_ns - 1;
    int64_t due = (int64_t)((double)(last - ld->up_ns) * ld->options->rate / 1e9) + 1 - ld->due_num;
    unsigned conns = ld->options->conns;
    long share = (long)((due + conns - 1) / conns); /* NOLINT(clang-analyzer-core.DivideZero): --conns is above zero */
    for (unsigned i = 0; i < conns && due > 0; i++) {
        conn *cn = &ld->conns[ld->next_conn++ % conns];
        if (cn->state != CONN_UP) {
            continue;
        }
        tls_link_begin(&cn->link);
        long num = send_requests(ld, cn, share < due ? share : (long)due, due_ns(ld, ld->due_num),
                                 1e9 / ld->options->rate);
        if (num < 0 || !tls_link_flush(&cn->link)) {
            fail(ld, cn, "write", tls_error_text());
            continue;
        }
        ld->due_num += num;
        due -= num;
    }
}

/* --- replies --- */

/* In an open loop the requests that fell due in the window count, in a closed one the replies that came in it. */
static void note_latency(load *ld, int64_t sent_ns, int64_t now) {
    bool is_open_loop = ld->options->rate > 0;
    if (is_open_loop ? sent_ns >= ld->begin_ns && sent_ns < ld->end_ns : ld->begin.at_ns != 0) {
        latency_record(&ld->lat, now - sent_ns);
    }
}

static void take_reply(load *ld, conn *cn, const uint8_t *reply, size_t len, int64_t now) {
    const load_options *options = ld->options;
    slot *sl = &cn->slots[reply[1]];
    if (!sl->is_used) {
        ld->bad++;
        return;
    }
    bool in_full = options->full_check > 0 && ld->ok % options->full_check == 0;
    switch (reply_check(reply, len, &sl->facts, in_full)) {
    case REPLY_BAD:
        ld->bad++;
        break;
    case REPLY_REJECT:
        ld->rejects++;
        ld->unexpected += !sl->facts.is_wrong;
        ld->ok++;
        break;
    case REPLY_GOOD:
        ld->unexpected += sl->facts.is_wrong || (in_full && !reply_says_hello(reply, len, &sl->facts));
        ld->ok++;
        break;
    }
    note_latency(ld, sl->sent_ns, now);
    sl->is_used = false;
    cn->in_flight--;
}

/* Takes every reply OpenSSL can decrypt. False: the connection is to be given up, for the reason in `*what`. */
static bool take_replies(load *ld, conn *cn, const char **what) {
    static uint8_t in[PACKET_MAX + RECORD_MAX];
    int64_t now = now_ns();
    memcpy(in, cn->in, cn->in_len);
    for (;;) {
        size_t got, off = 0;
        if (SSL_read_ex(cn->link.ssl, in + cn->in_len, RECORD_MAX, &got) != 1) {
            int error = SSL_get_error(cn->link.ssl, 0);
            *what = error == SSL_ERROR_ZERO_RETURN ? "closed by the server" : "read";
            memcpy(cn->in, in, cn->in_len);
            return error == SSL_ERROR_WANT_READ;
        }
        size_t have = cn->in_len + got;
        while (have - off >= PACKET_HEADER) {
            const uint8_t *reply = in + off;
            size_t len = (size_t)(reply[2] << 8 | reply[3]);
            if (len < PACKET_HEADER || len > PACKET_MAX) {
                *what = "a reply's length";
                ld->bad++;
                return false;
            }
            if (have - off < len) {
                break;
            }
            take_reply(ld, cn, reply, len, now);
            off += len;
        }
        cn->in_len = have - off;
        memmove(in, in + off, cn->in_len);
    }
}

/* --- the event loop --- */

static void come_up(load *ld, conn *cn) {
    cn->state = CONN_UP;
    ld->handshakes++;
}

/* One turn of one connection. */
static void serve(load *ld, conn *cn, unsigned events) {
    const load_options *options = ld->options;
    const char *what = NULL;
    tls_link_begin(&cn->link);
    if (cn->state == CONN_DIALLING) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(cn->link.fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error != 0) {
            fail(ld, cn, "connect", strerror(error));
            return;
        }
        cn->state = CONN_HANDSHAKE;
    }
    bool is_gone = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !tls_link_receive(&cn->link);
    int gone_errno = errno;
    if (!is_gone && cn->state == CONN_HANDSHAKE) {
        int rc = SSL_do_handshake(cn->link.ssl);
        if (rc == 1) {
            come_up(ld, cn);
        } else if (SSL_get_error(cn->link.ssl, rc) != SSL_ERROR_WANT_READ) {
            fail(ld, cn, "handshake", tls_error_text());
            return;
        }
    }
    if (is_gone) {
        fail(ld, cn, cn->state == CONN_UP ? "connection" : "handshake",
             gone_errno != 0 ? strerror(gone_errno) : "closed by the server");
        return;
    }
    if (cn->state == CONN_UP) {
        uint64_t ok = ld->ok;
        if (!take_replies(ld, cn, &what)) {
            fail(ld, cn, what, tls_error_text());
            return;
        }
        if (options->handshakes && ld->ok > ok) {
            SSL_shutdown(cn->link.ssl);
            (void)tls_link_flush(&cn->link);
            redial(ld, cn);
            return;
        }
        if (options->rate == 0 && ld->up_ns != 0 && !fill(ld, cn)) {
            fail(ld, cn, "write", tls_error_text());
            return;
        }
    }
    if (!tls_link_flush(&cn->link)) {
        fail(ld, cn, "send", strerror(errno));
    }
}

/* Notices that all connections are up: the run begins. */
static void start_when_up(load *ld, int64_t now) {
    const load_options *options = ld->options;
    unsigned up = 0;
    for (unsigned i = 0; i < options->conns; i++) {
        up += ld->conns[i].state == CONN_UP;
    }
    if (up < options->conns && !options->handshakes) {
        if (now - ld->dialled_ns > connect_limit_ns) {
            die("%u of %u connections came up; first error: %s", up, options->conns, ld->first_error);
        }
        return;
    }
    ld->up_ns = now;
    ld->begin_ns = now + (int64_t)(options->warm * 1e9);
    ld->end_ns = ld->begin_ns + (options->requests > 0 ? requests_limit_ns : (int64_t)(options->seconds * 1e9));
    ld->schedule_len = (int64_t)((double)(ld->end_ns - 1 - ld->up_ns) * options->rate / 1e9) + 1;
    for (unsigned i = 0; i < options->conns && options->rate == 0; i++) {
        if (ld->conns[i].state == CONN_UP) {
            serve(ld, &ld->conns[i], 0);
        }
    }
}

static unsigned long in_flight(const load *ld) {
    unsigned long num = 0;
    for (unsigned i = 0; i < ld->options->conns; i++) {
        num += ld->conns[i].in_flight;
    }
    return num;
}

static bool is_over(load *ld, int64_t now) {
    const load_options *options = ld->options;
    if (ld->errors >= ERRORS_MAX) {
        return true;
    }
    if (ld->up_ns == 0) {
        start_when_up(ld, now);
        return false;
    }
    if (ld->begin.at_ns == 0 && now >= ld->begin_ns) {
        ld->begin = mark_now(ld);
    }
    bool is_enough = options->requests > 0 && ld->ok + ld->bad + ld->lost >= (uint64_t)options->requests;
    if (ld->end.at_ns == 0 && (now >= ld->end_ns || is_enough)) {
        ld->end = mark_now(ld);
    }
    if (ld->end.at_ns == 0 || options->rate == 0) {
        return ld->end.at_ns != 0;
    }
    return (ld->due_num >= ld->schedule_len && in_flight(ld) == 0) || now >= ld->end_ns + drain_limit_ns;
}

/* How long the poller may wait for replies, in milliseconds: not past the ends of the window, nor, in an open loop,
 * past the moment shortly before the next request is due, since a sleeping processor wakes up late. The timer sees to
 * that. */
static int patience_ms(load *ld, int64_t now) {
    int64_t until_ns = ld->begin.at_ns == 0 ? ld->begin_ns : ld->end.at_ns == 0 ? ld->end_ns : INT64_MAX;
    if (ld->options->rate > 0 && ld->due_num < ld->schedule_len) {
        int64_t due = due_ns(ld, ld->due_num) - spin_ns;
        until_ns = due < until_ns ? due : until_ns;
    }
    if (ld->up_ns == 0 || until_ns - now > longest_wait_ns) {
        return (int)(longest_wait_ns / 1000000);
    }
    if (until_ns <= now) {
        return 0;
    }
    if (until_ns != ld->timer_ns) {
        struct itimerspec at = {.it_value = {.tv_sec = until_ns / SECOND_NS, .tv_nsec = until_ns % SECOND_NS}};
        if (timerfd_settime(ld->timer, TFD_TIMER_ABSTIME, &at, NULL) != 0) {
            die("timerfd_settime: %s", strerror(errno));
        }
        ld->timer_ns = until_ns;
    }
    return (int)(longest_wait_ns / 1000000);
}

static void run(load *ld) {
    ld->dialled_ns = now_ns();
    for (unsigned i = 0; i < ld->options->conns; i++) {
        dial(ld, &ld->conns[i]);
    }
    int64_t now = ld->dialled_ns;
    for (; !is_over(ld, now); now = now_ns()) {
        struct epoll_event events[EVENTS];
        int num = epoll_wait(ld->poller, events, EVENTS, patience_ms(ld, now));
        if (num < 0 && errno != EINTR) {
            die("epoll_wait: %s", strerror(errno));
        }
        for (int i = 0; i < num; i++) {
            if (events[i].data.ptr == ld) {
                uint64_t expirations;
                (void)!read(ld->timer, &expirations, sizeof expirations);
            } else {
                serve(ld, events[i].data.ptr, events[i].events);
            }
        }
        if (ld->down_num > 0) {
            dial_again(ld, now);
        }
        if (ld->options->rate > 0 && ld->up_ns != 0) {
            send_due(ld);
        }
    }
    if (ld->end.at_ns == 0) {
        ld->end = mark_now(ld);
    }
}

/* Open loop: what was not answered has taken as long as this, at least. Left out, it would make the latencies look
 * better. */
static void note_unanswered(load *ld) {
    int64_t now = now_ns();
    for (; ld->up_ns != 0 && ld->due_num < ld->schedule_len; ld->due_num++) {
        note_latency(ld, due_ns(ld, ld->due_num), now);
        ld->unanswered++;
    }
    for (unsigned i = 0; i < ld->options->conns; i++) {
        for (unsigned id = 0; id < IDS; id++) {
            const slot *sl = &ld->conns[i].slots[id];
            if (sl->is_used) {
                note_latency(ld, sl->sent_ns, now);
                ld->unanswered++;
            }
        }
    }
}

static double us(int64_t ns) {
    return (double)ns / 1e3;
}

static void report(const load *ld) {
    const load_options *options = ld->options;
    char error[2 * sizeof ld->first_error];
    json_escape(error, sizeof error, ld->first_error);
    double window_ns = ld->begin.at_ns != 0 ? (double)(ld->end.at_ns - ld->begin.at_ns) : 0;
    double per_s = window_ns > 0 ? 1e9 / window_ns : 0;
    uint64_t ok = ld->end.ok - ld->begin.ok;
    printf("{\"kind\": \"%s\", \"conns\": %u, \"window\": %u, \"offered_rate\": %.6g, \"secs\": %.3f, ", options->kind,
           options->conns, options->rate > 0 ? 0 : options->window, options->rate, window_ns / 1e9);
    printf("\"rate\": %.1f, \"handshake_rate\": %.1f, ", (double)ok * per_s,
           (double)(ld->end.handshakes - ld->begin.handshakes) * per_s);
    printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
           us(latency_quantile_ns(&ld->lat, 0.5)), us(latency_quantile_ns(&ld->lat, 0.9)),
           us(latency_quantile_ns(&ld->lat, 0.99)), us(latency_quantile_ns(&ld->lat, 0.999)), us(ld->lat.max_ns));
    printf("\"load_busy\": %.3f, ", (double)(ld->end.own_cpu_ns - ld->begin.own_cpu_ns) * per_s / 1e9);
    if (options->server_pid > 0 && ok > 0) {
        double server_ns = (double)(ld->end.server_cpu_ns - ld->begin.server_cpu_ns);
        printf("\"server_busy\": %.3f, \"server_cpu_us\": %.3f, ", server_ns * per_s / 1e9,
               server_ns / 1e3 / (double)ok);
    }
    printf("\"ok\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", ", ld->ok,
           ld->bad, ld->lost, ld->unanswered);
    printf("\"rejects\": %" PRIu64 ", \"unexpected\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"handshakes\": %" PRIu64
           ", \"reconnects\": %" PRIu64 ", ",
           ld->rejects, ld->unexpected, ld->errors, ld->handshakes, ld->reconnects);
    printf("\"all_up_s\": %.3f, \"first_error\": \"%s\"}\n",
           ld->up_ns != 0 ? (double)(ld->up_ns - ld->dialled_ns) / 1e9 : 0, error);
}

static void set_up(load *ld) {
    static bool is_verified;
    const load_options *options = ld->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(options->host, options->port, &hints, &ld->address);
    if (error != 0) {
        die("--host %s: %s", options->host, gai_strerror(error));
    }
    if (options->server_pid > 0 && clock_getcpuclockid(options->server_pid, &ld->server_clock) != 0) {
        die("--server-pid %d: no such process", (int)options->server_pid);
    }
    ld->ctx = tls_context(TLS_client_method(), options->cert, options->key, options->ca);
    if (options->tls_version != 0 && (SSL_CTX_set_min_proto_version(ld->ctx, options->tls_version) != 1 ||
                                      SSL_CTX_set_max_proto_version(ld->ctx, options->tls_version) != 1)) {
        die("--tls: %s", tls_error_text());
    }
    if (options->handshakes) {
        SSL_CTX_set_cert_verify_callback(ld->ctx, verify_once, &is_verified);
    }
    SSL_CTX_set_app_data(ld->ctx, ld);
    SSL_CTX_set_session_cache_mode(ld->ctx, SSL_SESS_CACHE_OFF);
    if (options->resume) {
        SSL_CTX_set_session_cache_mode(ld->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ld->ctx, keep_session);
    }
    ld->poller = epoll_create1(EPOLL_CLOEXEC);
    ld->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    ld->conns = calloc(options->conns, sizeof *ld->conns);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ld};
    if (ld->poller < 0 || ld->timer < 0 || ld->conns == NULL ||
        epoll_ctl(ld->poller, EPOLL_CTL_ADD, ld->timer, &event) != 0) {
        die("epoll: %s", strerror(errno));
    }
}

int main(int argc, char **argv) {
    static load ld;
    load_options options = load_options_parse(argc, argv);
    ld.options = &options;
    (void)signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    request_init(&options.like);
    set_up(&ld);
    run(&ld);
    if (options.rate > 0) {
        note_unanswered(&ld);
    }
    report(&ld);
    for (unsigned i = 0; i < options.conns; i++) {
        tls_link_close(&ld.conns[i].link);
    }
    free(ld.conns);
    SSL_SESSION_free(ld.session);
    SSL_CTX_free(ld.ctx);
    freeaddrinfo(ld.address);
    return ld.ok > 0 && ld.bad == 0 ? 0 : 1;
}
