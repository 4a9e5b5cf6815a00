/* Which thread runs the engine's turns (net/turn.h). */
#define _GNU_SOURCE
#include "bench.h"
#include "check.h"
#include "net/clock.h"
#include "net/conn.h"
#include "net/poller.h"
#include "net/tls.h"
#include "net/turn.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EXCHANGES_MAX = 20000 };

static void exchange_one(bench *at, client *peer, uint8_t id) {
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_send(peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, id, asked)));
    bench_receive(at, peer, asked, RSEC_ACCESS_ACCEPT);
}

/* Asks one request at a time until the loop thread runs the turns. */
static void ask_until_loop_driven(bench *at, client *peer) {
    uint64_t before = host_counter(&at->host, "turns_by_loop");
    for (unsigned i = 0; i < EXCHANGES_MAX && host_counter(&at->host, "turns_by_loop") == before; i++) {
        exchange_one(at, peer, (uint8_t)i);
    }
    CHECK(host_counter(&at->host, "turns_by_loop") > before);
}

typedef struct {
    bench *at;
    int entered, left; /* eventfds: the loop thread is busy; it may go on */
} busy;

static void stay_busy(struct host *host, void *arg) {
    busy *state = arg;
    uint64_t count = 1;
    (void)host;
    CHECK(write(state->entered, &count, sizeof count) == (ssize_t)sizeof count);
    CHECK(read(state->left, &count, sizeof count) == (ssize_t)sizeof count);
}

static void *make_busy(void *arg) {
    busy *state = arg;
    host_call(&state->at->host, stay_busy, state);
    return NULL;
}

