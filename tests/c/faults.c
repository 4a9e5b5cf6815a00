/* Every allocation fails in turn.
 *
 *   faults [WORD]
 *
 * First those of this project's own code (malloc, calloc and realloc are wrapped by the linker), then those of OpenSSL
 * (CRYPTO_set_mem_functions). Each scenario runs again and again, and in the Nth run the Nth allocation fails, until a run
 * comes through without. The process lives, what a constructor returns on failure is what its header says, a connection
 * that fails harms no other, and nothing is left over: the leak detector looks at the end, and what OpenSSL's constructors
 * gave is counted until it is given back. (OpenSSL 3.0 loses memory of its own when its own allocations fail; that is not
 * what is looked for here, so its blocks are hidden from the leak detector in those runs.) The last line counts failures.
 */
#define _GNU_SOURCE
#include "certificates.h"
#include "client.h"
#include "crypto/hide.h"
#include "host.h"
#include "net/clock.h"
#include "net/fdmap.h"
#include "net/origins.h"
#include "net/pipe.h"
#include "net/poller.h"
#include "net/timer.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTS RSEC_ROOT "/certs/"
enum { PATIENCE_S = 600 };

/* --- allocators that can be told to fail --- */

typedef enum { NOBODY, OURS, OPENSSL } victim;

static atomic_int armed;             /* whose allocations are counted */
static atomic_long countdown;        /* the allocation at which this gets to 0 fails */
static _Thread_local bool is_exempt; /* the test's own threads, where a scenario is about the engine's */

static bool fails(victim who) {
    return atomic_load_explicit(&armed, memory_order_relaxed) == (int)who && !is_exempt &&
           atomic_fetch_sub_explicit(&countdown, 1, memory_order_relaxed) == 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t num, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t num, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
    return fails(OURS) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t num, size_t size) {
    return fails(OURS) ? NULL : __real_calloc(num, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails(OURS) ? NULL : __real_realloc(old, size);
}

static void *hide_from_leak_detector(void *block) {
    if (block != NULL && atomic_load_explicit(&armed, memory_order_relaxed) == (int)OPENSSL) {
        __lsan_ignore_object(block);
    }
    return block;
}

static void *openssl_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return size == 0 || fails(OPENSSL) ? NULL : hide_from_leak_detector(__real_malloc(size));
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return fails(OPENSSL) ? NULL : hide_from_leak_detector(__real_realloc(old, size));
}

static void openssl_free(void *old, const char *file, int line) {
    (void)file;
    (void)line;
    free(old);
}

/* --- what OpenSSL gave us --- */

static atomic_long owned;

static bool count_owned(const void *object, long step) {
    if (object != NULL) {
        atomic_fetch_add_explicit(&owned, step, memory_order_relaxed);
    }
    return object != NULL;
}

#define COUNT_NEW(type, name, params, args)                                                                            \
    type *__real_##name params;                                                                                        \
    type *__wrap_##name params;                                                                                        \
    type *__wrap_##name params {                                                                                       \
        type *made = __real_##name args;                                                                               \
        (void)count_owned(made, 1);                                                                                    \
        return made;                                                                                                   \
    }
#define COUNT_FREE(result, type, name)                                                                                 \
    result __real_##name(type *object);                                                                                \
    result __wrap_##name(type *object);                                                                                \
    result __wrap_##name(type *object) {                                                                               \
        (void)count_owned(object, -1);                                                                                 \
        return __real_##name(object);                                                                                  \
    }
/* The Makefile wraps these names. */
COUNT_NEW(OSSL_LIB_CTX, OSSL_LIB_CTX_new, (void), ())
COUNT_FREE(void, OSSL_LIB_CTX, OSSL_LIB_CTX_free)
COUNT_NEW(OSSL_PROVIDER, OSSL_PROVIDER_load, (OSSL_LIB_CTX * libctx, const char *name), (libctx, name))
COUNT_FREE(int, OSSL_PROVIDER, OSSL_PROVIDER_unload)
COUNT_NEW(EVP_MD, EVP_MD_fetch, (OSSL_LIB_CTX * libctx, const char *name, const char *query), (libctx, name, query))
COUNT_FREE(void, EVP_MD, EVP_MD_free)
COUNT_NEW(EVP_MD_CTX, EVP_MD_CTX_new, (void), ())
COUNT_FREE(void, EVP_MD_CTX, EVP_MD_CTX_free)
COUNT_NEW(SSL_CTX, SSL_CTX_new, (const SSL_METHOD *method), (method))
COUNT_FREE(void, SSL_CTX, SSL_CTX_free)
COUNT_NEW(SSL, SSL_new, (SSL_CTX * ctx), (ctx))
COUNT_FREE(void, SSL, SSL_free)
COUNT_NEW(BIO_METHOD, BIO_meth_new, (int type, const char *name), (type, name))
COUNT_FREE(void, BIO_METHOD, BIO_meth_free)

