#define _GNU_SOURCE
#include "net/turn.h"

#include "net/clock.h"
#include "net/conn.h"
#include "net/listener.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_PER_TURN = 256 };

/* Whether a handshake can go on, and the loop thread is to see to it. */
static bool is_step_for_loop(const rsec_engine *engine) {
    return engine->io.handshakes.len > 0 && engine->is_loop_driven && engine->bounds.handshakes;
}

/* Whether a handshake can go on, and the I/O thread is to see to it. */
static bool is_step_for_io(const rsec_engine *engine) {
    return engine->io.handshakes.len > 0 && !is_step_for_loop(engine);
}

/* Gives this turn's items to the loop thread; one wake-up however many they are, and none when `is_expected`: then it is the
 * loop thread that runs the turn, and takes them next. Else it is woken for a handshake, too: it may have found the lock taken
 * when it came for that one. */
static void hand_up(rsec_engine *engine, bool is_expected) {
    if (engine->io.up.len == 0 && (is_expected || !is_step_for_loop(engine))) {
        return;
    }
    pthread_mutex_lock(&engine->up_lock);
    rsec_list_move(&engine->up, &engine->io.up);
    bool needs_signal = !engine->is_up_signalled && !is_expected;
    engine->is_up_signalled = engine->is_up_signalled || needs_signal;
    pthread_mutex_unlock(&engine->up_lock);
    /* Behind the lock, so that the woken thread does not find it taken. It may even have taken everything by now: then
     * it is woken for nothing once. */
    if (needs_signal) {
        rsec_wake_set(&engine->up_wake);
    }
}

static void begin_stop(rsec_io *io, int64_t stop_at_ns) {
    io->stop_at_ns = stop_at_ns;
    if (io->is_stopping) {
        return;
    }
    io->is_stopping = true;
    rsec_listener_stop(io);
    for (rsec_conn *conn = io->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state <= RSEC_CONN_HANDSHAKING) {
            rsec_conn_kill(io, conn);
        } else if (conn->state == RSEC_CONN_LINGERING) {
            rsec_conn_finish_now(io, conn);
        } else {
            rsec_conn_drain(io, conn, stop_at_ns - io->now_ns);
        }
    }
}

static void end_connections(rsec_io *io) {
    for (rsec_conn *conn = io->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state != RSEC_CONN_GONE) {
            rsec_conn_finish_now(io, conn);
        }
    }
}

/* Takes what the loop thread has put down. Whether there was anything. */
static bool take_down(rsec_engine *engine) {
    rsec_io *io = &engine->io;
    if (!atomic_exchange_explicit(&engine->has_down, false, memory_order_acquire)) {
        return false;
    }
    rsec_list down = {NULL, NULL, 0};
    pthread_mutex_lock(&engine->down_lock);
    if (engine->is_down_signalled) {
        rsec_wake_reset(&engine->down_wake);
        engine->is_down_signalled = false;
    }
    rsec_list_move(&down, &engine->down);
    bool was_raw = io->policy.raw;
    if (engine->has_policy) {
        io->policy = engine->policy;
        engine->has_policy = false;
    }
    bool is_stop_wanted = engine->is_stop_wanted;
    int64_t stop_at_ns = engine->stop_at_ns;
    /* The look-ups' outcomes are taken out here, since their peers' fields are under this lock. */
    rsec_list admits = {NULL, NULL, 0}, completed = {NULL, NULL, 0};
    for (rsec_link *link; (link = rsec_list_take(&down)) != NULL;) {
        if (link->kind == RSEC_DOWN_ADMIT) {
            rsec_list_put(&admits, link, RSEC_DOWN_ADMIT, link->owner);
        } else {
            rsec_list_put(&completed, link, RSEC_DOWN_COMPLETE, link->owner);
        }
    }
    pthread_mutex_unlock(&engine->down_lock);

    for (;;) {
        pthread_mutex_lock(&engine->down_lock);
        rsec_link *link = rsec_list_take(&admits);
        rsec_peer *peer = link != NULL ? link->owner : NULL;
        rsec_secret *secret = NULL;
        if (peer != NULL) {
            secret = peer->admitted;
            peer->admitted = NULL;
        }
        pthread_mutex_unlock(&engine->down_lock);
        if (peer == NULL) {
            break;
        }
        if (peer->conn != NULL) {
            rsec_conn_admit(io, peer->conn, secret);
        } else {
            rsec_secret_unref(secret);
        }
        rsec_peer_unref(peer);
    }
    if (was_raw && !io->policy.raw) {
        /* Raw connections belong to anybody and have no secret: nothing is read from them before their host is known. */
        for (rsec_conn *conn = io->conns, *next; conn != NULL; conn = next) {
            next = conn->next;
            rsec_conn_doubt(io, conn);
        }
    }
    for (rsec_link *link; (link = rsec_list_take(&completed)) != NULL;) {
        rsec_conn_complete(io, link->owner);
    }
    if (is_stop_wanted) {
        begin_stop(io, stop_at_ns);
    }
    return true;
}

