/* A RADIUS/TLS server on the C engine alone: no Python, one secret for everybody, Access-Accept with a Reply-Message to every
 * Access-Request. For the thread sanitizer, for profiles, and for telling the engine's cost from Python's.
 *
 *   engine_server CERT KEY CA [SECONDS]
 *
 * Prints "port N", serves for SECONDS (default 5) or until standard input ends, stops, prints its counters.
 */
#define _GNU_SOURCE
#include "net/clock.h"
#include "net/engine.h"
#include "wire/writer.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 256 };

static int listen_anywhere(uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        perror("listen");
        exit(1);
    }
    *port = ntohs(addr.sin_port);
    return fd;
}

static void answer(rsec_request *req) {
    static const struct {
        uint8_t asked, answered;
    } replies[] = {{RSEC_ACCESS_REQUEST, RSEC_ACCESS_ACCEPT}, {RSEC_ACCOUNTING_REQUEST, RSEC_ACCOUNTING_RESPONSE}};
    uint8_t out[RSEC_PACKET_MAX];
    rsec_writer writer;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        if (replies[i].asked != req->octets[0]) {
            continue;
        }
        if (rsec_writer_begin(&writer, out, sizeof out, replies[i].answered, req->octets[1], req->octets + 4) !=
            RSEC_OK) {
            return;
        }
        if (req->facts.message_auth_num > 0) {
            (void)rsec_writer_message_auth(&writer);
        }
        (void)rsec_writer_attr(&writer, 18, rsec_view_of("Hello", 5));
        (void)rsec_writer_proxy_state(&writer, rsec_request_packet(req));
        if (rsec_writer_finish(&writer) != RSEC_OK || (req->reply = malloc(writer.len)) == NULL) {
            return;
        }
        memcpy(req->reply, out, writer.len);
        req->reply_len = writer.len;
        req->reply_message_auth_off = writer.message_auth_off;
    }
}

static int print_counter(void *arg, const char *name, uint64_t value) {
    (void)arg;
    if (value != 0) {
        printf("%s %" PRIu64 "\n", name, value);
    }
    return 0;
}

/* Serves one batch; false when the engine has stopped. */
static bool serve(rsec_engine *engine, rsec_secret *secret) {
    rsec_up items[BATCH];
    rsec_request *done[BATCH];
    size_t num, done_num = 0;
    bool goes_on = true;
    num = rsec_engine_take(engine, items, BATCH);
    for (size_t i = 0; i < num; i++) {
        switch (items[i].kind) {
        case RSEC_UP_REQUEST:
            answer(items[i].req);
            done[done_num++] = items[i].req;
            break;
        case RSEC_UP_LOOKUP:
            rsec_engine_admit(engine, items[i].peer, secret);
            rsec_peer_unref(items[i].peer);
            break;
        case RSEC_UP_CLOSED:
            rsec_peer_unref(items[i].peer);
            break;
        case RSEC_UP_EVENT:
            if (items[i].event->level >= RSEC_LEVEL_INFO) {
                fprintf(stderr, "%s %s %s\n", rsec_event_sentence(items[i].event->reason), items[i].event->address,
                        items[i].event->text);
            }
            rsec_engine_free_event(items[i].event);
            break;
        case RSEC_UP_STOPPED:
            goes_on = false;
            break;
        }
    }
    rsec_engine_complete(engine, done, done_num);
    return goes_on;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: engine_server CERT KEY CA [SECONDS]\n");
        return 2;
    }
    int64_t seconds = argc > 4 ? strtol(argv[4], NULL, 10) : 5;
    BIO *bio = BIO_new_file(argv[3], "r");
    X509 *ca = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    unsigned char *der = NULL;
    int der_len = ca != NULL ? i2d_X509(ca, &der) : -1;
    BIO_free(bio);
    X509_free(ca);
    if (der_len < 0) {
        fprintf(stderr, "%s: no certificate\n", argv[3]);
        return 1;
    }
    rsec_view trusted = rsec_view_of(der, (size_t)der_len);
    rsec_tls_settings tls_settings = {.certfile = argv[1],
                                      .keyfile = argv[2],
                                      .ca_der = &trusted,
                                      .ca_num = 1,
                                      .verify_mode = RSEC_VERIFY_REQUIRED,
                                      .min_version = TLS1_2_VERSION};
    rsec_settings settings = {.handshake_timeout_ns = 10 * RSEC_NS_PER_S,
                              .idle_timeout_ns = RSEC_NO_TIMEOUT,
                              .packet_timeout_ns = 30 * RSEC_NS_PER_S,
                              .write_timeout_ns = 30 * RSEC_NS_PER_S,
                              .max_handshakes = 1024,
                              .max_in_flight = 256,
                              .max_in_flight_total = 16384,
                              .max_output = 1 << 20};
    rsec_policy policy = {.verify = {.check_request_auth = true, .require_eap_message_auth = true}};
    rsec_tls *tls;
    rsec_engine *engine = NULL;
    char error[RSEC_TLS_ERROR_TEXT];
    if (rsec_tls_new(&tls_settings, &tls, error) != RSEC_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    OPENSSL_free(der);
    uint16_t port;
    int fd = listen_anywhere(&port);
    rsec_secret *secret = rsec_secret_new(rsec_view_of("radsec", 6));
    if (secret == NULL || rsec_engine_new(&settings, &policy, tls, &engine) != RSEC_OK ||
        rsec_engine_start(engine, &fd, 1) != 0) {
        fprintf(stderr, "the engine does not start\n");
        return 1;
    }
    printf("port %u\n", (unsigned)port);
    fflush(stdout);
    int64_t end_ns = rsec_now_ns() + seconds * RSEC_NS_PER_S;
    bool is_stopping = false;
    struct pollfd fds[2] = {{.fd = rsec_engine_wake_fd(engine), .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    for (;;) {
        (void)poll(fds, is_stopping ? 1 : 2, 100);
        if (!is_stopping && (rsec_now_ns() >= end_ns || fds[1].revents != 0)) {
            is_stopping = true;
            rsec_engine_stop(engine, RSEC_NS_PER_S);
        }
        if ((fds[0].revents & POLLIN) && !serve(engine, secret)) {
            break;
        }
    }
    (void)rsec_counters_visit(rsec_engine_counters(engine), print_counter, NULL);
    rsec_engine_free(engine);
    rsec_tls_unref(tls);
    rsec_secret_unref(secret);
    rsec_live live = rsec_live_objects();
    printf("left over: %" PRId64 " connections, %" PRId64 " requests, %" PRId64 " peers, %" PRId64 " engines\n",
           live.conns, live.requests, live.peers, live.engines);
    return live.conns != 0 || live.requests != 0 || live.peers != 0 || live.engines != 0;
}
