/* TLS contexts: what is wrong with a certificate, in words; why a handshake failed, in words (net/tls.h). */
#define _GNU_SOURCE
#include "certificates.h"
#include "check.h"
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTS RSEC_ROOT "/certs/"
enum { DAY_S = 86400 };

/* A directory of this test's own, with a server certificate and a CA in it. */
typedef struct {
    char dir[64];
    char cert[96], key[96], other[96];
    identity ca, server;
    rsec_view ca_der;
    rsec_tls_settings settings;
    char error[RSEC_TLS_ERROR_TEXT];
} bench;

static void set_up(bench *at, long from_s, long until_s) {
    memset(at, 0, sizeof *at);
    (void)snprintf(at->dir, sizeof at->dir, "/tmp/rsec-test-XXXXXX");
    CHECK(mkdtemp(at->dir) != NULL);
    (void)snprintf(at->cert, sizeof at->cert, "%s/server.cert.pem", at->dir);
    (void)snprintf(at->key, sizeof at->key, "%s/server.key.pem", at->dir);
    (void)snprintf(at->other, sizeof at->other, "%s/other.pem", at->dir);
    at->ca = identity_make("test CA", NULL, -DAY_S, 30L * DAY_S);
    at->server = identity_make("test server", &at->ca, from_s, until_s);
    CHECK(at->ca.key != NULL && at->server.key != NULL);
    CHECK(identity_write(&at->server, at->cert, at->key));
    at->ca_der = certificate_der(at->ca.certificate);
    CHECK(at->ca_der.ptr != NULL);
    at->settings = (rsec_tls_settings){.certfile = at->cert,
                                       .keyfile = at->key,
                                       .ca_der = &at->ca_der,
                                       .ca_num = 1,
                                       .verify_mode = RSEC_VERIFY_REQUIRED,
                                       .min_version = TLS1_2_VERSION};
}

static void tear_down(bench *at) {
    identity_clear(&at->ca);
    identity_clear(&at->server);
    OPENSSL_free((void *)(uintptr_t)at->ca_der.ptr);
    (void)unlink(at->cert);
    (void)unlink(at->key);
    (void)unlink(at->other);
    CHECK_INT(rmdir(at->dir), 0);
    CHECK_INT(ERR_peek_error(), 0); /* whatever happened, nothing stays in the thread's queue */
}

/* The settings are refused, and the words hold `part`. */
static void check_refused(bench *at, const char *part) {
    rsec_tls *tls = (rsec_tls *)at;
    CHECK(rsec_tls_new(&at->settings, &tls, at->error) != RSEC_OK);
    CHECK(tls == NULL);
    CHECK_HAS(at->error, part);
}

TEST(tls_certificate_files_missing) {
    bench at;
    set_up(&at, -DAY_S, DAY_S);
    at.settings.certfile = "/nonexistent/server.cert.pem";
    check_refused(&at, "/nonexistent/server.cert.pem: certificate cannot be loaded: No such file or directory");
    at.settings.certfile = at.cert;
    at.settings.keyfile = "/nonexistent/server.key.pem";
    check_refused(&at, "/nonexistent/server.key.pem: private key cannot be loaded: No such file or directory");
    tear_down(&at);
}

TEST(tls_certificate_file_is_no_pem) {
    bench at;
    set_up(&at, -DAY_S, DAY_S);
    FILE *file = fopen(at.other, "w");
    CHECK(file != NULL && fputs("this is no certificate\n", file) >= 0 && fclose(file) == 0);
    at.settings.certfile = at.other;
    check_refused(&at, "certificate cannot be loaded: no start line");
    at.settings.certfile = at.cert;
    at.settings.keyfile = at.other;
    check_refused(&at, "private key cannot be loaded");
    at.settings.keyfile = at.dir; /* a directory */
    check_refused(&at, at.dir);
    tear_down(&at);
}

TEST(tls_key_of_another_certificate) {
    bench at;
    set_up(&at, -DAY_S, DAY_S);
    at.settings.keyfile = CERTS "client/client.key.pem";
    check_refused(&at, "certs/client/client.key.pem: does not match the certificate in ");
    CHECK_HAS(at.error, at.cert);
    tear_down(&at);
}

