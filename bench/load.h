/* What the load generator knows while it runs, and the parts of it: its connections, its report. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "latency.h"
#include "load_options.h"
#include "tls_link.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { IDS = 256 };

#define SECOND_NS INT64_C(1000000000)

typedef struct {
    request_facts facts;
    int64_t sent_ns; /* in an open loop: when it was due */
    bool is_used;
} slot;

typedef enum {
    CONN_IDLE, /* not to be dialled yet */
    CONN_DOWN, /* its connect(2) failed at once: to be tried again */
    CONN_DIALLING,
    CONN_HANDSHAKE,
    CONN_UP,
} conn_state;

typedef struct {
    tls_link link; /* first: the poller's data.ptr is a conn too */
    conn_state state;
    unsigned in_flight;
    uint8_t next_id;
    bool is_spoiled;    /* --spoil: it has sent what it had to, and waits for the server to close */
    int64_t dialled_ns; /* --handshakes with --rate: when it was due */
    size_t in_len;      /* octets of an unfinished reply */
    uint8_t in[PACKET_MAX];
    slot slots[IDS];
} conn;

typedef struct {
    int64_t at_ns, own_cpu_ns, server_cpu_ns;
    uint64_t ok, handshakes, resumed;
} mark;

typedef struct {
    const load_options *options;
    struct addrinfo *address;
    SSL_CTX *ctx;
    SSL_SESSION *session;
    clockid_t server_clock;
    int poller, timer;
    conn *conns;
    unsigned dialled_num, up_num; /* connections that were ever dialled; that are up */
    int64_t dialled_ns, up_ns;    /* up_ns 0: not all connections are up yet */
    int64_t progress_ns;          /* when the last connection came up */
    int64_t begin_ns, end_ns;     /* the window, as planned */
    int64_t timer_ns;             /* when the timer expires, or has expired */
    int64_t schedule_len;         /* open loop: so many requests fall due before the end of the window */
    mark begin, end;              /* as it was; at_ns is 0 until then */
    unsigned down_num;            /* connections in CONN_DOWN */
    int64_t due_num;              /* open loop: so many requests, or connections, of the schedule were begun */
    size_t next_conn;
    bool is_input_over; /* --hold: standard input has ended */
    uint64_t sent, ok, bad, lost, rejects, unexpected, unanswered, errors, handshakes, resumed, reconnects;
    char first_error[256];
    latency lat;
} load;

static inline bool is_open_loop(const load *ld) {
    return ld->options->rate > 0;
}

/* One handshake after another at a given rate. */
static inline bool is_paced(const load *ld) {
    return ld->options->handshakes && ld->options->rate > 0;
}

/* In an open loop the requests that fell due in the window count, in a closed one the replies that came in it. */
static inline void note_latency(load *ld, int64_t sent_ns, int64_t now) {
    if (is_open_loop(ld) ? sent_ns >= ld->begin_ns && sent_ns < ld->end_ns : ld->begin.at_ns != 0) {
        latency_record(&ld->lat, now - sent_ns);
    }
}

/* --- load_conn.c --- */

/* Looks the server up, makes the TLS context, the poller and the connections. Dies when it cannot. */
void load_set_up(load *ld);
void load_tear_down(load *ld);

/* Counts an error and keeps the first one's text. */
void load_note_error(load *ld, const char *what, const char *why);

/* Begins a connection, in CONN_DIALLING unless connect(2) failed at once. */
void load_dial(load *ld, conn *cn);
void load_dial_again(load *ld, int64_t now);

/* Ends a connection with what was in flight on it: it is CONN_IDLE after that. */
void load_close(load *ld, conn *cn);

/* Ends a connection and begins another in its place, unless the schedule says when. */
void load_redial(load *ld, conn *cn);
void load_fail(load *ld, conn *cn, const char *what, const char *why);

/* --- load_report.c --- */

mark load_mark_now(const load *ld);

/* Open loop: what was not answered has taken as long as until now, at least. */
void load_note_unanswered(load *ld);

/* Prints the line of JSON. */
void load_report(const load *ld);

#endif
