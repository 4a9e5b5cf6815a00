#define _GNU_SOURCE
#include "host.h"

#include "certificates.h"
#include "net/clock.h"
#include "wire/writer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, PATIENCE_S = 20 };

#ifndef RSEC_ROOT
#error "RSEC_ROOT is set by the Makefile"
#endif
#define CERTS RSEC_ROOT "/certs/"

host_options host_defaults(void) {
    return (host_options){
        .settings = {.handshake_timeout_ns = 10 * RSEC_NS_PER_S,
                     .idle_timeout_ns = RSEC_NO_TIMEOUT,
                     .packet_timeout_ns = 10 * RSEC_NS_PER_S,
                     .write_timeout_ns = 10 * RSEC_NS_PER_S,
                     .max_handshakes = 256,
                     .max_in_flight = 256,
                     .max_in_flight_total = 16384,
                     .max_output = 1 << 20},
        .policy = {.verify = {.check_request_auth = true, .require_eap_message_auth = true},
                   .coa_to_python = true,
                   .disconnect_to_python = true},
        .secret = "radsec",
        .reply_octets = 5,
    };
}

/* --- the loop thread --- */

static uint8_t answer_code(uint8_t code) {
    switch (code) {
    case RSEC_ACCESS_REQUEST:
        return RSEC_ACCESS_ACCEPT;
    case RSEC_ACCOUNTING_REQUEST:
        return RSEC_ACCOUNTING_RESPONSE;
    case RSEC_COA_REQUEST:
        return RSEC_COA_ACK;
    case RSEC_DISCONNECT_REQUEST:
        return RSEC_DISCONNECT_ACK;
    default:
        return 0;
    }
}

static void answer(const host *host, rsec_request *req) {
    static const uint8_t filler[RSEC_ATTR_VALUE_MAX];
    uint8_t out[RSEC_PACKET_MAX], code = answer_code(req->octets[0]);
    rsec_writer writer;
    if (code == 0 || rsec_writer_begin(&writer, out, sizeof out, code, req->octets[1], req->octets + 4) != RSEC_OK) {
        return;
    }
    if (req->facts.message_auth_num > 0) {
        (void)rsec_writer_message_auth(&writer);
    }
    for (size_t left = host->reply_octets; left > 0;) {
        size_t len = left < sizeof filler ? left : sizeof filler;
        (void)rsec_writer_attr(&writer, 18, rsec_view_of(filler, len));
        left -= len;
    }
    (void)rsec_writer_proxy_state(&writer, rsec_request_packet(req));
    if (rsec_writer_finish(&writer) == RSEC_OK && (req->reply = malloc(writer.len)) != NULL) {
        memcpy(req->reply, out, writer.len);
        req->reply_len = writer.len;
        req->reply_message_auth_off = writer.message_auth_off;
        req->reply_is_signed = req->is_raw; /* there is no secret to sign with */
    }
}

static void learn(host *host, rsec_peer *peer) {
    if (peer->user == NULL && host->peers_num < HOST_PEERS_MAX) {
        peer->user = host;
        host->peers[host->peers_num++] = rsec_peer_ref(peer);
    }
}

static void forget(host *host, rsec_peer *peer) {
    for (size_t i = 0; i < host->peers_num; i++) {
        if (host->peers[i] == peer) {
            host->peers[i] = host->peers[--host->peers_num];
            peer->user = NULL;
            rsec_peer_unref(peer);
            return;
        }
    }
}

static void note(host *host, rsec_event *event) {
    pthread_mutex_lock(&host->lock);
    host->events[event->reason] += 1 + event->held_back;
    memcpy(host->text[event->reason], event->text, sizeof event->text);
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
    rsec_engine_free_event(event);
}

/* False: the engine has stopped. */
static bool serve(host *host) {
    rsec_up items[BATCH];
    rsec_request *done[BATCH];
    size_t done_num = 0, num = rsec_engine_take(host->engine, items, BATCH);
    bool goes_on = true;
    for (size_t i = 0; i < num; i++) {
        switch (items[i].kind) {
        case RSEC_UP_REQUEST:
            if (host->holds && host->held_num < HOST_HELD_MAX) {
                host->held[host->held_num++] = items[i].req;
            } else {
                answer(host, items[i].req);
                done[done_num++] = items[i].req;
            }
            break;
        case RSEC_UP_LOOKUP:
            learn(host, items[i].peer);
            rsec_engine_admit(host->engine, items[i].peer, host->secret);
            rsec_peer_unref(items[i].peer);
            break;
        case RSEC_UP_CLOSED:
            forget(host, items[i].peer);
            rsec_peer_unref(items[i].peer);
            break;
        case RSEC_UP_EVENT:
            note(host, items[i].event);
            break;
        case RSEC_UP_STOPPED:
            goes_on = false;
            break;
        }
    }
    rsec_engine_complete(host->engine, done, done_num);
    return goes_on;
}

