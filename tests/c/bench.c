#define _GNU_SOURCE
#include "bench.h"

#include "check.h"
#include "net/clock.h"

#include <signal.h>
#include <stdlib.h>

bench *bench_start(const host_options *options) {
    bench *at = calloc(1, sizeof *at);
    CHECK(at != NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* the client's; the engine sends with MSG_NOSIGNAL */
    at->before = rsec_live_objects();
    CHECK((at->ctx = client_context(true)) != NULL);
    CHECK_INT(rsec_digest_new(&at->digest), RSEC_OK);
    CHECK(host_start(&at->host, options));
    return at;
}

void bench_stop(bench *at) {
    CHECK(!at->host.is_running || host_stop(&at->host, RSEC_NS_PER_S));
    SSL_CTX_free(at->ctx);
    rsec_digest_free(at->digest);
    rsec_live live = rsec_live_objects();
    bool was_alone = at->before.engines == 0;
    free(at);
    if (was_alone) {
        CHECK_INT(live.conns, 0);
        CHECK_INT(live.requests, 0);
        CHECK_INT(live.peers, 0);
        CHECK_INT(live.engines, 0);
    }
}

size_t bench_request(bench *at, uint8_t code, uint8_t id, uint8_t *out) {
    size_t len = client_request(at->digest, "radsec", code, id, 1000U + id, true, "hop", out);
    CHECK(len > 0);
    return len;
}

void bench_receive(bench *at, client *peer, const uint8_t *asked, uint8_t code) {
    uint8_t reply[RSEC_PACKET_MAX];
    size_t len;
    CHECK(client_receive(peer, reply, &len));
    CHECK_INT(reply[0], code);
    CHECK_INT(reply[1], asked[1]);
    CHECK(client_reply_is_good(at->digest, "radsec", asked, rsec_view_of(reply, len)));
}

const host_options *bench_defaults(void) {
    static host_options options;
    options = host_defaults();
    return &options;
}