TEST(tls_key_with_a_passphrase_is_refused_and_asks_nobody) {
    bench at;
    set_up(&at, -DAY_S, DAY_S);
    BIO *bio = BIO_new_file(at.other, "w");
    CHECK(bio != NULL);
    CHECK_INT(PEM_write_bio_PKCS8PrivateKey(bio, at.server.key, EVP_aes_128_cbc(), "sesame", 6, NULL, NULL), 1);
    BIO_free(bio);
    at.settings.keyfile = at.other;
    check_refused(&at, "private key cannot be loaded");
    tear_down(&at);
}

TEST(tls_settings_that_openssl_does_not_know) {
    bench at;
    set_up(&at, -DAY_S, DAY_S);
    at.settings.ciphers = "NO-SUCH-CIPHER";
    check_refused(&at, "NO-SUCH-CIPHER: no such ciphers");
    at.settings.ciphers = NULL;
    at.settings.ciphersuites = "NO_SUCH_SUITE";
    check_refused(&at, "NO_SUCH_SUITE: no such TLS 1.3 cipher suites");
    at.settings.ciphersuites = NULL;
    at.settings.min_version = 1;
    check_refused(&at, "TLS versions: not supported");
    at.settings.min_version = TLS1_2_VERSION;
    const rsec_view garbage = rsec_view_of("garbage", 7);
    at.settings.ca_der = &garbage;
    check_refused(&at, "trusted certificates: one cannot be used");
    at.settings.ca_der = &at.ca_der;
    at.settings.keylog_path = "/nonexistent/keys";
    check_refused(&at, "/nonexistent/keys: key log cannot be written: No such file or directory");
    tear_down(&at);
}

static void check_validity(long from_s, long until_s, int64_t days, bool is_not_yet_valid) {
    bench at;
    rsec_tls *tls;
    set_up(&at, from_s, until_s);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK); /* a server with a wrong clock still starts */
    CHECK_TEXT(at.error, "");
    int64_t found_days = 99;
    bool found_not_yet = !is_not_yet_valid;
    rsec_tls_validity(tls, &found_days, &found_not_yet);
    CHECK_INT(found_days, days);
    CHECK_INT(found_not_yet, is_not_yet_valid);
    rsec_tls_unref(tls);
    tear_down(&at);
}

TEST(tls_certificate_validity_in_days) {
    check_validity(-DAY_S, 10L * DAY_S + 3600, 10, false);
    check_validity(-DAY_S, 3600, 0, false);
    check_validity(-10L * DAY_S, -3600, -1, false); /* expired an hour ago: not "0 days left" */
    check_validity(-10L * DAY_S, -2L * DAY_S - 3600, -3, false);
    check_validity(3600, DAY_S + 3600 + 60, 1, true);
}

/* --- handshakes in memory --- */

typedef struct {
    SSL_CTX *ctx;
    SSL *client, *server;
    int server_error;
    char reason[RSEC_TLS_ERROR_TEXT];
} handshake;

/* What the server's SSL writes and reads goes through a pair of buffers to the client's. */
static void pair_up(handshake *hs, rsec_tls *tls) {
    BIO *here, *there;
    hs->server = rsec_tls_accept(tls);
    hs->client = SSL_new(hs->ctx);
    CHECK(hs->server != NULL && hs->client != NULL);
    CHECK_INT(BIO_new_bio_pair(&here, 1 << 16, &there, 1 << 16), 1);
    SSL_set_bio(hs->server, here, here);
    SSL_set_bio(hs->client, there, there);
    SSL_set_connect_state(hs->client);
}

/* Both sides step until the server is done, or fails (its reason is noted). True: done. */
static bool shake(handshake *hs) {
    for (int step = 0;; step++) {
        CHECK(step < 20); /* the handshake ends */
        ERR_clear_error();
        (void)SSL_do_handshake(hs->client);
        ERR_clear_error();
        int rc = SSL_do_handshake(hs->server);
        if (rc == 1 && SSL_is_init_finished(hs->client)) {
            return true;
        }
        hs->server_error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(hs->server, rc);
        if (rc != 1 && hs->server_error != SSL_ERROR_WANT_READ) {
            rsec_tls_handshake_reason(hs->server, hs->server_error, hs->reason);
            CHECK_INT(ERR_peek_error(), 0);
            return false;
        }
    }
}