static void run_command(host *host) {
    uint64_t count;
    if (read(host->command_fd, &count, sizeof count) != (ssize_t)sizeof count) {
        return;
    }
    pthread_mutex_lock(&host->lock);
    void (*command)(struct host * host, void *arg) = host->command;
    void *arg = host->command_arg;
    pthread_mutex_unlock(&host->lock);
    command(host, arg);
    pthread_mutex_lock(&host->lock);
    host->command = NULL;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

static void *loop_main(void *arg) {
    host *host = arg;
    struct pollfd fds[2] = {{.fd = rsec_engine_wake_fd(host->engine), .events = POLLIN},
                            {.fd = host->command_fd, .events = POLLIN}};
    bool goes_on = true;
    while (goes_on) {
        (void)poll(fds, 2, -1);
        if (fds[1].revents & POLLIN) {
            run_command(host);
        }
        if (fds[0].revents & POLLIN) {
            goes_on = serve(host);
        }
    }
    pthread_mutex_lock(&host->lock);
    host->is_stopped = true;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
    return NULL;
}

/* --- others --- */

static struct timespec patience(void) {
    struct timespec end;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    return end;
}

void host_call(host *host, void (*command)(struct host *host, void *arg), void *arg) {
    const uint64_t one = 1;
    pthread_mutex_lock(&host->lock);
    while (host->command != NULL) {
        pthread_cond_wait(&host->changed, &host->lock);
    }
    host->command = command;
    host->command_arg = arg;
    if (write(host->command_fd, &one, sizeof one) != (ssize_t)sizeof one) {
        abort();
    }
    while (host->command == command && !host->is_stopped) {
        pthread_cond_wait(&host->changed, &host->lock);
    }
    pthread_mutex_unlock(&host->lock);
}

static void change_secret(host *host, void *arg) {
    const char *text = arg;
    rsec_secret_unref(host->secret);
    host->secret = text != NULL ? rsec_secret_new(rsec_view_of(text, strlen(text))) : NULL;
}

static void set_secret(host *host, void *arg) {
    change_secret(host, arg);
    for (size_t i = 0; i < host->peers_num; i++) {
        rsec_engine_admit(host->engine, host->peers[i], host->secret);
    }
}

void host_set_secret(host *host, const char *secret) {
    host_call(host, set_secret, (void *)(uintptr_t)secret);
}

void host_change_secret(host *host, const char *secret) {
    host_call(host, change_secret, (void *)(uintptr_t)secret);
}

static void change_policy(host *host, void *arg) {
    rsec_engine_set_policy(host->engine, arg);
}

void host_set_policy(host *host, const rsec_policy *policy) {
    rsec_policy copy = *policy;
    host_call(host, change_policy, &copy);
}

static void change_hold(host *host, void *arg) {
    host->holds = *(bool *)arg;
    if (!host->holds) {
        for (size_t i = 0; i < host->held_num; i++) {
            answer(host, host->held[i]);
        }
        rsec_engine_complete(host->engine, host->held, host->held_num);
        host->held_num = 0;
    }
}

void host_hold(host *host, bool holds) {
    host_call(host, change_hold, &holds);
}

static void begin_stop(host *host, void *arg) {
    rsec_engine_stop(host->engine, *(int64_t *)arg);
}

static int listen_anywhere(int send_octets, uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    if (fd >= 0 && send_octets > 0) { /* accepted sockets inherit it */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_octets, sizeof send_octets);
    }
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 512) != 0 ||
                    getsockname(fd, (struct sockaddr *)&addr, &len) != 0)) {
        close(fd);
        return -1;
    }
    *port = ntohs(addr.sin_port);
    return fd;
}

