/* Clients of every kind at once against the engine in this process: for the thread sanitizer.
 *
 *   engine_storm [SECONDS]
 *
 * Several threads connect and behave, reset at each stage of a connection's life, dawdle, pack, cut packets up and send
 * nonsense, with calm spells in between in which one asks alone, while the host's thread changes policy and secret and
 * holds answers back; every round ends with a stop under traffic. What a well-behaved client was promised is checked: each request has its reply, signed with the secret in force;
 * what must close a connection does, after the replies that are due; nothing is left over. The last line counts failures.
 */
#define _GNU_SOURCE
#include "client.h"
#include "host.h"
#include "net/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 6, WINDOW_MAX = 40, ROUND_S = 2, FAILURES_SHOWN = 20 };

static const char *const secrets[2] = {"radsec", "another secret"};

static host server;
static SSL_CTX *ctx;
/* Even: secrets[generation / 2 % 2] is in force. Odd: it is being changed. */
static atomic_uint generation;
static atomic_bool is_stopping;
static atomic_bool is_calm; /* one client only, and one request at a time */
static atomic_uint failures, exchanges, closes;
static uint64_t turns_by_loop; /* in all rounds */

typedef struct {
    unsigned number;
    uint32_t state; /* of its random numbers */
    rsec_digest *digest;
    pthread_t thread;
} storm_thread;

/* One connection and what it has asked. */
typedef struct {
    client peer;
    storm_thread *thread;
    const char *scenario;
    unsigned generation; /* when it began */
    const char *secret;
    uint8_t asked[256][128];
    bool is_due[256];
    unsigned due_num;
} talk;

static uint32_t draw(storm_thread *thread, uint32_t below) {
    thread->state = thread->state * 1664525 + 1013904223;
    return (thread->state >> 8) % below;
}

/* A promise was broken, unless the secret was changed or the server stopped meanwhile. */
__attribute__((format(printf, 2, 3))) static void fail(const talk *talk, const char *format, ...) {
    if (atomic_load(&is_stopping) || (talk != NULL && atomic_load(&generation) != talk->generation)) {
        return;
    }
    if (atomic_fetch_add(&failures, 1) < FAILURES_SHOWN) {
        char text[256];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        printf("%s: %s\n", talk != NULL ? talk->scenario : "storm", text);
    }
}

static bool begin(talk *talk, storm_thread *thread, const char *scenario) {
    memset(talk, 0, sizeof *talk);
    talk->thread = thread;
    talk->scenario = scenario;
    talk->generation = atomic_load(&generation);
    if (talk->generation % 2 != 0) {
        return false; /* another time */
    }
    talk->secret = secrets[talk->generation / 2 % 2];
    if (!client_open(&talk->peer, ctx, server.port)) {
        fail(talk, "no connection");
        return false;
    }
    return true;
}

static size_t build(talk *talk, uint8_t code, uint8_t *out) {
    uint8_t pkt[RSEC_PACKET_MAX];
    uint8_t id = (uint8_t)draw(talk->thread, 256);
    while (talk->is_due[id]) {
        id++;
    }
    size_t len = client_request(talk->thread->digest, talk->secret, code, id, draw(talk->thread, 1 << 24), true, "hop",
                                pkt);
    if (len == 0 || len > sizeof talk->asked[id]) {
        abort();
    }
    memcpy(talk->asked[id], pkt, len);
    memcpy(out, pkt, len);
    talk->is_due[id] = true;
    talk->due_num++;
    return len;
}

static uint8_t any_code(storm_thread *thread) {
    static const uint8_t codes[] = {RSEC_ACCESS_REQUEST, RSEC_ACCESS_REQUEST, RSEC_ACCOUNTING_REQUEST,
                                    RSEC_STATUS_SERVER,  RSEC_COA_REQUEST,    RSEC_DISCONNECT_REQUEST};
    return codes[draw(thread, sizeof codes)];
}

/* Sends `num` requests, each in a record. */
static bool ask(talk *talk, unsigned num) {
    for (unsigned i = 0; i < num; i++) {
        uint8_t pkt[RSEC_PACKET_MAX];
        if (!client_send(&talk->peer, pkt, build(talk, any_code(talk->thread), pkt))) {
            fail(talk, "request %u of %u cannot be sent", i + 1, num);
            return false;
        }
    }
    return true;
}