static void let_go(handshake *hs) {
    SSL_free(hs->client);
    SSL_free(hs->server);
    SSL_CTX_free(hs->ctx);
    ERR_clear_error();
}

static SSL_CTX *context_for(const identity *client) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    CHECK(ctx != NULL);
    if (client != NULL) {
        CHECK_INT(SSL_CTX_use_certificate(ctx, client->certificate), 1);
        CHECK_INT(SSL_CTX_use_PrivateKey(ctx, client->key), 1);
    }
    return ctx;
}

/* A handshake of a client who is `client` (NULL: without a certificate), at versions up to `max`; it fails, with `part` in
 * the reason. */
static void check_reason(bench *at, rsec_tls *tls, const identity *client, int max, const char *part) {
    handshake hs = {.ctx = context_for(client)};
    CHECK_INT(SSL_CTX_set_max_proto_version(hs.ctx, max), 1);
    if (max != 0 && max < TLS1_2_VERSION) {
        SSL_CTX_set_security_level(hs.ctx, 0);
        CHECK_INT(SSL_CTX_set_min_proto_version(hs.ctx, TLS1_VERSION), 1);
    }
    pair_up(&hs, tls);
    CHECK(!shake(&hs));
    CHECK_HAS(hs.reason, part);
    let_go(&hs);
    (void)at;
}

TEST(tls_3_handshake_reasons_name_the_check_and_the_subject) {
    bench at;
    rsec_tls *tls;
    set_up(&at, -DAY_S, DAY_S);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    identity other_ca = identity_make("other CA", NULL, -DAY_S, DAY_S);
    identity stranger = identity_make("stranger", &other_ca, -DAY_S, DAY_S);
    identity expired = identity_make("grandfather", &at.ca, -10L * DAY_S, -DAY_S);
    identity early = identity_make("tomorrow", &at.ca, DAY_S, 2L * DAY_S);
    identity rude = identity_make("a\nb\x1b[31m", &other_ca, -DAY_S, DAY_S);
    for (size_t i = 0; i < 2; i++) {
        check_reason(&at, tls, &stranger, versions[i], "unknown CA: ");
        check_reason(&at, tls, &stranger, versions[i], "client certificate, subject CN=stranger");
        check_reason(&at, tls, &expired, versions[i],
                     "certificate has expired (client certificate, subject CN=grandfather)");
        check_reason(&at, tls, &early, versions[i],
                     "certificate is not yet valid (client certificate, subject CN=tomorrow)");
        check_reason(&at, tls, NULL, versions[i], "no certificate: the client sent none, and one is required");
        check_reason(&at, tls, &rude, versions[i], "CN=a\\x5c0Ab"); /* RFC 2253 writes \0A, whose \ is escaped again */
    }
    identity_clear(&other_ca);
    identity_clear(&stranger);
    identity_clear(&expired);
    identity_clear(&early);
    identity_clear(&rude);
    rsec_tls_unref(tls);
    tear_down(&at);
}

TEST(tls_2_version_below_the_floor_is_named) {
    bench at;
    rsec_tls *tls;
    set_up(&at, -DAY_S, DAY_S);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    check_reason(&at, tls, NULL, TLS1_1_VERSION,
                 "no common TLS version: the client offered TLS 1.1, our minimum is TLS 1.2");
    rsec_tls_unref(tls);
    at.settings.min_version = TLS1_3_VERSION;
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    check_reason(&at, tls, NULL, TLS1_2_VERSION, "our minimum is TLS 1.3");
    rsec_tls_unref(tls);
    tear_down(&at);
}

