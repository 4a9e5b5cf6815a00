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
#include "load.h"

#include "support.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { RECORD_MAX = 16384, EVENTS = 256, ERRORS_MAX = 1000, SPOILED_NUM = 64 };

static const int64_t connect_limit_ns = 10 * SECOND_NS;  /* without a connection that comes up */
static const int64_t requests_limit_ns = 60 * SECOND_NS; /* for as many replies as --requests asks for */
static const int64_t drain_limit_ns = 5 * SECOND_NS;     /* open loop: for replies after the window */
static const int64_t longest_wait_ns = SECOND_NS / 100;
/* Open loop: awake so long before a request is due, but not longer than a quarter of the time between two. */
static const int64_t spin_most_ns = 60000;

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

/* Requests whose Message-Authenticator is wrong. Nobody answers them; the server closes. False: TLS failed. */
static bool send_spoiled(load *ld, conn *cn) {
    uint8_t out[PACKET_MAX];
    request_facts facts;
    size_t put;
    for (unsigned i = 0; i < SPOILED_NUM && !cn->is_spoiled; i++) {
        size_t len = request_build(out, (uint8_t)i, &facts);
        out[len - 1] ^= 1; /* the attribute is the last one */
        ld->sent++;
        if (SSL_write_ex(cn->link.ssl, out, len, &put) != 1) {
            return false;
        }
    }
    cn->is_spoiled = true;
    return true;
}

/* Up to the window. False: TLS failed. */
static bool fill(load *ld, conn *cn) {
    const load_options *options = ld->options;
    if (options->spoil) {
        return send_spoiled(ld, cn);
    }
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
            load_fail(ld, cn, "write", tls_error_text());
            continue;
        }
        ld->due_num += num;
        due -= num;
    }
}

/* A connection that is free for the next handshake; NULL: there is none. */
static conn *free_conn(load *ld) {
    unsigned conns = ld->options->conns;
    for (unsigned i = 0; i < conns; i++) {
        conn *cn = &ld->conns[ld->next_conn++ % conns]; /* NOLINT(clang-analyzer-core.DivideZero): it is above zero */
        if (cn->is_spoiled) {
            load_close(ld, cn); /* the server has had its time to do so */
        }
        if (cn->state == CONN_IDLE) {
            return cn;
        }
    }
    return NULL;
}

/* Paced handshakes: dials what has fallen due, as far as there are connections for it. */
static void dial_due(load *ld) {
    int64_t now = now_ns();
    for (conn *cn; ld->due_num < ld->schedule_len && due_ns(ld, ld->due_num) <= now && (cn = free_conn(ld)) != NULL;) {
        load_dial(ld, cn);
        cn->dialled_ns = due_ns(ld, ld->due_num++);
    }
}

/* --- replies --- */

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
    ld->up_num++;
    ld->progress_ns = now_ns();
    ld->handshakes++;
    ld->resumed += SSL_session_reused(cn->link.ssl) == 1;
}

/* A connection that does not go on. It is what a spoiled one is for. */
static void end_conn(load *ld, conn *cn, const char *what, const char *why) {
    if (cn->is_spoiled) {
        load_redial(ld, cn);
    } else {
        load_fail(ld, cn, what, why);
    }
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
            end_conn(ld, cn, "connect", strerror(error));
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
            end_conn(ld, cn, "handshake", tls_error_text());
            return;
        }
    }
    if (is_gone) {
        end_conn(ld, cn, cn->state == CONN_UP ? "connection" : "handshake",
                 gone_errno != 0 ? strerror(gone_errno) : "closed by the server");
        return;
    }
    if (cn->state == CONN_UP) {
        uint64_t ok = ld->ok;
        if (!take_replies(ld, cn, &what)) {
            end_conn(ld, cn, what, tls_error_text());
            return;
        }
        if (options->handshakes && ld->ok > ok) {
            SSL_shutdown(cn->link.ssl);
            (void)tls_link_flush(&cn->link);
            load_redial(ld, cn);
            return;
        }
        if ((!is_open_loop(ld) || options->handshakes) && ld->up_ns != 0 && !options->hold && !fill(ld, cn)) {
            end_conn(ld, cn, "write", tls_error_text());
            return;
        }
    }
    if (!tls_link_flush(&cn->link)) {
        end_conn(ld, cn, "send", strerror(errno));
    }
}

/* Notices that all connections are up: the run begins. */
static void start_when_up(load *ld, int64_t now) {
    const load_options *options = ld->options;
    if (ld->up_num < options->conns && !options->handshakes) {
        if (now - ld->progress_ns > connect_limit_ns) {
            die("%u of %u connections came up; first error: %s", ld->up_num, options->conns, ld->first_error);
        }
        return;
    }
    ld->up_ns = now;
    ld->begin_ns = now + (int64_t)(options->warm * 1e9);
    ld->end_ns = ld->begin_ns + (options->requests > 0 ? requests_limit_ns : (int64_t)(options->seconds * 1e9));
    ld->schedule_len = (int64_t)((double)(ld->end_ns - 1 - ld->up_ns) * options->rate / 1e9) + 1;
    if (options->hold) {
        load_report(ld);
    }
    for (unsigned i = 0; i < options->conns && options->rate == 0; i++) {
        if (ld->conns[i].state == CONN_UP) {
            serve(ld, &ld->conns[i], 0);
        }
    }
}