/* After a signal behind which there was nothing: what it was for had been taken before it was given. */
static void forget_signal(rsec_engine *engine) {
    pthread_mutex_lock(&engine->down_lock);
    if (!engine->is_down_signalled) {
        rsec_wake_reset(&engine->down_wake);
    }
    pthread_mutex_unlock(&engine->down_lock);
}

static void run_timers(rsec_io *io) {
    for (rsec_timer *timer; (timer = rsec_timers_first(&io->timers)) != NULL && timer->at_ns <= io->now_ns;) {
        if (timer == &io->accept_timer) {
            rsec_listener_resume(io);
        } else {
            rsec_conn_on_timer(io, timer->owner);
        }
    }
}

/* Writes finished replies, and gives the server's free slots to the connections that wait for one, in turn. */
static void write_replies(rsec_io *io) {
    do {
        for (rsec_link *link; (link = rsec_list_take(&io->dirty)) != NULL;) {
            rsec_conn_write_done(io, link->owner);
        }
        for (rsec_link *link;
             io->in_flight < io->settings.max_in_flight_total && (link = rsec_list_take(&io->starved)) != NULL;) {
            rsec_conn *conn = link->owner;
            rsec_conn_take_turn(io, conn);
            rsec_conn_resume(io, conn);
        }
    } while (io->dirty.len > 0);
}

void rsec_turn_empty_graveyard(rsec_io *io) {
    rsec_conn *later = NULL;
    while (io->graveyard != NULL) {
        rsec_conn *conn = io->graveyard;
        io->graveyard = conn->next;
        if (conn->starved_link.is_linked || conn->handshake_link.is_linked || conn->dirty_link.is_linked) {
            conn->next = later;
            later = conn;
            continue;
        }
        rsec_peer_unref(conn->peer);
        free(conn);
        rsec_live_note(RSEC_LIVE_CONN, -1);
    }
    io->graveyard = later;
}

static int64_t next_timeout_ns(const rsec_io *io) {
    if (io->handshakes.len > 0 || io->dirty.len > 0) {
        return 0;
    }
    int64_t at = io->is_stopping ? io->stop_at_ns : -1;
    const rsec_timer *timer = rsec_timers_first(&io->timers);
    if (timer != NULL && (at < 0 || timer->at_ns < at)) {
        at = timer->at_ns;
    }
    if (at < 0) {
        return -1;
    }
    int64_t now_ns = rsec_now_ns();
    return at > now_ns ? at - now_ns : 0;
}

static void dispatch(rsec_engine *engine, const rsec_poll_event *event, bool has_taken) {
    rsec_io *io = &engine->io;
    switch (*(const int *)event->data) {
    case RSEC_TAG_CONN:
        rsec_conn_on_event(io, event->data, event->events);
        break;
    case RSEC_TAG_LISTENER:
        rsec_listener_accept(io, event->data);
        break;
    default: /* RSEC_TAG_WAKE: take_down has looked already */
        if (!has_taken) {
            forget_signal(engine);
        }
        break;
    }
}

/* --- who runs the turns --- */

enum { CALM_TURNS = 8 /* in a row before the loop thread drives */ };
#define CALM_GAP_NS RSEC_NS_PER_MS /* between two turns, at most */

rsec_turn_bounds rsec_turn_bounds_here(void) {
    static const rsec_turn_bounds alone = {
        .calm_packets = 256, .packets = 1024, .sockets = 256, .replies = 256, .handshakes = true};
    static const rsec_turn_bounds beside = {.calm_packets = 4, .packets = 8, .sockets = 8, .replies = 8};
#ifdef __linux__
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1) {
        return alone;
    }
#endif
    return beside;
}

