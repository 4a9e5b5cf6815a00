/* When a connection at rest gives its buffers back (net/tls.h): what an OpenSSL with CVE-2024-4741 would free and go on to use,
 * the CVE's two cases, is never given to it, whatever version this one is. */
#include "certificates.h"
#include "check.h"
#include "client.h"
#include "host.h"
#include "net/tls.h"

#include <openssl/err.h>
#include <string.h>

#define CERTS RSEC_ROOT "/certs/"
enum { ALL = 1 << 20 };

static unsigned frees;

int __real_SSL_free_buffers(SSL *ssl);
int __wrap_SSL_free_buffers(SSL *ssl);

int __wrap_SSL_free_buffers(SSL *ssl) {
    frees++;
    return __real_SSL_free_buffers(ssl);
}

/* A client and a server whose octets wait in memory until the test moves them. */
typedef struct {
    rsec_tls *tls;
    SSL_CTX *ctx;
    SSL *client, *server;
    BIO *to_client, *to_server; /* the readers' */
    BIO *from_client, *from_server;
} pair;

static void set_up(pair *at, uint64_t options, int max_version) {
    char error[RSEC_TLS_ERROR_TEXT];
    rsec_view ca = certificate_file_der(CERTS "ca/ca.cert.pem");
    rsec_tls_settings settings = host_tls_settings(&ca);
    settings.max_version = max_version;
    settings.options = options;
    CHECK_INT(rsec_tls_new(&settings, &at->tls, error), RSEC_OK);
    OPENSSL_free((void *)(uintptr_t)ca.ptr);
    at->ctx = client_context(true);
    CHECK(at->ctx != NULL);
    at->client = SSL_new(at->ctx);
    at->server = rsec_tls_accept(at->tls);
    at->to_client = BIO_new(BIO_s_mem());
    at->to_server = BIO_new(BIO_s_mem());
    at->from_client = BIO_new(BIO_s_mem());
    at->from_server = BIO_new(BIO_s_mem());
    CHECK(at->client != NULL && at->server != NULL && at->to_client != NULL && at->to_server != NULL &&
          at->from_client != NULL && at->from_server != NULL);
    BIO_set_mem_eof_return(at->to_client, -1); /* no more for now, not the end */
    BIO_set_mem_eof_return(at->to_server, -1);
    SSL_set_bio(at->client, at->to_client, at->from_client);
    SSL_set_bio(at->server, at->to_server, at->from_server);
    SSL_set_connect_state(at->client);
    frees = 0;
}

static void tear_down(pair *at) {
    SSL_free(at->client);
    SSL_free(at->server);
    SSL_CTX_free(at->ctx);
    rsec_tls_unref(at->tls);
    ERR_clear_error();
}

/* Moves at most `most` octets of what was written on to its reader; how many. */
static int move(BIO *from, BIO *to, int most) {
    uint8_t octets[32768];
    int len = BIO_read(from, octets, most < (int)sizeof octets ? most : (int)sizeof octets);
    if (len > 0) {
        CHECK_INT(BIO_write(to, octets, len), len);
    }
    return len > 0 ? len : 0;
}

/* The server steps its handshake, as the engine does, and rests. */
static void step_and_rest(pair *at) {
    ERR_clear_error();
    (void)SSL_do_handshake(at->server);
    rsec_tls_rest(at->server);
}

static void shake(pair *at) {
    for (int round = 0; round < 10 && !(SSL_is_init_finished(at->client) && SSL_is_init_finished(at->server));
         round++) {
        ERR_clear_error();
        (void)SSL_do_handshake(at->client);
        (void)move(at->from_client, at->to_server, ALL);
        step_and_rest(at);
        (void)move(at->from_server, at->to_client, ALL);
    }
    CHECK(SSL_is_init_finished(at->client) && SSL_is_init_finished(at->server));
}

/* One record of the client's, in `cut` and the rest of its octets, is read whole; after the first part nothing is freed. */
static void check_cut_record(pair *at, int cut) {
    uint8_t sent[600], got[sizeof sent];
    size_t len;
    memset(sent, 'x', sizeof sent);
    CHECK_INT(SSL_write_ex(at->client, sent, sizeof sent, &len), 1);
    CHECK_INT(move(at->from_client, at->to_server, cut), cut);
    frees = 0;
    ERR_clear_error();
    CHECK_INT(SSL_read_ex(at->server, got, sizeof got, &len), 0);
    CHECK_INT(SSL_get_error(at->server, 0), SSL_ERROR_WANT_READ);
    rsec_tls_rest(at->server);
    CHECK_INT(frees, 0);
    (void)move(at->from_client, at->to_server, ALL);
    CHECK_INT(SSL_read_ex(at->server, got, sizeof got, &len), 1);
    CHECK_INT(len, sizeof sent);
    CHECK_INT(memcmp(got, sent, sizeof sent), 0);
    rsec_tls_rest(at->server);
    CHECK_INT(frees, 1);
}

static void check_version(int max_version) {
    pair at;
    set_up(&at, 0, max_version);
    shake(&at);
    CHECK(frees > 0);
    for (int cut = 1; cut < 40; cut++) {
        check_cut_record(&at, cut);
    }
    tear_down(&at);
}

TEST(tls_rest_keeps_a_record_that_came_in_part) {
    check_version(TLS1_3_VERSION);
    check_version(TLS1_2_VERSION);
}

TEST(tls_rest_keeps_the_first_record_of_a_handshake) {
    for (int cut = 1; cut < 20; cut++) {
        pair at;
        set_up(&at, 0, TLS1_3_VERSION);
        (void)SSL_do_handshake(at.client);
        /* Of the ClientHello; 5, a record header, is what the CVE is about. */
        CHECK_INT(move(at.from_client, at.to_server, cut), cut);
        step_and_rest(&at);
        CHECK_INT(frees, 0);
        shake(&at);
        CHECK(frees > 0);
        tear_down(&at);
    }
}

TEST(tls_rest_keeps_a_record_that_was_read_in_part) {
    pair at;
    set_up(&at, 0, TLS1_3_VERSION);
    shake(&at);
    size_t len;
    char octet, rest[16];
    CHECK_INT(SSL_write_ex(at.client, "request", 7, &len), 1);
    (void)move(at.from_client, at.to_server, ALL);
    CHECK_INT(SSL_read_ex(at.server, &octet, 1, &len), 1);
    frees = 0;
    rsec_tls_rest(at.server);
    CHECK_INT(frees, 0);
    CHECK_INT(SSL_read_ex(at.server, rest, sizeof rest, &len), 1);
    CHECK_INT(len, 6);
    CHECK_INT(memcmp(rest, "equest", 6), 0);
    tear_down(&at);
}

TEST(tls_rest_leaves_buffers_that_are_wiped_to_openssl) {
    pair at;
    set_up(&at, SSL_OP_CLEANSE_PLAINTEXT, TLS1_3_VERSION);
    shake(&at);
    rsec_tls_rest(at.server);
    CHECK_INT(frees, 0);
    CHECK((SSL_get_mode(at.server) & SSL_MODE_RELEASE_BUFFERS) != 0);
    tear_down(&at);
    set_up(&at, 0, TLS1_3_VERSION);
    CHECK((SSL_get_mode(at.server) & SSL_MODE_RELEASE_BUFFERS) == 0);
    tear_down(&at);
}