/* Receives every reply that is due, in any order. */
static bool collect(talk *talk) {
    while (talk->due_num > 0) {
        uint8_t reply[RSEC_PACKET_MAX];
        size_t len;
        if (!client_receive(&talk->peer, reply, &len)) {
            fail(talk, "%u replies are missing", talk->due_num);
            return false;
        }
        if (!talk->is_due[reply[1]]) {
            fail(talk, "a reply to nothing: code %u, id %u", (unsigned)reply[0], (unsigned)reply[1]);
            return false;
        }
        if (!client_reply_is_good(talk->thread->digest, talk->secret, talk->asked[reply[1]],
                                  rsec_view_of(reply, len))) {
            fail(talk, "the reply to code %u does not verify", (unsigned)talk->asked[reply[1]][0]);
            return false;
        }
        talk->is_due[reply[1]] = false;
        talk->due_num--;
        atomic_fetch_add(&exchanges, 1);
    }
    return true;
}

/* --- what clients do --- */

static void one_by_one(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "one by one")) {
        for (unsigned left = 1 + draw(thread, 10); left > 0 && ask(&talk, 1) && collect(&talk);) {
            left--;
        }
        client_close(&talk.peer);
    }
}

static void window(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "window")) {
        (void)(ask(&talk, 1 + draw(thread, WINDOW_MAX)) && collect(&talk));
        client_close(&talk.peer);
    }
}

/* Packs requests into one record, `tail` behind them. */
static bool ask_packed(talk *talk, unsigned num, const void *tail, size_t tail_len) {
    uint8_t record[WINDOW_MAX * 128];
    size_t len = 0;
    for (unsigned i = 0; i < num; i++) {
        len += build(talk, any_code(talk->thread), record + len);
    }
    memcpy(record + len, tail, tail_len);
    return client_send(&talk->peer, record, len + tail_len);
}

static void packed(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "packed")) {
        (void)(ask_packed(&talk, 2 + draw(thread, 30), "", 0) && collect(&talk) && ask(&talk, 3) && collect(&talk));
        client_close(&talk.peer);
    }
}

static void in_pieces(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "in pieces")) {
        uint8_t octets[8 * 128];
        size_t len = 0;
        for (unsigned i = 0; i < 8; i++) {
            len += build(&talk, any_code(thread), octets + len);
        }
        bool is_sent = true;
        for (size_t off = 0; off < len && is_sent;) {
            size_t piece = 1 + draw(thread, 40);
            piece = piece < len - off ? piece : len - off;
            is_sent = client_send(&talk.peer, octets + off, piece);
            off += piece;
        }
        (void)collect(&talk);
        client_close(&talk.peer);
    }
}

static void slow_reader(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "slow reader")) {
        for (unsigned turn = 0; turn < 3 && ask(&talk, WINDOW_MAX); turn++) {
            (void)poll(NULL, 0, (int)draw(thread, 10));
        }
        (void)collect(&talk);
        client_close(&talk.peer);
    }
}

/* Asks, says that it will not ask any more, and still reads. */
static void half_closed(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "half closed")) {
        if (ask(&talk, 1 + draw(thread, 10))) {
            ERR_clear_error();
            (void)SSL_shutdown(talk.peer.ssl);
            (void)shutdown(talk.peer.fd, SHUT_WR);
            if (collect(&talk) && !client_sees_close_notify(&talk.peer)) {
                fail(&talk, "no close_notify in return");
            }
        }
        client_close(&talk.peer);
    }
}

/* Nothing that Python sees, for longer than a host's look-up is good. */
static void chatter(storm_thread *thread) {
    talk talk;
    if (draw(thread, 8) == 0 && begin(&talk, thread, "chatter")) {
        int64_t end_ns = rsec_now_ns() + RSEC_NS_PER_S + RSEC_NS_PER_S / 10;
        bool goes_on = true;
        while (goes_on && rsec_now_ns() < end_ns && !atomic_load(&is_stopping)) {
            uint8_t pkt[RSEC_PACKET_MAX];
            goes_on = client_send(&talk.peer, pkt, build(&talk, RSEC_STATUS_SERVER, pkt)) && collect(&talk);
            (void)poll(NULL, 0, 20);
        }
        client_close(&talk.peer);
    }
}