/* Whether the handlers had nothing to do when this turn's requests, not too many, came up. */
static bool is_calm(const rsec_engine *engine, uint64_t packets, uint64_t requests) {
    const rsec_io *io = &engine->io;
    return requests > 0 && packets <= engine->bounds.calm_packets && io->in_flight == requests &&
           (io->handshakes.len == 0 || engine->bounds.handshakes) && !io->is_stopping;
}

static void drive_by_loop(rsec_engine *engine) {
    engine->is_loop_driven = true;
    rsec_watch_switch(&engine->watch, true);
}

static void drive_by_io(rsec_engine *engine) {
    engine->calm = 0;
    engine->is_loop_driven = false;
    rsec_watch_switch(&engine->watch, false);
}

/* After a turn of the I/O thread's, in which `packets` came in: shall the loop thread run the next ones? */
static void consider_loop(rsec_engine *engine, uint64_t packets, uint64_t requests, int64_t since_ns) {
    if (requests == 0 && packets <= engine->bounds.calm_packets) {
        return; /* says nothing: it only wrote replies, as a rule */
    }
    if (!is_calm(engine, packets, requests) || since_ns > CALM_GAP_NS) {
        engine->calm = 0;
    } else if (++engine->calm >= CALM_TURNS) {
        drive_by_loop(engine);
    }
}

