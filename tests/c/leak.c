/* Many connections, one after the other on each of a few threads: one request each, and then one of the ways that a
 * connection ends. Under LeakSanitizer nothing may be left at the end; the live-object counters are looked at all the way.
 *
 *   leak [CONNECTIONS]
 */
#define _GNU_SOURCE
#include "client.h"
#include "host.h"
#include "net/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 3, SECONDS_MAX = 300, WAYS = 4 };

static host server;
static SSL_CTX *ctx;
static atomic_uint failures;

typedef struct {
    pthread_t thread;
    unsigned connections;
} worker;

/* One connection; false when it was not served as it should be. */
static bool serve_one(rsec_digest *digest, unsigned number) {
    client peer;
    uint8_t request[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    size_t len = client_request(digest, "radsec", RSEC_ACCESS_REQUEST, (uint8_t)number, number, true, NULL, request);
    if (len == 0 || !client_open(&peer, ctx, server.port)) {
        return false;
    }
    bool is_good = client_send(&peer, request, len);
    if (number % WAYS == 0) {
        client_reset(&peer); /* before its reply */
        return is_good;
    }
    is_good = is_good && client_receive(&peer, reply, &len) &&
              client_reply_is_good(digest, "radsec", request, rsec_view_of(reply, len));
    if (number % WAYS == 1) {
        client_reset(&peer);
        return is_good;
    }
    if (number % WAYS == 2) {
        is_good = is_good && client_send(&peer, "\1\2\0\3", 4) && client_sees_close_notify(&peer); /* PKT-2 */
    }
    client_close(&peer);
    return is_good;
}

static void *work(void *arg) {
    const worker *self = arg;
    rsec_digest *digest;
    if (rsec_digest_new(&digest) != RSEC_OK) {
        atomic_fetch_add(&failures, 1);
        return NULL;
    }
    for (unsigned i = 0; i < self->connections; i++) {
        if (!serve_one(digest, i)) {
            atomic_fetch_add(&failures, 1);
        }
        /* Those that live at the same time are few, whatever has come and gone. */
        rsec_live live = rsec_live_objects();
        if (live.conns > 8 * THREADS || live.peers > 8 * THREADS || live.requests > 8 * THREADS) {
            atomic_fetch_add(&failures, 1);
        }
    }
    rsec_digest_free(digest);
    return NULL;
}

int main(int argc, char **argv) {
    long connections = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;
    worker workers[THREADS];
    host_options options = host_defaults();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(SECONDS_MAX);
    ctx = client_context(true);
    if (connections <= 0 || ctx == NULL || !host_start(&server, &options)) {
        fprintf(stderr, "usage: leak [CONNECTIONS]\n");
        return 2;
    }
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].connections = (unsigned)(connections / THREADS + 1);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            return 2;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
    uint64_t served = host_counter(&server, "handshakes_completed");
    bool is_stopped = host_stop(&server, RSEC_NS_PER_S);
    rsec_live live = rsec_live_objects();
    SSL_CTX_free(ctx);
    printf("leak: %" PRIu64 " connections, %u failures, left over: %" PRId64 " connections, %" PRId64
           " requests, %" PRId64 " peers, %" PRId64 " engines\n",
           served, atomic_load(&failures), live.conns, live.requests, live.peers, live.engines);
    return !is_stopped || served < (uint64_t)connections || atomic_load(&failures) != 0 || live.conns != 0 ||
           live.requests != 0 || live.peers != 0 || live.engines != 0;
}