/* Something that must close the connection, behind requests which are answered first. */
static void must_close(storm_thread *thread) {
    static const struct {
        const char *octets;
        size_t len;
    } reasons[] = {{"\1\2\0\23", 4},                      /* PKT-2 */
                   {"\1\2\0\26AAAAAAAAAAAAAAAA\6\1", 22}, /* PKT-3 */
                   {"\4\2\0\24AAAAAAAAAAAAAAAA", 20},     /* PKT-4 */
                   {"\14\2\0\24AAAAAAAAAAAAAAAA", 20}};   /* PKT-14 */
    talk talk;
    if (begin(&talk, thread, "must close")) {
        size_t i = draw(thread, sizeof reasons / sizeof *reasons);
        bool packs = draw(thread, 2) == 0;
        bool is_sent = packs
                           ? ask_packed(&talk, 3, reasons[i].octets, reasons[i].len)
                           : ask(&talk, draw(thread, 4)) && client_send(&talk.peer, reasons[i].octets, reasons[i].len);
        if (is_sent && collect(&talk)) {
            if (client_sees_close_notify(&talk.peer)) {
                atomic_fetch_add(&closes, 1);
            } else {
                fail(&talk, "no close_notify after reason %zu", i);
            }
        }
        client_close(&talk.peer);
    }
}

static void reset_before_tls(storm_thread *thread) {
    client peer;
    if (client_connect(&peer, server.port, 0)) {
        static const char *const firsts[] = {"", "GET / HTTP/1.1\r\n\r\n", "\26\3\1\2\0\1\0",
                                             "\1\2\0\24AAAAAAAAAAAAAAAA"};
        const char *first = firsts[draw(thread, 4)];
        (void)send(peer.fd, first, strlen(first), MSG_NOSIGNAL);
        (draw(thread, 2) == 0 ? client_reset : client_close)(&peer);
    }
}

static void reset_in_handshake(storm_thread *thread) {
    client peer;
    if (client_connect(&peer, server.port, 0)) {
        int flags = fcntl(peer.fd, F_GETFL);
        (void)fcntl(peer.fd, F_SETFL, flags | O_NONBLOCK);
        peer.ssl = SSL_new(ctx);
        if (peer.ssl != NULL && SSL_set_fd(peer.ssl, peer.fd) == 1) {
            for (unsigned steps = 1 + draw(thread, 2); steps > 0; steps--) {
                struct pollfd fd = {.fd = peer.fd, .events = POLLIN};
                ERR_clear_error();
                (void)SSL_connect(peer.ssl);
                ERR_clear_error();
                (void)poll(&fd, 1, (int)draw(thread, 5));
            }
        }
        client_reset(&peer);
    }
}

static void reset_in_flight(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "reset in flight")) {
        (void)ask(&talk, 1 + draw(thread, WINDOW_MAX));
        (void)poll(NULL, 0, (int)draw(thread, 3));
        (draw(thread, 3) == 0 ? client_close : client_reset)(&talk.peer);
    }
}

static void reset_in_packet(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "reset in packet")) {
        uint8_t pkt[RSEC_PACKET_MAX];
        size_t len = build(&talk, RSEC_ACCESS_REQUEST, pkt);
        (void)client_send(&talk.peer, pkt, 1 + draw(thread, (uint32_t)len - 1));
        (draw(thread, 2) == 0 ? client_close : client_reset)(&talk.peer);
    }
}

/* For as long as the storm holds its breath, and into its next breath. */
static void alone(storm_thread *thread) {
    talk talk;
    if (begin(&talk, thread, "alone")) {
        while (atomic_load(&is_calm) && ask(&talk, 1) && collect(&talk)) {
        }
        (void)(ask(&talk, 1 + draw(thread, WINDOW_MAX)) && collect(&talk));
        client_close(&talk.peer);
    }
}

static void *storm_main(void *arg) {
    static void (*const scenarios[])(storm_thread *) = {one_by_one,      window,           packed,
                                                        in_pieces,       slow_reader,      half_closed,
                                                        must_close,      reset_before_tls, reset_in_handshake,
                                                        reset_in_flight, reset_in_packet,  chatter};
    storm_thread *thread = arg;
    while (!atomic_load(&is_stopping)) {
        if (atomic_load(&is_calm)) {
            if (thread->number == 0) {
                alone(thread);
            } else {
                (void)poll(NULL, 0, 1);
            }
            continue;
        }
        scenarios[draw(thread, sizeof scenarios / sizeof *scenarios)](thread);
    }
    return NULL;
}

/* --- what the host does meanwhile --- */

/* Lets one client ask alone until the loop thread has run `turns` turns: what the others had begun takes its time first,
 * above all under a sanitizer. */
