/* rsec_engine: a RADIUS/TLS server's I/O thread, and the two queues between it and the thread that runs handlers.
 *
 * Threads. The I/O thread has listeners, connections, TLS and deadlines. "The loop thread" is whichever thread calls the
 * functions below; it must be one thread at a time. The I/O thread never calls out: it puts work into the upward queue and
 * makes rsec_engine_wake_fd readable, once per batch. Signals are blocked in it. When little is going on, the loop thread
 * does in rsec_engine_take and rsec_engine_complete what the I/O thread would have to be woken for (turn.h).
 *
 * Life: new -> start -> (take, complete, admit ...) -> stop -> an RSEC_UP_STOPPED item -> free. free without stop ends
 * connections at once.
 */
#ifndef RSEC_NET_ENGINE_H
#define RSEC_NET_ENGINE_H

#include "net/counters.h"
#include "net/event.h"
#include "net/peer.h"
#include "net/request.h"
#include "net/settings.h"
#include "net/tls.h"

typedef struct rsec_engine rsec_engine;

/* A stopped engine in *engine. `tls` is referenced. RSEC_NO_MEMORY, RSEC_CRYPTO; *engine is NULL on failure. */
RSEC_CHECK rsec_status rsec_engine_new(const rsec_settings *settings, const rsec_policy *policy, rsec_tls *tls,
                                       rsec_engine **engine);

/* Takes over `num` listening, non-blocking, close-on-exec stream sockets (owned by the engine from here on, also on
 * failure) and starts the I/O thread. 0, or an errno value. Once per engine. */
RSEC_CHECK int rsec_engine_start(rsec_engine *engine, const int *listeners, size_t num);

/* Readable whenever rsec_engine_take has something to give, or to do. Borrowed; valid until free. */
int rsec_engine_wake_fd(const rsec_engine *engine);

typedef enum {
    RSEC_UP_REQUEST, /* run its handler, then rsec_engine_complete */
    RSEC_UP_LOOKUP, /* look the peer's host up, then rsec_engine_admit: on accept, once more before a peer is closed for a
                      * failed authenticator, and once a second while it sends */
    RSEC_UP_CLOSED,  /* the peer's connection has ended: the last item about it but for requests still in flight */
    RSEC_UP_EVENT,   /* for the log; free with rsec_engine_free_event */
    RSEC_UP_STOPPED, /* after rsec_engine_stop: every connection has ended, the I/O thread ends; the last item of all */
} rsec_up_kind;

typedef struct {
    rsec_up_kind kind;
    rsec_request *req; /* RSEC_UP_REQUEST: the caller's to complete */
    rsec_peer *peer;   /* RSEC_UP_LOOKUP, RSEC_UP_CLOSED: a reference that the caller drops (rsec_peer_unref) */
    rsec_event *event; /* RSEC_UP_EVENT */
} rsec_up;

/* Takes up to `cap` items, in the order they were put; returns how many. wake_fd stays readable
 * until it has given everything. */
size_t rsec_engine_take(rsec_engine *engine, rsec_up *items, size_t cap);

/* Gives requests back, answered (req->reply set) or not, `num` of them, in order; the engine signs what is unsigned,
 * sends or discards the replies and frees the requests. One wake-up of the I/O thread at most, none for a few requests
 * when that thread has nothing else to do. */
void rsec_engine_complete(rsec_engine *engine, rsec_request *const *reqs, size_t num);

/* The outcome of a look-up: the host's secret (a reference is taken), or NULL when the peer is not (any more) a client
 * of ours. May also be called unasked when a secret has changed: it counts from the next packet on. */
void rsec_engine_admit(rsec_engine *engine, rsec_peer *peer, rsec_secret *secret);

/* Replaces the policy for packets read from now on. */
void rsec_engine_set_policy(rsec_engine *engine, const rsec_policy *policy);

/* Stops accepting and reading, lets requests in flight finish for at most grace_ns, sends their replies, then close_notify
 * and FIN. A second call may only shorten the time. RSEC_UP_STOPPED follows. */
void rsec_engine_stop(rsec_engine *engine, int64_t grace_ns);

/* Any thread. */
const rsec_counters *rsec_engine_counters(const rsec_engine *engine);

void rsec_engine_free_event(rsec_event *event);

/* Ends connections at once and joins the I/O thread. Until then that thread looks at requests that were taken and not
 * completed: whoever means to free such ones calls this first. Twice is harmless. */
void rsec_engine_join(rsec_engine *engine);

/* Joins the I/O thread, ending connections at once when it still runs, and frees everything the engine holds,requests in
 * flight excepted: those taken and not completed are freed by rsec_request_free, after rsec_engine_join. NULL is allowed. */
void rsec_engine_free(rsec_engine *engine);

/* In the child after fork: closes this process's copies of the sockets without a word to any peer and leaves the rest of
 * the engine as it is, dead; every other function but rsec_engine_free must not be called any more, and free does nothing
 * but release what can be released safely. Async-signal-safe. */
void rsec_engine_forked(rsec_engine *engine);

#endif