TEST(tls_no_common_cipher_is_named) {
    bench at;
    rsec_tls *tls;
    set_up(&at, -DAY_S, DAY_S);
    at.settings.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    handshake hs = {.ctx = context_for(NULL)};
    CHECK_INT(SSL_CTX_set_max_proto_version(hs.ctx, TLS1_2_VERSION), 1);
    CHECK_INT(SSL_CTX_set_cipher_list(hs.ctx, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
    pair_up(&hs, tls);
    CHECK(!shake(&hs));
    CHECK_HAS(hs.reason, "no common cipher");
    let_go(&hs);
    rsec_tls_unref(tls);
    tear_down(&at);
}

TEST(tls_first_octets_that_are_no_tls_are_named) {
    static const struct {
        const char *octets;
        size_t len;
        const char *reason;
    } firsts[] = {{"GET / HTTP/1.1\r\n\r\n", 18, "not TLS: the client sent an HTTP request"},
                  {"\1\7\0\24AAAAAAAAAAAAAAAA", 20, "not TLS: the client's first octets are no ClientHello"}};
    bench at;
    rsec_tls *tls;
    set_up(&at, -DAY_S, DAY_S);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    for (size_t i = 0; i < 2; i++) {
        BIO *here, *there;
        char reason[RSEC_TLS_ERROR_TEXT];
        SSL *ssl = rsec_tls_accept(tls);
        CHECK(ssl != NULL);
        CHECK_INT(BIO_new_bio_pair(&here, 0, &there, 0), 1);
        SSL_set_bio(ssl, here, here);
        CHECK_INT(BIO_write(there, firsts[i].octets, (int)firsts[i].len), firsts[i].len);
        ERR_clear_error();
        int rc = SSL_do_handshake(ssl);
        rsec_tls_handshake_reason(ssl, SSL_get_error(ssl, rc), reason);
        CHECK_HAS(reason, firsts[i].reason);
        BIO_free(there);
        SSL_free(ssl);
    }
    rsec_tls_unref(tls);
    tear_down(&at);
}

TEST(tls_client_that_refuses_our_certificate_is_quoted) {
    bench at;
    rsec_tls *tls;
    set_up(&at, -DAY_S, DAY_S);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    identity other_ca = identity_make("other CA", NULL, -DAY_S, DAY_S);
    identity client = identity_make("client", &at.ca, -DAY_S, DAY_S);
    handshake hs = {.ctx = context_for(&client)};
    CHECK_INT(X509_STORE_add_cert(SSL_CTX_get_cert_store(hs.ctx), other_ca.certificate), 1);
    SSL_CTX_set_verify(hs.ctx, SSL_VERIFY_PEER, NULL);
    pair_up(&hs, tls);
    CHECK(!shake(&hs));
    CHECK_HAS(hs.reason, "the peer refused our certificate: unknown CA");
    let_go(&hs);
    identity_clear(&other_ca);
    identity_clear(&client);
    rsec_tls_unref(tls);
    tear_down(&at);
}

/* --- the decision after a handshake --- */

static rsec_tls_verdict decide(rsec_tls *tls, const identity *client, char text[RSEC_TLS_ERROR_TEXT]) {
    handshake hs = {.ctx = context_for(client)};
    pair_up(&hs, tls);
    CHECK(shake(&hs));
    rsec_tls_verdict verdict = rsec_tls_authorise(tls, hs.server, text);
    let_go(&hs);
    return verdict;
}

TEST(tls_5_pin_narrows_what_the_ca_grants) {
    bench at;
    rsec_tls *tls;
    char text[RSEC_TLS_ERROR_TEXT], digits[RSEC_FINGERPRINT_TEXT];
    uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
    set_up(&at, -DAY_S, DAY_S);
    identity pinned = identity_make("pinned", &at.ca, -DAY_S, DAY_S),
             other = identity_make("other", &at.ca, -DAY_S, DAY_S);
    rsec_view der = certificate_der(pinned.certificate);
    CHECK_INT(rsec_fingerprint_of(der, fingerprint), RSEC_OK);
    OPENSSL_free((void *)(uintptr_t)der.ptr);
    rsec_pins *pins = rsec_pins_new(fingerprint, 1);
    CHECK(pins != NULL);
    at.settings.pins = pins;
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    rsec_pins_unref(pins); /* the context has a reference of its own */
    CHECK_INT(decide(tls, &pinned, text), RSEC_TLS_ADMITTED);
    CHECK_TEXT(text, "");
    CHECK_INT(decide(tls, &other, text), RSEC_TLS_REFUSED_FINGERPRINT);
    der = certificate_der(other.certificate);
    CHECK_INT(rsec_fingerprint_of(der, fingerprint), RSEC_OK);
    OPENSSL_free((void *)(uintptr_t)der.ptr);
    rsec_fingerprint_format(fingerprint, digits);
    CHECK_HAS(text, digits); /* so that it can be added to the list */
    rsec_tls_unref(tls);
    identity_clear(&pinned);
    identity_clear(&other);
    tear_down(&at);
}

TEST(tls_5_pin_never_replaces_trust) {
    bench at;
    rsec_tls *tls;
    uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
    set_up(&at, -DAY_S, DAY_S);
    identity other_ca = identity_make("other CA", NULL, -DAY_S, DAY_S);
    identity stranger = identity_make("stranger", &other_ca, -DAY_S, DAY_S);
    rsec_view der = certificate_der(stranger.certificate);
    CHECK_INT(rsec_fingerprint_of(der, fingerprint), RSEC_OK);
    OPENSSL_free((void *)(uintptr_t)der.ptr);
    at.settings.pins = rsec_pins_new(fingerprint, 1);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    check_reason(&at, tls, &stranger, 0, "unknown CA");
    rsec_tls_unref(tls);
    rsec_pins_unref(at.settings.pins);
    identity_clear(&other_ca);
    identity_clear(&stranger);
    tear_down(&at);
}

TEST(tls_3_optional_verification_admits_a_client_without_certificate_unless_pinned) {
    bench at;
    rsec_tls *tls;
    char text[RSEC_TLS_ERROR_TEXT];
    static const uint8_t nobody[RSEC_FINGERPRINT_LEN];
    set_up(&at, -DAY_S, DAY_S);
    at.settings.verify_mode = RSEC_VERIFY_OPTIONAL;
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    CHECK_INT(decide(tls, NULL, text), RSEC_TLS_ADMITTED);
    rsec_tls_unref(tls);
    at.settings.pins = rsec_pins_new(nobody, 1);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    CHECK_INT(decide(tls, NULL, text), RSEC_TLS_REFUSED_FINGERPRINT);
    CHECK_HAS(text, "no certificate");
    rsec_tls_unref(tls);
    rsec_pins_unref(at.settings.pins);
    tear_down(&at);
}

TEST(tls_8_no_ticket_unless_asked_for) {
    bench at;
    set_up(&at, -DAY_S, DAY_S);
    identity client = identity_make("client", &at.ca, -DAY_S, DAY_S);
    for (unsigned tickets = 0; tickets < 2; tickets++) {
        rsec_tls *tls;
        at.settings.tickets = tickets;
        CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
        handshake hs = {.ctx = context_for(&client)};
        pair_up(&hs, tls);
        CHECK(shake(&hs));
        char octet;
        (void)SSL_read(hs.client, &octet, 1); /* a ticket comes behind the handshake */
        CHECK_INT(SSL_SESSION_is_resumable(SSL_get_session(hs.client)), tickets > 0);
        let_go(&hs);
        rsec_tls_unref(tls);
    }
    identity_clear(&client);
    tear_down(&at);
}

TEST(tls_key_log_is_written_for_its_owner_only) {
    bench at;
    rsec_tls *tls;
    char text[RSEC_TLS_ERROR_TEXT], line[64] = "";
    set_up(&at, -DAY_S, DAY_S);
    identity client = identity_make("client", &at.ca, -DAY_S, DAY_S);
    at.settings.keylog_path = at.other;
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    CHECK_INT(decide(tls, &client, text), RSEC_TLS_ADMITTED);
    rsec_tls_unref(tls);
    struct stat info;
    CHECK_INT(stat(at.other, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    FILE *file = fopen(at.other, "r");
    CHECK(file != NULL && fgets(line, sizeof line, file) != NULL && fclose(file) == 0);
    CHECK_HAS(line, "_SECRET ");
    identity_clear(&client);
    tear_down(&at);
}

TEST(tls_references) {
    bench at;
    rsec_tls *tls;
    set_up(&at, -DAY_S, DAY_S);
    CHECK_INT(rsec_tls_new(&at.settings, &tls, at.error), RSEC_OK);
    CHECK(rsec_tls_ref(tls) == tls);
    rsec_tls_unref(tls);
    SSL *ssl = rsec_tls_accept(tls);
    CHECK(ssl != NULL);
    SSL_free(ssl);
    rsec_tls_unref(tls);
    rsec_tls_unref(NULL);
    CHECK(rsec_tls_ref(NULL) == NULL);
    tear_down(&at);
}