static void clear(host *host) {
    for (size_t i = 0; i < host->held_num; i++) {
        rsec_request_free(host->held[i]);
    }
    host->held_num = 0;
    rsec_engine_free(host->engine);
    for (size_t i = 0; i < host->peers_num; i++) {
        host->peers[i]->user = NULL;
        rsec_peer_unref(host->peers[i]);
    }
    host->peers_num = 0;
    host->engine = NULL;
    rsec_tls_unref(host->tls);
    rsec_secret_unref(host->secret);
    if (host->command_fd >= 0) {
        close(host->command_fd);
    }
    pthread_mutex_destroy(&host->lock);
    pthread_cond_destroy(&host->changed);
}

rsec_tls_settings host_tls_settings(const rsec_view *ca_der) {
    return (rsec_tls_settings){.certfile = CERTS "server/server.cert.pem",
                               .keyfile = CERTS "server/server.key.pem",
                               .ca_der = ca_der,
                               .ca_num = 1,
                               .verify_mode = RSEC_VERIFY_REQUIRED,
                               .min_version = TLS1_2_VERSION};
}

bool host_start(host *host, const host_options *options) {
    char error[RSEC_TLS_ERROR_TEXT];
    memset(host, 0, sizeof *host);
    (void)pthread_mutex_init(&host->lock, NULL);
    (void)pthread_cond_init(&host->changed, NULL);
    host->command_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    host->reply_octets = options->reply_octets;
    rsec_view ca = certificate_file_der(CERTS "ca/ca.cert.pem");
    rsec_tls_settings tls = host_tls_settings(&ca);
    tls.pins = options->pins;
    bool is_ready = ca.ptr != NULL && rsec_tls_new(&tls, &host->tls, error) == RSEC_OK;
    OPENSSL_free((void *)(uintptr_t)ca.ptr);
    if (is_ready && options->secret != NULL) {
        host->secret = rsec_secret_new(rsec_view_of(options->secret, strlen(options->secret)));
        is_ready = host->secret != NULL;
    }
    is_ready = is_ready && rsec_engine_new(&options->settings, &options->policy, host->tls, &host->engine) == RSEC_OK;
    int fd = is_ready ? listen_anywhere(options->send_octets, &host->port) : -1;
    is_ready = is_ready && fd >= 0 && rsec_engine_start(host->engine, &fd, 1) == 0;
    is_ready = is_ready && pthread_create(&host->thread, NULL, loop_main, host) == 0;
    if (!is_ready) {
        clear(host);
    }
    host->is_running = is_ready;
    return is_ready;
}

bool host_stop(host *host, int64_t grace_ns) {
    host_call(host, begin_stop, &grace_ns);
    struct timespec end = patience();
    int rc = 0;
    pthread_mutex_lock(&host->lock);
    while (!host->is_stopped && rc == 0) {
        rc = pthread_cond_timedwait(&host->changed, &host->lock, &end);
    }
    pthread_mutex_unlock(&host->lock);
    if (rc != 0) {
        return false; /* the loop thread is left to the process's end */
    }
    (void)pthread_join(host->thread, NULL);
    clear(host);
    host->is_running = false;
    return true;
}

bool host_wait_event(host *host, rsec_event_reason reason, uint64_t num, char text[RSEC_EVENT_TEXT]) {
    struct timespec end = patience();
    int rc = 0;
    pthread_mutex_lock(&host->lock);
    while (host->events[reason] < num && rc == 0) {
        rc = pthread_cond_timedwait(&host->changed, &host->lock, &end);
    }
    if (text != NULL) {
        memcpy(text, host->text[reason], RSEC_EVENT_TEXT);
    }
    pthread_mutex_unlock(&host->lock);
    return rc == 0;
}

typedef struct {
    const char *name;
    uint64_t value;
} wanted;

static int find(void *arg, const char *name, uint64_t value) {
    wanted *found = arg;
    if (strcmp(found->name, name) == 0) {
        found->value = value;
        return 1;
    }
    return 0;
}

uint64_t host_counter(const host *host, const char *name) {
    wanted found = {name, 0};
    if (rsec_counters_visit(rsec_engine_counters(host->engine), find, &found) != 1) {
        fprintf(stderr, "no counter is called %s\n", name);
        abort();
    }
    return found.value;
}

bool host_wait_counter(host *host, const char *name, uint64_t value) {
    int64_t end_ns = rsec_now_ns() + PATIENCE_S * RSEC_NS_PER_S;
    while (host_counter(host, name) < value) {
        if (rsec_now_ns() > end_ns) {
            return false;
        }
        (void)poll(NULL, 0, 1);
    }
    return true;
}