/* --- the test --- */

static unsigned failures;
static const char *at_scenario;
static long at_run;

#define MUST(holds) must((holds), #holds, __LINE__)

static bool must(bool holds, const char *text, int line) {
    if (!holds) {
        printf("%s, allocation %ld, line %d: %s does not hold\n", at_scenario, at_run, line, text);
        failures++;
    }
    return holds;
}

/* Runs `scenario` until it comes through; it calls arm() and disarm() around what is to fail. */
static void arm(victim who) {
    atomic_store(&countdown, at_run);
    atomic_store(&armed, (int)who);
}

static void disarm(void) {
    atomic_store(&armed, (int)NOBODY);
}

static void connection(victim who);

static void run(const char *name, void (*scenario)(victim who), victim who, const char *word) {
    static const char *const whose[] = {"", "our", "OpenSSL's"};
    char title[128];
    (void)snprintf(title, sizeof title, "%s with %s allocations", name, whose[who]);
    if (word != NULL && strstr(title, word) == NULL) {
        return;
    }
    at_scenario = title;
    unsigned before = failures;
    int64_t start_ns = rsec_now_ns();
    for (at_run = 1;; at_run++) {
        long before_run = atomic_load(&owned);
        scenario(who);
        MUST(scenario == connection || atomic_load(&owned) == before_run); /* its end is on the engine's thread */
        if (atomic_load(&countdown) > 0) {
            break; /* nothing was left to fail */
        }
    }
    printf("%s: %ld failed in turn, %u failures, %.1f s\n", title, at_run - 1, failures - before,
           (double)(rsec_now_ns() - start_ns) / (double)RSEC_NS_PER_S);
    fflush(stdout);
}

/* --- constructors --- */

static void crypto_room(victim who) {
    rsec_digest *digest = (rsec_digest *)&digest;
    uint8_t out[RSEC_AUTHENTICATOR_LEN], fingerprint[RSEC_FINGERPRINT_LEN] = {1};
    const rsec_view part = rsec_view_of("abc", 3);
    arm(who);
    rsec_status status = rsec_digest_new(&digest);
    MUST((status == RSEC_OK) == (digest != NULL));
    MUST(status == RSEC_OK || status == RSEC_NO_MEMORY);
    if (status == RSEC_OK) {
        MUST(rsec_digest_md5(digest, &part, 1, out) == RSEC_OK);
        MUST(rsec_digest_hmac_md5(digest, part, &part, 1, out) == RSEC_OK);
    }
    rsec_digest_free(digest);
    rsec_secret_unref(rsec_secret_new(part));
    rsec_pins_unref(rsec_pins_new(fingerprint, 1));
    disarm();
    ERR_clear_error();
}