static void be_calm(unsigned turns) {
    uint64_t wanted = host_counter(&server, "turns_by_loop") + turns;
    int64_t end_ns = rsec_now_ns() + RSEC_NS_PER_S / 2;
    atomic_store(&is_calm, true);
    while (host_counter(&server, "turns_by_loop") < wanted && rsec_now_ns() < end_ns) {
        (void)poll(NULL, 0, 1);
    }
    atomic_store(&is_calm, false);
}

static void change_things(storm_thread *chance, const host_options *options) {
    rsec_policy policy = options->policy;
    switch (draw(chance, 10)) {
    case 0:
        atomic_fetch_add(&generation, 1);
        (draw(chance, 2) == 0 ? host_set_secret : host_change_secret)(&server,
                                                                      secrets[(atomic_load(&generation) + 1) / 2 % 2]);
        atomic_fetch_add(&generation, 1);
        break;
    case 1:
    case 2:
    case 3:
        policy.coa_to_python = draw(chance, 2) == 0;
        policy.disconnect_to_python = draw(chance, 2) == 0;
        policy.verify.require_message_auth = draw(chance, 2) == 0;
        policy.sign_all_replies = draw(chance, 2) == 0;
        host_set_policy(&server, &policy);
        break;
    case 4:
    case 5:
        host_hold(&server, true);
        (void)poll(NULL, 0, (int)draw(chance, 8));
        host_hold(&server, false);
        break;
    case 6:
        be_calm(20 + draw(chance, 60));
        break;
    default:
        break;
    }
    (void)poll(NULL, 0, 5 + (int)draw(chance, 20));
}

static void run_round(storm_thread *threads, int64_t end_ns, unsigned round) {
    host_options options = host_defaults();
    options.settings.max_in_flight = 16;
    options.settings.max_in_flight_total = 48;
    options.settings.max_output = 65536;
    options.settings.max_handshakes = 16;
    options.settings.max_connections_per_peer = round % 2 == 0 ? 0 : 1000;
    options.reply_octets = 900;
    options.secret = secrets[0];
    atomic_store(&generation, 0);
    atomic_store(&is_stopping, false);
    if (!host_start(&server, &options)) {
        fail(NULL, "the server does not start");
        return;
    }
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i].thread, NULL, storm_main, &threads[i]) != 0) {
            abort();
        }
    }
    storm_thread chance = {.state = round};
    while (rsec_now_ns() < end_ns) {
        change_things(&chance, &options);
    }
    atomic_store(&is_stopping, true);
    turns_by_loop += host_counter(&server, "turns_by_loop");
    bool is_stopped = host_stop(&server, RSEC_NS_PER_S / 2); /* in full traffic */
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i].thread, NULL);
    }
    rsec_live live = rsec_live_objects();
    atomic_store(&is_stopping, false);
    if (!is_stopped) {
        fail(NULL, "the server does not stop");
    } else if (live.conns != 0 || live.requests != 0 || live.peers != 0 || live.engines != 0) {
        fail(NULL, "left over: %" PRId64 " connections, %" PRId64 " requests, %" PRId64 " peers, %" PRId64 " engines",
             live.conns, live.requests, live.peers, live.engines);
    }
}

int main(int argc, char **argv) {
    int64_t seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
    (void)signal(SIGPIPE, SIG_IGN); /* the clients'; the engine sends with MSG_NOSIGNAL */
    (void)alarm((unsigned)seconds + 90);
    storm_thread threads[THREADS];
    ctx = client_context(true);
    if (seconds <= 0 || ctx == NULL) {
        fprintf(stderr, "usage: engine_storm [SECONDS]\n");
        return 2;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (storm_thread){.number = i, .state = i * 7919 + 1};
        if (rsec_digest_new(&threads[i].digest) != RSEC_OK) {
            return 2;
        }
    }
    int64_t start_ns = rsec_now_ns(), end_ns = start_ns + seconds * RSEC_NS_PER_S;
    for (unsigned round = 0; rsec_now_ns() < end_ns; round++) {
        int64_t round_ns = rsec_now_ns() + ROUND_S * RSEC_NS_PER_S;
        run_round(threads, round_ns < end_ns ? round_ns : end_ns, round);
    }
    if (atomic_load(&exchanges) < 100 || atomic_load(&closes) < 1) {
        fail(NULL, "hardly anything happened");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        rsec_digest_free(threads[i].digest);
    }
    SSL_CTX_free(ctx);
    printf("storm: %u exchanges, %u closes, %" PRIu64 " turns by the loop thread, %u failures\n",
           atomic_load(&exchanges), atomic_load(&closes), turns_by_loop, atomic_load(&failures));
    return atomic_load(&failures) != 0;
}