static uint64_t count_of(const atomic_uint_fast64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* While the loop thread drives: waits for a tick, or for something to be put down. turn_lock is held but for that. */
static void look_in(rsec_engine *engine) {
    rsec_io *io = &engine->io;
    uint64_t turns = count_of(&engine->counters.turns_by_loop);
    struct pollfd down = {.fd = engine->down_wake.read_fd, .events = POLLIN};
    pthread_mutex_unlock(&engine->turn_lock);
    int num = poll(&down, 1, (int)(RSEC_TICK_NS / RSEC_NS_PER_MS));
    pthread_mutex_lock(&engine->turn_lock);
    if (!engine->is_loop_driven) {
        return; /* given back by the loop thread */
    }
    if (num != 0 || turns == count_of(&engine->counters.turns_by_loop)) {
        rsec_turn_empty_graveyard(io); /* before a wait that may be long */
        drive_by_io(engine);
        return;
    }
    io->now_ns = rsec_now_ns();
    run_timers(io);
    write_replies(io); /* a connection that a timer ended gives its slots back */
    hand_up(engine, false);
    rsec_turn_empty_graveyard(io);
}

/* The part of a turn that both threads run: news from above and from `num` descriptors, then replies. */
static void exchange(rsec_engine *engine, const rsec_poll_event *events, int num) {
    rsec_io *io = &engine->io;
    bool has_taken = take_down(engine);
    for (int i = 0; i < num; i++) {
        dispatch(engine, &events[i], has_taken);
    }
    write_replies(io);
}

/* The step of one handshake that a turn may bring. */
static void step_handshake(rsec_io *io) {
    rsec_link *link = rsec_list_take(&io->handshakes);
    if (link != NULL) {
        rsec_conn_handshake(io, link->owner);
    }
}

void *rsec_turn_main(void *arg) {
    rsec_engine *engine = arg;
    rsec_io *io = &engine->io;
    rsec_poll_event events[EVENTS_PER_TURN];
    pthread_mutex_lock(&engine->turn_lock);
    for (;;) {
        if (engine->is_loop_driven) {
            look_in(engine);
            continue;
        }
        int64_t timeout_ns = next_timeout_ns(io);
        engine->waiting_until_ns = timeout_ns < 0 ? INT64_MAX : rsec_now_ns() + timeout_ns;
        pthread_mutex_unlock(&engine->turn_lock);
        int num = rsec_poller_wait(io->poller, events, EVENTS_PER_TURN, timeout_ns);
        int err = errno;
        pthread_mutex_lock(&engine->turn_lock);
        engine->waiting_until_ns = 0;
        io->now_ns = rsec_now_ns();
        int64_t since_ns = io->now_ns - engine->turned_ns;
        if (num < 0) {
            char text[64];
            (void)snprintf(text, sizeof text, "%s: errno %d", rsec_poller_name(), err);
            rsec_io_log(io, RSEC_EVENT_ENGINE_FAILED, NULL, text);
            begin_stop(io, io->now_ns);
            num = 0;
        }
        uint64_t packets = count_of(&io->counters->packets_received);
        uint64_t requests = count_of(&io->counters->requests_to_python);
        exchange(engine, events, num);
        consider_loop(engine, count_of(&io->counters->packets_received) - packets,
                      count_of(&io->counters->requests_to_python) - requests, since_ns);
        hand_up(engine, false); /* before the handshake: Python need not wait for that */
        step_handshake(io);
        run_timers(io);
        if (io->is_stopping && (io->conns == NULL || io->now_ns >= io->stop_at_ns)) {
            end_connections(io);
            rsec_io_up(io, &engine->stopped_link, RSEC_UP_STOPPED, engine);
            hand_up(engine, false);
            engine->has_ended = true;
            pthread_mutex_unlock(&engine->turn_lock);
            return NULL;
        }
        hand_up(engine, false);
        rsec_turn_empty_graveyard(io);
        engine->turned_ns = rsec_now_ns();
    }
}

/* --- the loop thread --- */

void rsec_turn_unlock_and_signal(rsec_engine *engine) {
    atomic_store_explicit(&engine->has_down, true, memory_order_release);
    bool needs_signal = !engine->is_down_signalled;
    engine->is_down_signalled = true;
    pthread_mutex_unlock(&engine->down_lock);
    if (needs_signal) { /* behind the lock for the same reason as in hand_up */
        rsec_wake_set(&engine->down_wake);
    }
}

/* Wakes the I/O thread from its wait. */
static void call_io(rsec_engine *engine) {
    pthread_mutex_lock(&engine->down_lock);
    rsec_turn_unlock_and_signal(engine);
}

bool rsec_turn_by_loop(rsec_engine *engine) {
    rsec_io *io = &engine->io;
    rsec_poll_event events[EVENTS_PER_TURN];
    bool is_step_left = false;
    if (pthread_mutex_trylock(&engine->turn_lock) != 0) {
        return false; /* being run */
    }
    if (engine->is_loop_driven) {
        if (io->handshakes.len > 0) { /* found by an earlier turn, the requests of which have been served */
            io->now_ns = rsec_now_ns();
            step_handshake(io);
        }
        int num = rsec_poller_wait(io->poller, events, (int)engine->bounds.sockets, 0);
        io->now_ns = rsec_now_ns();
        uint64_t packets = count_of(&io->counters->packets_received);
        exchange(engine, events, num < 0 ? 0 : num);
        packets = count_of(&io->counters->packets_received) - packets;
        rsec_count(&io->counters->turns_by_loop, 1);
        hand_up(engine, true);
        bool is_much = num == (int)engine->bounds.sockets || packets > engine->bounds.packets;
        if (num < 0 || is_much || is_step_for_io(engine) || io->is_stopping) {
            drive_by_io(engine);
            call_io(engine);
        }
        is_step_left = is_step_for_loop(engine);
        rsec_turn_empty_graveyard(io);
    }
    pthread_mutex_unlock(&engine->turn_lock);
    return is_step_left;
}

/* Whether something is left that the I/O thread does not know of in its wait. */
static bool needs_io(const rsec_engine *engine) {
    const rsec_io *io = &engine->io;
    const rsec_timer *timer = rsec_timers_first(&io->timers);
    bool is_unknown = timer != NULL && timer->at_ns < engine->waiting_until_ns;
    return is_step_for_io(engine) || io->is_stopping ||
           (!engine->is_loop_driven && (io->graveyard != NULL || is_unknown));
}

void rsec_turn_unlock_and_exchange(rsec_engine *engine, size_t num) {
    /* An I/O thread that was called is on its way, and writes them: a turn of ours would take the signal away that it may
     * not have seen yet. The lock is tried, not waited for: the order of the two is the other one elsewhere. */
    if (num > engine->bounds.replies || engine->is_down_signalled || pthread_mutex_trylock(&engine->turn_lock) != 0) {
        rsec_turn_unlock_and_signal(engine);
        return;
    }
    if (engine->has_ended) { /* a turn could put something up behind the last item */
        pthread_mutex_unlock(&engine->turn_lock);
        rsec_turn_unlock_and_signal(engine);
        return;
    }
    atomic_store_explicit(&engine->has_down, true, memory_order_release);
    pthread_mutex_unlock(&engine->down_lock);
    engine->io.now_ns = rsec_now_ns();
    exchange(engine, NULL, 0);
    hand_up(engine, false);
    /* The graveyard is not emptied: events that the I/O thread has got from the poller may name what lies there. */
    if (needs_io(engine)) {
        call_io(engine);
    }
    pthread_mutex_unlock(&engine->turn_lock);
}