static void net_room(victim who) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    const struct sockaddr *any = (const struct sockaddr *)&addr;
    rsec_timers timers;
    rsec_fdmap map;
    rsec_pipe pipe;
    arm(who);
    rsec_timers_init(&timers);
    rsec_status status = rsec_timers_reserve(&timers, 100);
    MUST(status == RSEC_OK ? timers.cap >= 100 : status == RSEC_NO_MEMORY && timers.cap == 0);
    rsec_timers_clear(&timers);
    status = rsec_fdmap_init(&map, 100);
    MUST(status == RSEC_OK || (status == RSEC_NO_MEMORY && map.num == 0));
    rsec_fdmap_put(&map, 50); /* without room nothing is noted */
    rsec_fdmap_drop(&map, 50);
    rsec_fdmap_clear(&map);
    status = rsec_pipe_init(&pipe);
    MUST(status == RSEC_OK || status == RSEC_NO_MEMORY);
    if (status == RSEC_OK) {
        BIO_free(rsec_pipe_bio(&pipe));
    }
    rsec_pipe_clear(&pipe);
    rsec_poller *poller = rsec_poller_new();
    if (poller != NULL) {
        int err = rsec_poller_add(poller, 0, RSEC_POLL_IN, &err);
        MUST(err == 0 || err == EPERM || err == ENOMEM); /* standard input may be a file, which epoll does not take */
    }
    rsec_poller_free(poller);
    rsec_event_limiter_free(rsec_event_limiter_new());
    rsec_origins *origins = rsec_origins_new();
    if (origins != NULL) {
        status = rsec_origins_add(origins, "192.0.2.1", 1);
        MUST(status == RSEC_OK || status == RSEC_NO_MEMORY);
        rsec_origins_drop(origins, "192.0.2.1");
    }
    rsec_origins_free(origins);
    rsec_peer *peer = rsec_peer_new(any, sizeof addr, any, sizeof addr);
    rsec_request_free(rsec_request_new(NULL, peer, NULL, rsec_view_of("x", 1), &(rsec_packet_facts){0}));
    rsec_peer_unref(peer);
    disarm();
    ERR_clear_error();
    rsec_live live = rsec_live_objects();
    MUST(live.peers == 0 && live.requests == 0);
}

static rsec_view ca_der;

static rsec_tls *make_tls(char error[RSEC_TLS_ERROR_TEXT]) {
    rsec_tls_settings settings = host_tls_settings(&ca_der);
    rsec_tls *tls = (rsec_tls *)&settings;
    (void)memset(error, 'x', RSEC_TLS_ERROR_TEXT);
    rsec_status status = rsec_tls_new(&settings, &tls, error);
    MUST((status == RSEC_OK) == (tls != NULL));
    MUST((status == RSEC_OK) == (error[0] == '\0'));
    MUST(memchr(error, '\0', RSEC_TLS_ERROR_TEXT) != NULL);
    return tls;
}

static void tls_context(victim who) {
    char error[RSEC_TLS_ERROR_TEXT];
    arm(who);
    rsec_tls *tls = make_tls(error);
    if (tls != NULL) {
        SSL_free(rsec_tls_accept(tls));
    }
    rsec_tls_unref(tls);
    disarm();
    ERR_clear_error();
}

static rsec_tls *ready_tls;

static void engine(victim who) {
    const host_options options = host_defaults();
    rsec_engine *made = (rsec_engine *)&made;
    arm(who);
    rsec_status status = rsec_engine_new(&options.settings, &options.policy, ready_tls, &made);
    MUST((status == RSEC_OK) == (made != NULL));
    if (status == RSEC_OK) {
        int err = rsec_engine_start(made, NULL, 0);
        MUST(err == 0 || err == ENOMEM);
    }
    rsec_engine_free(made);
    disarm();
    ERR_clear_error();
    MUST(rsec_live_objects().engines == 0);
}

/* --- a connection's life --- */

static host server;
static SSL_CTX *ctx;
static client witness;
static rsec_digest *digest;
static uint64_t number;

static void exempt_this_thread(host *host, void *arg) {
    (void)host;
    (void)arg;
    is_exempt = true;
}

/* Sends a request and gets its reply, or the end of the connection. */
static bool exchange(client *peer, uint8_t code) {
    uint8_t asked[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    number++;
    size_t len = client_request(digest, "radsec", code, (uint8_t)number, (uint32_t)number, true, "hop", asked);
    return client_send(peer, asked, len) && client_receive(peer, reply, &len) &&
           client_reply_is_good(digest, "radsec", asked, rsec_view_of(reply, len));
}

/* Receives `num` replies, or as many as there are. */
static void receive_some(client *peer, int num) {
    uint8_t octets[RSEC_PACKET_MAX];
    size_t len;
    while (num > 0 && client_receive(peer, octets, &len)) {
        num--;
    }
}

/* More replies than the sockets hold, before any is read: output waits. */
static void ask_much(client *peer) {
    enum { NUM = 40 };
    uint8_t asked[RSEC_PACKET_MAX];
    bool is_sent = true;
    for (uint8_t i = 0; i < NUM && is_sent; i++) {
        is_sent = client_send(peer, asked, client_request(digest, "radsec", RSEC_COA_REQUEST, i, i, true, NULL, asked));
    }
    receive_some(peer, NUM);
}

/* Half a packet, its rest with two more in the same record: a remainder is kept, replies are packed. */
static void ask_packed(client *peer) {
    uint8_t octets[3 * 128];
    size_t len = 0;
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t pkt[RSEC_PACKET_MAX];
        size_t one = client_request(digest, "radsec", RSEC_ACCOUNTING_REQUEST, i, i, true, NULL, pkt);
        memcpy(octets + len, pkt, one);
        len += one;
    }
    if (client_send(peer, octets, 30) && client_send(peer, octets + 30, len - 30)) {
        receive_some(peer, 3);
    }
}