/* Nothing is under way: no request, and no handshake of a schedule. */
static bool is_quiet(const load *ld) {
    bool is_quiet = true;
    for (unsigned i = 0; i < ld->options->conns && is_quiet; i++) {
        const conn *cn = &ld->conns[i];
        is_quiet = cn->in_flight == 0 && (!is_paced(ld) || cn->state == CONN_IDLE || cn->is_spoiled);
    }
    return is_quiet;
}

static bool is_over(load *ld, int64_t now) {
    const load_options *options = ld->options;
    if (ld->errors >= ERRORS_MAX || ld->is_input_over) {
        return true;
    }
    if (ld->up_ns == 0) {
        start_when_up(ld, now);
        return false;
    }
    if (options->hold) {
        return false;
    }
    if (ld->begin.at_ns == 0 && now >= ld->begin_ns) {
        ld->begin = load_mark_now(ld);
    }
    bool is_enough = options->requests > 0 && ld->ok + ld->bad + ld->lost >= (uint64_t)options->requests;
    if (ld->end.at_ns == 0 && (now >= ld->end_ns || is_enough)) {
        ld->end = load_mark_now(ld);
    }
    if (ld->end.at_ns == 0 || !is_open_loop(ld)) {
        return ld->end.at_ns != 0;
    }
    return (ld->due_num >= ld->schedule_len && is_quiet(ld)) || now >= ld->end_ns + drain_limit_ns;
}

/* How long the poller may wait for replies, in milliseconds: not past the ends of the window, nor, in an open loop,
 * past the moment shortly before the next request is due, since a sleeping processor wakes up late. The timer sees to
 * that. */
static int patience_ms(load *ld, int64_t now) {
    int64_t until_ns = ld->begin.at_ns == 0 ? ld->begin_ns : ld->end.at_ns == 0 ? ld->end_ns : INT64_MAX;
    if (is_paced(ld)) {
        return 1;
    }
    if (is_open_loop(ld) && ld->due_num < ld->schedule_len) {
        int64_t quarter_ns = (int64_t)(1e9 / ld->options->rate / 4);
        int64_t due = due_ns(ld, ld->due_num) - (quarter_ns < spin_most_ns ? quarter_ns : spin_most_ns);
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

/* Dials at the start, not too many at once. */
static void dial_more(load *ld) {
    const load_options *options = ld->options;
    while (ld->dialled_num < options->conns &&
           (options->handshakes || ld->dialled_num - ld->up_num < options->connecting)) {
        load_dial(ld, &ld->conns[ld->dialled_num++]);
    }
}

static void take_event(load *ld, const struct epoll_event *event) {
    char octets[256];
    if (event->data.ptr == ld) {
        (void)!read(ld->timer, octets, sizeof octets);
    } else if (event->data.ptr == NULL) {
        ld->is_input_over = read(STDIN_FILENO, octets, sizeof octets) <= 0;
    } else {
        serve(ld, event->data.ptr, event->events);
    }
}

static void run(load *ld) {
    int64_t now = ld->dialled_ns = ld->progress_ns = now_ns();
    for (; !is_over(ld, now); now = now_ns()) {
        if (!is_paced(ld)) {
            dial_more(ld);
        }
        struct epoll_event events[EVENTS];
        int num = epoll_wait(ld->poller, events, EVENTS, patience_ms(ld, now));
        if (num < 0 && errno != EINTR) {
            die("epoll_wait: %s", strerror(errno));
        }
        for (int i = 0; i < num; i++) {
            take_event(ld, &events[i]);
        }
        if (ld->down_num > 0) {
            load_dial_again(ld, now);
        }
        if (is_open_loop(ld) && ld->up_ns != 0) {
            is_paced(ld) ? dial_due(ld) : send_due(ld);
        }
    }
    if (ld->end.at_ns == 0) {
        ld->end = load_mark_now(ld);
    }
}

int main(int argc, char **argv) {
    static load ld;
    load_options options = load_options_parse(argc, argv);
    ld.options = &options;
    (void)signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    request_init(&options.like);
    load_set_up(&ld);
    run(&ld);
    if (is_open_loop(&ld) && !options.spoil) {
        load_note_unanswered(&ld);
    }
    load_report(&ld);
    load_tear_down(&ld);
    return (ld.ok > 0 || options.hold || options.spoil) && ld.bad == 0 ? 0 : 1;
}