TEST(one_request_at_a_time_is_served_by_the_loop_thread) {
    bench *at = bench_start(bench_defaults());
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    if (strcmp(rsec_poller_name(), "epoll") == 0) {
        ask_until_loop_driven(at, &peer);
    } else { /* nothing there for an event loop to watch */
        for (unsigned i = 0; i < 200; i++) {
            exchange_one(at, &peer, (uint8_t)i);
        }
        CHECK_INT((long long)host_counter(&at->host, "turns_by_loop"), 0);
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(a_busy_loop_thread_loses_the_sockets_and_gets_them_back) {
    bench *at = bench_start(bench_defaults());
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (unsigned round = 0; round < 3 && strcmp(rsec_poller_name(), "epoll") == 0; round++) {
        busy state = {.at = at, .entered = eventfd(0, 0), .left = eventfd(0, 0)};
        uint64_t count = 1;
        pthread_t thread;
        ask_until_loop_driven(at, &peer);
        CHECK_INT(pthread_create(&thread, NULL, make_busy, &state), 0);
        CHECK(read(state.entered, &count, sizeof count) == (ssize_t)sizeof count);
        /* Nobody but the I/O thread is left to answer, on this connection and on a new one. */
        uint8_t asked[RSEC_PACKET_MAX];
        CHECK(client_send(&peer, asked, bench_request(at, RSEC_STATUS_SERVER, (uint8_t)round, asked)));
        bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
        CHECK(client_send(&peer, asked, bench_request(at, RSEC_STATUS_SERVER, (uint8_t)(round + 8), asked)));
        bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
        CHECK(write(state.left, &count, sizeof count) == (ssize_t)sizeof count);
        CHECK_INT(pthread_join(thread, NULL), 0);
        close(state.entered);
        close(state.left);
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(more_than_a_few_requests_give_the_sockets_back) {
    bench *at = bench_start(bench_defaults());
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (unsigned round = 0; round < 3 && strcmp(rsec_poller_name(), "epoll") == 0; round++) {
        ask_until_loop_driven(at, &peer);
        uint8_t asked[100][RSEC_PACKET_MAX], stream[100 * 128];
        size_t len = 0;
        for (uint8_t i = 0; i < 100; i++) {
            size_t one = bench_request(at, RSEC_ACCESS_REQUEST, i, asked[i]);
            CHECK(len + one <= sizeof stream);
            memcpy(stream + len, asked[i], one);
            len += one;
        }
        CHECK(client_send(&peer, stream, len)); /* all of them in one record */
        for (uint8_t i = 0; i < 100; i++) {
            bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
        }
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(more_than_a_few_packets_answered_without_python_give_them_back_too) {
    bench *at = bench_start(bench_defaults());
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (unsigned round = 0; round < 5 && strcmp(rsec_poller_name(), "epoll") == 0; round++) {
        ask_until_loop_driven(at, &peer);
        uint8_t asked[100][RSEC_PACKET_MAX], stream[100 * 128];
        size_t len = 0;
        for (uint8_t i = 0; i < 100; i++) {
            size_t one = bench_request(at, RSEC_STATUS_SERVER, i, asked[i]);
            CHECK(len + one <= sizeof stream);
            memcpy(stream + len, asked[i], one);
            len += one;
        }
        CHECK(client_send(&peer, stream, len));
        uint64_t turns = 0;
        for (uint8_t i = 0; i < 100; i++) {
            bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
        }
        /* Nothing of this is a reason to take the sockets again. The first shows that the turn before it has ended. */
        for (uint8_t i = 0; i < 20; i++) {
            CHECK(client_send(&peer, asked[i], bench_request(at, RSEC_STATUS_SERVER, i, asked[i])));
            bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
            turns = i == 0 ? host_counter(&at->host, "turns_by_loop") : turns;
        }
        if (rsec_turn_bounds_here().packets < 100) { /* there is a second processor */
            CHECK_INT((long long)host_counter(&at->host, "turns_by_loop"), (long long)turns);
        }
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(a_loop_driven_engine_stops_as_any_other) {
    bench *at = bench_start(bench_defaults());
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    if (strcmp(rsec_poller_name(), "epoll") == 0) {
        ask_until_loop_driven(at, &peer);
    }
    exchange_one(at, &peer, 0); /* the handshake is done on both sides */
    CHECK(host_stop(&at->host, RSEC_NS_PER_S));
    CHECK(client_sees_close_notify(&peer)); /* TLS-11 */
    client_close(&peer);
    bench_stop(at);
}

TEST(lim_2_idle_connections_end_while_the_loop_thread_drives) {
    host_options options = host_defaults();
    options.settings.idle_timeout_ns = RSEC_NS_PER_S / 5;
    bench *at = bench_start(&options);
    client peer, idle;
    char text[RSEC_EVENT_TEXT];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    CHECK(client_open(&idle, at->ctx, at->host.port));
    for (unsigned i = 0; i < EXCHANGES_MAX && host_counter(&at->host, "idle_timeout") == 0; i++) {
        exchange_one(at, &peer, (uint8_t)i);
    }
    CHECK(host_wait_event(&at->host, RSEC_EVENT_IDLE_TIMEOUT, 1, text));
    CHECK(client_sees_close_notify(&idle));
    exchange_one(at, &peer, 1); /* and the busy one is still there */
    client_close(&peer);
    client_close(&idle);
    bench_stop(at);
}

TEST(an_io_thread_that_was_called_is_not_made_to_sleep_on) {
    /* An engine whose I/O thread takes its time: it is not even started. */
    host_options options = host_defaults();
    rsec_engine *engine;
    CHECK_INT(rsec_engine_new(&options.settings, &options.policy, NULL, &engine), RSEC_OK);
    const struct sockaddr_in addr = {.sin_family = AF_INET};
    rsec_peer *peer = rsec_peer_new((const struct sockaddr *)&addr, sizeof addr, (const struct sockaddr *)&addr, 0);
    const uint8_t octets[RSEC_HEADER_LEN] = {RSEC_ACCESS_REQUEST, 0, 0, RSEC_HEADER_LEN};
    rsec_conn conn = {.tag = RSEC_TAG_CONN, .state = RSEC_CONN_GONE, .fd = -1, .peer = peer, .in_flight = 2};
    engine->io.in_flight = 2;
    struct pollfd down = {.fd = engine->down_wake.read_fd, .events = POLLIN};

    rsec_engine_set_policy(engine, &options.policy);
    CHECK_INT(poll(&down, 1, 0), 1);
    rsec_request *req = rsec_request_new(&conn, peer, NULL, rsec_view_of(octets, sizeof octets),
                                         &(rsec_packet_facts){0});
    CHECK(req != NULL);
    rsec_engine_complete(engine, &req, 1);
    CHECK_INT(poll(&down, 1, 0), 1);

    rsec_engine_free(engine);
    rsec_peer_unref(peer);
}

static void stop_now(struct host *host, void *arg) {
    (void)arg;
    rsec_engine_stop(host->engine, 0);
}

TEST(nothing_comes_up_after_the_word_that_the_engine_has_stopped) {
    host_options options = host_defaults();
    options.settings.max_in_flight = 1;
    bench *at = bench_start(&options);
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    rsec_up up;
    host_hold(&at->host, true);
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (uint8_t i = 0; i < 2; i++) { /* accounting still runs when its connection has died (PKT-13) */
        CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCOUNTING_REQUEST, i, asked)));
    }
    CHECK(host_wait_counter(&at->host, "requests_waiting", 1));
    client_reset(&peer);
    CHECK(host_wait_event(&at->host, RSEC_EVENT_RESET, 1, NULL));
    host_call(&at->host, stop_now, NULL);
    struct timespec end;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    pthread_mutex_lock(&at->host.lock);
    while (!at->host.is_stopped && pthread_cond_timedwait(&at->host.changed, &at->host.lock, &end) == 0) {
    }
    bool is_stopped = at->host.is_stopped;
    pthread_mutex_unlock(&at->host.lock);
    CHECK(is_stopped);
    /* From here on this is the loop thread. */
    CHECK_INT((long long)at->host.held_num, 1);
    rsec_engine_complete(at->host.engine, at->host.held, at->host.held_num);
    at->host.held_num = 0;
    CHECK_INT((long long)rsec_engine_take(at->host.engine, &up, 1), 0);
    bench_stop(at);
}

#ifdef __linux__
static bench *start_on_one_processor(void) {
    cpu_set_t before, one;
    CHECK_INT(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
        }
    }
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    bench *at = bench_start(bench_defaults()); /* its threads inherit the one processor */
    CHECK_INT(sched_setaffinity(0, sizeof before, &before), 0);
    return at;
}

TEST(on_one_processor_the_loop_thread_goes_on_whatever_comes) {
    bench *at = start_on_one_processor();
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    uint64_t turns = 0;
    for (unsigned i = 0; i < EXCHANGES_MAX && turns < 20 && strcmp(rsec_poller_name(), "epoll") == 0; i++) {
        uint8_t asked[32][RSEC_PACKET_MAX], stream[32 * 128];
        size_t len = 0;
        for (uint8_t k = 0; k < 32; k++) {
            size_t pkt_len = bench_request(at, RSEC_ACCESS_REQUEST, k, asked[k]);
            memcpy(stream + len, asked[k], pkt_len);
            len += pkt_len;
        }
        uint64_t before_turn = host_counter(&at->host, "turns_by_loop");
        CHECK(client_send(&peer, stream, len));
        for (uint8_t k = 0; k < 32; k++) {
            bench_receive(at, &peer, asked[k], RSEC_ACCESS_ACCEPT);
        }
        /* In a row: 32 at once do not take the sockets away from it, as they would with a second processor. */
        turns = host_counter(&at->host, "turns_by_loop") > before_turn ? turns + 1 : 0;
    }
    CHECK(turns == 20 || strcmp(rsec_poller_name(), "epoll") != 0);
    client_close(&peer);
    bench_stop(at);
}

static struct {
    pthread_t loop;
    atomic_uint by_loop, by_io; /* server's handshakes that were finished */
} handshakes;

static void note_handshake(const SSL *ssl, int where, int value) {
    (void)value;
    if (where == SSL_CB_HANDSHAKE_DONE && SSL_is_server(ssl)) {
        bool is_loop = pthread_equal(pthread_self(), handshakes.loop);
        atomic_fetch_add(is_loop ? &handshakes.by_loop : &handshakes.by_io, 1);
    }
}

static void watch_handshakes(bench *at) {
    handshakes.loop = at->host.thread;
    atomic_store(&handshakes.by_loop, 0);
    atomic_store(&handshakes.by_io, 0);
    SSL *ssl = rsec_tls_accept(at->host.tls); /* what is set on its context holds for all later ones */
    CHECK(ssl != NULL);
    SSL_CTX_set_info_callback(SSL_get_SSL_CTX(ssl), note_handshake);
    SSL_free(ssl);
}

typedef struct {
    client peer;
    atomic_bool has_asked, is_over;
    bool is_well;
} asker;

static void *ask_on(void *arg) {
    asker *state = arg;
    rsec_digest *digest; /* of this thread's own */
    state->is_well = rsec_digest_new(&digest) == RSEC_OK;
    for (uint8_t id = 0; state->is_well && !atomic_load(&state->is_over); id++) {
        uint8_t asked[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
        size_t len = client_request(digest, "radsec", RSEC_ACCESS_REQUEST, id, id, true, "hop", asked), reply_len;
        state->is_well = client_send(&state->peer, asked, len) && client_receive(&state->peer, reply, &reply_len) &&
                         client_reply_is_good(digest, "radsec", asked, rsec_view_of(reply, reply_len));
        atomic_store(&state->has_asked, true);
    }
    rsec_digest_free(digest);
    return NULL;
}

/* Connections come up, and are served, while another one asks all the time. */
static void connect_beside(bench *at, asker *state, unsigned wanted_by_loop) {
    enum { TOGETHER = 4, ROUNDS_MAX = 500 };
    bool is_epoll = strcmp(rsec_poller_name(), "epoll") == 0;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        client peers[TOGETHER];
        for (unsigned i = 0; i < TOGETHER; i++) {
            CHECK(client_connect(&peers[i], at->host.port, 0)); /* several handshakes wait for their turn */
        }
        for (unsigned i = 0; i < TOGETHER; i++) {
            CHECK(client_handshake(&peers[i], at->ctx));
            exchange_one(at, &peers[i], (uint8_t)round);
        }
        for (unsigned i = 0; i < TOGETHER; i++) {
            client_close(&peers[i]);
        }
        if (atomic_load(&handshakes.by_loop) >= wanted_by_loop && round >= 10) {
            break;
        }
    }
    CHECK(atomic_load(&state->has_asked));
    CHECK(atomic_load(&handshakes.by_loop) >= wanted_by_loop || !is_epoll);
}

static void check_handshakes_beside(bench *at, unsigned wanted_by_loop) {
    pthread_t thread;
    asker state = {.is_well = false};
    watch_handshakes(at);
    CHECK(client_open(&state.peer, at->ctx, at->host.port));
    CHECK_INT(pthread_create(&thread, NULL, ask_on, &state), 0);
    connect_beside(at, &state, wanted_by_loop);
    atomic_store(&state.is_over, true);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(state.is_well);
    client_close(&state.peer);
}

TEST(on_one_processor_the_loop_thread_makes_handshakes) {
    bench *at = start_on_one_processor();
    check_handshakes_beside(at, 20);
    bench_stop(at);
}

TEST(with_a_second_processor_it_leaves_them_to_the_io_thread) {
    if (rsec_turn_bounds_here().handshakes) {
        return; /* there is none */
    }
    bench *at = bench_start(bench_defaults());
    check_handshakes_beside(at, 0);
    CHECK_INT((long long)atomic_load(&handshakes.by_loop), 0);
    CHECK(atomic_load(&handshakes.by_io) > 0);
    bench_stop(at);
}
#endif