/* Records behind a packet that is in doubt: plaintext and ciphertext are kept. */
static void ask_with_another_secret(client *peer) {
    uint8_t asked[RSEC_PACKET_MAX];
    bool is_sent = true;
    host_change_secret(&server, "another");
    client_cork(peer, true);
    for (uint8_t i = 0; i < 3 && is_sent; i++) {
        is_sent = client_send(peer, asked,
                              client_request(digest, "another", RSEC_ACCESS_REQUEST, i, i, true, NULL, asked));
    }
    client_cork(peer, false);
    receive_some(peer, 3);
    host_change_secret(&server, "radsec");
}

static void connection(victim who) {
    client peer;
    arm(who);
    if (client_connect(&peer, server.port, 4096) && client_handshake(&peer, ctx)) {
        (void)(exchange(&peer, RSEC_ACCESS_REQUEST) && exchange(&peer, RSEC_STATUS_SERVER));
        if (who == OURS) { /* nothing of it is OpenSSL's */
            ask_much(&peer);
        }
        ask_packed(&peer);
        ask_with_another_secret(&peer);
        (void)client_send(&peer, "\1\2\0\23", 4); /* PKT-2: logged, and the end */
        (void)client_sees_close_notify(&peer);
    }
    client_close(&peer);
    disarm();
    /* The other connection, and a new one, are none the worse for it. */
    if (!MUST(exchange(&witness, RSEC_ACCESS_REQUEST))) {
        client_close(&witness);
        MUST(client_open(&witness, ctx, server.port));
    }
}

static void connections(const char *word) {
    host_options options = host_defaults();
    options.settings.max_connections_per_peer = 100; /* counted by address, which allocates */
    options.send_octets = 8192;
    options.reply_octets = 3900;
    is_exempt = true;
    at_scenario = "connections";
    at_run = 0;
    ctx = client_context(true);
    if (!MUST(ctx != NULL && rsec_digest_new(&digest) == RSEC_OK) || !MUST(host_start(&server, &options))) {
        return;
    }
    host_call(&server, exempt_this_thread, NULL);
    MUST(client_open(&witness, ctx, server.port));
    run("a connection", connection, OURS, word);
    run("a connection", connection, OPENSSL, word);
    client_close(&witness);
    at_scenario = "connections";
    MUST(host_stop(&server, RSEC_NS_PER_S));
    rsec_live live = rsec_live_objects();
    MUST(live.conns == 0 && live.requests == 0 && live.peers == 0 && live.engines == 0);
    rsec_digest_free(digest);
    SSL_CTX_free(ctx);
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : NULL;
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) {
        fprintf(stderr, "OpenSSL has allocated before main\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* the client's; the engine sends with MSG_NOSIGNAL */
    (void)alarm(PATIENCE_S);
    ca_der = certificate_file_der(CERTS "ca/ca.cert.pem");
    /* Once with enough memory, so that what OpenSSL sets up for the process is there: it does not try twice. */
    at_run = LONG_MAX;
    at_scenario = "warm-up";
    char error[RSEC_TLS_ERROR_TEXT];
    crypto_room(OURS);
    ready_tls = make_tls(error);
    if (!MUST(ready_tls != NULL)) {
        return 1;
    }
    engine(OURS);
    run("crypto room", crypto_room, OURS, word);
    run("net room", net_room, OURS, word);
    run("TLS context", tls_context, OURS, word);
    run("engine", engine, OURS, word);
    run("crypto room", crypto_room, OPENSSL, word);
    run("net room", net_room, OPENSSL, word);
    run("TLS context", tls_context, OPENSSL, word);
    run("engine", engine, OPENSSL, word);
    connections(word);
    rsec_tls_unref(ready_tls);
    at_scenario = "in the end";
    MUST(atomic_load(&owned) == 0);
    OPENSSL_free((void *)(uintptr_t)ca_der.ptr);
    printf("faults: %u failures\n", failures);
    return failures != 0;
}
