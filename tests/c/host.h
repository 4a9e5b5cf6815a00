/* A server on the C engine for tests: the thread that would run Python's event loop, answering by itself.
 *
 * Access-Request gets Access-Accept with `reply_octets` of Reply-Message, Accounting-Request gets Accounting-Response,
 * CoA and Disconnect get their ACK; while `holds` is on nothing is answered. Whoever calls host_* is another thread.
 */
#ifndef RSEC_TESTS_HOST_H
#define RSEC_TESTS_HOST_H

#include "net/engine.h"

#include <pthread.h>
#include <stdatomic.h>

enum { HOST_PEERS_MAX = 512, HOST_HELD_MAX = 4096 };

typedef struct host {
    rsec_engine *engine;
    rsec_tls *tls;
    uint16_t port;
    pthread_t thread;
    int command_fd;
    bool is_running;
    size_t reply_octets;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*command)(struct host *host, void *arg); /* under lock; NULL: none */
    void *command_arg;
    bool is_stopped;                              /* under lock */
    uint64_t events[RSEC_EVENT_COUNT];            /* under lock */
    char text[RSEC_EVENT_COUNT][RSEC_EVENT_TEXT]; /* under lock: of the last event of each reason */

    /* The loop thread's. */
    rsec_secret *secret; /* NULL: nobody is a client */
    bool holds;
    rsec_peer *peers[HOST_PEERS_MAX];
    size_t peers_num;
    rsec_request *held[HOST_HELD_MAX];
    size_t held_num;
} host;

typedef struct {
    rsec_settings settings;
    rsec_policy policy;
    const char *secret; /* NULL: every peer is unknown */
    rsec_pins *pins;
    size_t reply_octets;
    int send_octets; /* the connections' send buffers; 0: the system's */
} host_options;

/* Deadlines of ten seconds, no limit that matters, "radsec", Request Authenticators checked. */
host_options host_defaults(void);

/* The certificates in certs/, a client's required. `ca_der`, of the CA in there, is borrowed. */
rsec_tls_settings host_tls_settings(const rsec_view *ca_der);

/* Starts a server in `host` with the certificates in certs/. False: something failed, nothing is left over. */
bool host_start(host *host, const host_options *options);

/* Runs `command` on the loop thread and waits for its end. */
void host_call(host *host, void (*command)(struct host *host, void *arg), void *arg);
void host_set_secret(host *host, const char *secret);    /* told to the engine for every peer */
void host_change_secret(host *host, const char *secret); /* the engine finds out when it looks a peer up */
void host_set_policy(host *host, const rsec_policy *policy);
void host_hold(host *host, bool holds); /* false answers what was held */
/* Ends service; false when the engine did not say in `grace_ns` and some seconds that it has stopped. */
bool host_stop(host *host, int64_t grace_ns);

/* Waits for `num` events of `reason`, at most some seconds; the last one's text. */
bool host_wait_event(host *host, rsec_event_reason reason, uint64_t num, char text[RSEC_EVENT_TEXT]);
/* Waits until the counter called `name` is at least `value`. */
bool host_wait_counter(host *host, const char *name, uint64_t value);
uint64_t host_counter(const host *host, const char *name);

#endif
