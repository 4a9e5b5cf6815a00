/* What tests of the engine begin with: a server, a client's context, and what a client signs with. */
#ifndef RSEC_TESTS_BENCH_H
#define RSEC_TESTS_BENCH_H

#include "client.h"
#include "host.h"
#include "net/counters.h"

typedef struct {
    host host;
    SSL_CTX *ctx;
    rsec_digest *digest;
    rsec_live before;
} bench;

/* host_defaults() that stay where they are. */
const host_options *bench_defaults(void);
/* A test that fails leaves its server running: on the heap it harms no other, which then does not count what is left. */
bench *bench_start(const host_options *options);
/* Stops the server, which leaves nothing behind. */
void bench_stop(bench *at);

/* A signed request at `out`; returns its length. */
size_t bench_request(bench *at, uint8_t code, uint8_t id, uint8_t *out);
/* Receives the reply to `asked`, which has `code`. */
void bench_receive(bench *at, client *peer, const uint8_t *asked, uint8_t code);

#endif
