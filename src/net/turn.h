/* One turn of the engine: news of the sockets in, requests up to the loop thread, replies down and out. And the engine's
 * fields, which only turn.c and engine.c know.
 *
 * A turn is run by whoever holds `turn_lock`, and with it rsec_io:
 *
 * - The I/O thread as a rule. It lets the lock go only to wait for the poller.
 * - The loop thread, when it gives few requests back and finds the I/O thread waiting: it writes the replies itself, which
 *   saves waking another thread.
 * - The loop thread alone, while the engine is "loop-driven": requests have been coming a few at a time (any number where
 *   there is only one processor) to handlers that had nothing else to do, so that a second thread in between would only cost
 *   the time to wake it. The event loop then watches the poller (watch.h). The I/O thread looks in every RSEC_TICK_NS: when
 *   the loop thread has not run a turn since the last look, because nothing has come or because a handler keeps it from
 *   coming, the I/O thread takes the sockets back and waits for them as before. It gets them back at once when more comes
 *   than the loop thread should do by itself.
 *
 * The loop thread only ever tries the lock: handlers do not wait for a handshake of the I/O thread's. Where both have but one
 * processor they would wait all the same, for a time slice of the scheduler's, which is longer than a handshake takes: there
 * the loop thread makes handshakes itself, a step of one in each turn.
 */
#ifndef RSEC_NET_TURN_H
#define RSEC_NET_TURN_H

#include "net/engine.h"
#include "net/io.h"
#include "net/wake.h"
#include "net/watch.h"

#include <pthread.h>
#include <sys/types.h>

#define RSEC_TICK_NS (2 * RSEC_NS_PER_MS)

/* What goes down to the I/O thread. */
typedef enum { RSEC_DOWN_COMPLETE, RSEC_DOWN_ADMIT } rsec_down_kind;

/* Up to where the loop thread does the I/O thread's work. */
typedef struct {
    size_t calm_packets; /* received in one turn, whoever answers them: more, and it does not begin to drive */
    size_t packets;      /* the same: more, and it does not go on */
    size_t sockets;      /* with news, that it looks at in one turn: as many, and it does not go on; at most 256 */
    size_t replies;      /* given back together: more, and the I/O thread writes them */
    bool handshakes;     /* those, too */
} rsec_turn_bounds;

struct rsec_engine {
    pthread_mutex_t turn_lock;
    rsec_io io;          /* under turn_lock; before the I/O thread starts and after it was joined, the loop thread's */
    bool is_loop_driven; /* under turn_lock, as the next four */
    rsec_turn_bounds bounds;  /* since the start */
    bool has_ended;           /* RSEC_UP_STOPPED was put up: no turn follows */
    unsigned calm;            /* turns in a row after which the engine could have been loop-driven */
    int64_t turned_ns;        /* when the I/O thread's last turn ended */
    int64_t waiting_until_ns; /* when the I/O thread's wait ends by itself */

    rsec_counters counters;
    pthread_t thread;
    bool is_started; /* loop thread */
    pid_t pid;       /* the process it works in */
    rsec_wake up_wake, down_wake;
    rsec_watch watch;
    int tag_wake; /* RSEC_TAG_WAKE: what the poller knows down_wake by */
    rsec_link stopped_link;
    atomic_size_t events_waiting;

    pthread_mutex_t up_lock;
    rsec_list up;         /* under up_lock */
    bool is_up_signalled; /* under up_lock: up_wake is readable */

    pthread_mutex_t down_lock;
    rsec_list down; /* the rest under down_lock */
    bool is_down_signalled;
    bool has_policy;
    rsec_policy policy;
    bool is_stop_wanted;
    int64_t stop_at_ns;
    atomic_bool has_down; /* anything of the above is new: looked at once a turn without the lock */
};

/* For the processors that the calling thread may run on: a few packets while there is another one for the I/O thread, as many
 * as come when there is none, since a second thread would then only take turns with the first. */
rsec_turn_bounds rsec_turn_bounds_here(void);

/* The I/O thread; `arg` is the engine. */
void *rsec_turn_main(void *arg);

/* The loop thread's turn, when the engine is loop-driven; what there is to take is in engine->up afterwards. Whether the loop
 * thread is to come back at once, for a handshake that can go on. */
RSEC_CHECK bool rsec_turn_by_loop(rsec_engine *engine);

/* Gives down_lock back, which is held, after `num` finished requests, or something else, were put under it: if they are few
 * and nobody runs a turn it is taken, and replies are written, at once; else the I/O thread is woken to do so. */
void rsec_turn_unlock_and_exchange(rsec_engine *engine, size_t num);

/* Frees connections that have ended; turn_lock held, or no I/O thread. */
void rsec_turn_empty_graveyard(rsec_io *io);

/* Gives down_lock back, which is held, after something was put under it, and wakes the I/O thread: once for all that it has
 * not looked at yet. */
void rsec_turn_unlock_and_signal(rsec_engine *engine);

#endif
