#define _GNU_SOURCE
#include "net/engine.h"

#include "net/clock.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/origins.h"
#include "net/wake.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 256, FDMAP_MAX = 1 << 20 };

/* What goes down to the I/O thread. */
typedef enum { DOWN_COMPLETE, DOWN_ADMIT } down_kind;

struct rsec_engine {
    rsec_io io; /* the I/O thread's; before it starts and after it was joined, the loop thread's */
    rsec_counters counters;
    pthread_t thread;
    bool is_started; /* loop thread */
    pid_t pid;       /* the process it works in */
    rsec_wake up_wake, down_wake;
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

/* --- the I/O thread --- */

/* Gives this turn's items to the loop thread; one wake-up however many they are. */
static void hand_up(rsec_engine *engine) {
    if (engine->io.up.len == 0) {
        return;
    }
    pthread_mutex_lock(&engine->up_lock);
    rsec_list_move(&engine->up, &engine->io.up);
    bool needs_signal = !engine->is_up_signalled;
    engine->is_up_signalled = true;
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
        if (link->kind == DOWN_ADMIT) {
            rsec_list_put(&admits, link, DOWN_ADMIT, link->owner);
        } else {
            rsec_list_put(&completed, link, DOWN_COMPLETE, link->owner);
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

static void empty_graveyard(rsec_io *io) {
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

static void *io_main(void *arg) {
    rsec_engine *engine = arg;
    rsec_io *io = &engine->io;
    rsec_poll_event events[EVENTS_PER_TURN];
    for (;;) {
        int num = rsec_poller_wait(io->poller, events, EVENTS_PER_TURN, next_timeout_ns(io));
        io->now_ns = rsec_now_ns();
        if (num < 0) {
            char text[64];
            (void)snprintf(text, sizeof text, "%s: errno %d", rsec_poller_name(), errno);
            rsec_io_log(io, RSEC_EVENT_ENGINE_FAILED, NULL, text);
            begin_stop(io, io->now_ns);
            num = 0;
        }
        bool has_taken = take_down(engine);
        for (int i = 0; i < num; i++) {
            dispatch(engine, &events[i], has_taken);
        }
        write_replies(io);
        hand_up(engine); /* before the handshake: Python need not wait for that */
        rsec_link *link = rsec_list_take(&io->handshakes);
        if (link != NULL) {
            rsec_conn_handshake(io, link->owner);
        }
        run_timers(io);
        if (io->is_stopping && (io->conns == NULL || io->now_ns >= io->stop_at_ns)) {
            end_connections(io);
            rsec_io_up(io, &engine->stopped_link, RSEC_UP_STOPPED, engine);
            hand_up(engine);
            return NULL;
        }
        hand_up(engine);
        empty_graveyard(io);
    }
}

/* --- the loop thread --- */

/* After a change under down_lock, which is held: gives the lock back, then wakes the I/O thread, once for all that it has
 * not looked at yet. Behind the lock for the same reason as in hand_up. */
static void unlock_and_signal_down(rsec_engine *engine) {
    atomic_store_explicit(&engine->has_down, true, memory_order_release);
    bool needs_signal = !engine->is_down_signalled;
    engine->is_down_signalled = true;
    pthread_mutex_unlock(&engine->down_lock);
    if (needs_signal) {
        rsec_wake_set(&engine->down_wake);
    }
}

static size_t fdmap_size(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > FDMAP_MAX) {
        return FDMAP_MAX;
    }
    return (size_t)limit.rlim_cur;
}

static rsec_status io_init(rsec_io *io) {
    rsec_status status = rsec_md_new(&io->md);
    if (status == RSEC_OK) {
        status = rsec_digest_new(io->md, &io->digest);
    }
    if (status == RSEC_OK) {
        status = rsec_pipe_init(&io->pipe);
    }
    if (status == RSEC_OK) {
        status = rsec_fdmap_init(&io->fds, fdmap_size());
    }
    if (status != RSEC_OK) {
        return status;
    }
    io->poller = rsec_poller_new();
    io->limiter = rsec_event_limiter_new();
    io->rx = malloc(RSEC_PIPE_RX);
    io->plain = malloc(RSEC_READ_AHEAD);
    io->pack = malloc(RSEC_RECORD_MAX);
    bool is_limited = io->settings.max_connections_per_peer != 0;
    io->origins = is_limited ? rsec_origins_new() : NULL;
    bool is_complete = io->poller != NULL && io->limiter != NULL && io->rx != NULL && io->plain != NULL &&
                       io->pack != NULL && (!is_limited || io->origins != NULL);
    return is_complete ? RSEC_OK : RSEC_NO_MEMORY;
}

static void io_clear(rsec_io *io) {
    rsec_listener_stop(io);
    free(io->listeners);
    rsec_origins_free(io->origins);
    free(io->pack);
    free(io->plain);
    free(io->rx);
    rsec_event_limiter_free(io->limiter);
    rsec_poller_free(io->poller);
    rsec_fdmap_clear(&io->fds);
    rsec_pipe_clear(&io->pipe);
    rsec_timers_clear(&io->timers);
    rsec_digest_free(io->digest);
    rsec_md_free(io->md);
    rsec_tls_unref(io->tls);
}

rsec_status rsec_engine_new(const rsec_settings *settings, const rsec_policy *policy, rsec_tls *tls,
                            rsec_engine **engine) {
    *engine = NULL;
    rsec_engine *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return RSEC_NO_MEMORY;
    }
    rsec_live_note(RSEC_LIVE_ENGINE, 1);
    made->pid = getpid();
    made->tag_wake = RSEC_TAG_WAKE;
    made->up_wake = made->down_wake = (rsec_wake){-1, -1};
    (void)pthread_mutex_init(&made->up_lock, NULL); /* a default mutex: cannot fail here */
    (void)pthread_mutex_init(&made->down_lock, NULL);
    rsec_timers_init(&made->io.timers);
    made->io.settings = *settings;
    made->io.policy = *policy;
    made->io.tls = rsec_tls_ref(tls);
    made->io.counters = &made->counters;
    made->io.events_waiting = &made->events_waiting;
    rsec_status status = io_init(&made->io);
    if (status == RSEC_OK &&
        (rsec_wake_init(&made->up_wake) != 0 || rsec_wake_init(&made->down_wake) != 0 ||
         rsec_poller_add(made->io.poller, made->down_wake.read_fd, RSEC_POLL_IN, &made->tag_wake) != 0)) {
        status = RSEC_NO_MEMORY;
    }
    if (status != RSEC_OK) {
        rsec_engine_free(made);
        return status;
    }
    *engine = made;
    return RSEC_OK;
}

int rsec_engine_start(rsec_engine *engine, const int *listeners, size_t num) {
    int err = rsec_listener_start(&engine->io, listeners, num);
    if (err != 0) {
        return err;
    }
    /* Signals are Python's affair: the new thread inherits a mask that blocks them all. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&engine->thread, NULL, io_main, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    engine->is_started = err == 0;
    return err;
}

int rsec_engine_wake_fd(const rsec_engine *engine) {
    return engine->up_wake.read_fd;
}

size_t rsec_engine_take(rsec_engine *engine, rsec_up *items, size_t cap) {
    size_t num = 0;
    pthread_mutex_lock(&engine->up_lock);
    while (num < cap) {
        rsec_link *link = rsec_list_take(&engine->up);
        if (link == NULL) {
            break;
        }
        rsec_up *up = &items[num++];
        *up = (rsec_up){.kind = (rsec_up_kind)link->kind};
        switch (up->kind) {
        case RSEC_UP_REQUEST:
            up->req = link->owner;
            break;
        case RSEC_UP_LOOKUP:
            up->peer = link->owner;
            atomic_store_explicit(&up->peer->is_asked, false, memory_order_release);
            break;
        case RSEC_UP_CLOSED:
            up->peer = link->owner;
            break;
        case RSEC_UP_EVENT:
            up->event = link->owner;
            atomic_fetch_sub_explicit(&engine->events_waiting, 1, memory_order_relaxed);
            break;
        case RSEC_UP_STOPPED:
            break;
        }
    }
    if (engine->up.len == 0 && (engine->is_up_signalled || num == 0)) {
        rsec_wake_reset(&engine->up_wake);
        engine->is_up_signalled = false;
    }
    pthread_mutex_unlock(&engine->up_lock);
    return num;
}

void rsec_engine_complete(rsec_engine *engine, rsec_request *const *reqs, size_t num) {
    if (num == 0) {
        return;
    }
    pthread_mutex_lock(&engine->down_lock);
    for (size_t i = 0; i < num; i++) {
        rsec_list_put(&engine->down, &reqs[i]->link, DOWN_COMPLETE, reqs[i]);
    }
    unlock_and_signal_down(engine);
}

void rsec_engine_admit(rsec_engine *engine, rsec_peer *peer, rsec_secret *secret) {
    pthread_mutex_lock(&engine->down_lock);
    rsec_secret_unref(peer->admitted);
    peer->admitted = rsec_secret_ref(secret);
    if (!peer->down_admit.is_linked) {
        rsec_list_put(&engine->down, &peer->down_admit, DOWN_ADMIT, rsec_peer_ref(peer));
    }
    unlock_and_signal_down(engine);
}

void rsec_engine_set_policy(rsec_engine *engine, const rsec_policy *policy) {
    pthread_mutex_lock(&engine->down_lock);
    engine->policy = *policy;
    engine->has_policy = true;
    unlock_and_signal_down(engine);
}

void rsec_engine_stop(rsec_engine *engine, int64_t grace_ns) {
    int64_t stop_at_ns = rsec_now_ns() + grace_ns;
    pthread_mutex_lock(&engine->down_lock);
    if (!engine->is_stop_wanted || stop_at_ns < engine->stop_at_ns) {
        engine->stop_at_ns = stop_at_ns;
    }
    engine->is_stop_wanted = true;
    unlock_and_signal_down(engine);
}

const rsec_counters *rsec_engine_counters(const rsec_engine *engine) {
    return &engine->counters;
}

void rsec_engine_free_event(rsec_event *event) {
    free(event);
}

/* Frees what is left in the queues and of the connections, once no other thread is there. */
static void discard(rsec_engine *engine) {
    rsec_up up;
    while (rsec_engine_take(engine, &up, 1) == 1) {
        rsec_request_free(up.req);
        rsec_peer_unref(up.peer);
        rsec_engine_free_event(up.event);
    }
    for (rsec_link *link; (link = rsec_list_take(&engine->down)) != NULL;) {
        if (link->kind == DOWN_COMPLETE) {
            rsec_request_free(link->owner);
        } else {
            rsec_peer_unref(link->owner);
        }
    }
    rsec_io *io = &engine->io;
    for (rsec_conn *conn = io->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        for (rsec_link *link; (link = rsec_list_take(&conn->waiting)) != NULL;) {
            rsec_request_free(link->owner);
        }
        for (rsec_link *link; (link = rsec_list_take(&conn->done)) != NULL;) {
            rsec_request_free(link->owner);
        }
        /* Its other requests are with Python, and are freed from there. */
        conn->starved_link.is_linked = conn->handshake_link.is_linked = conn->dirty_link.is_linked = false;
        conn->next = io->graveyard;
        io->graveyard = conn;
    }
    io->conns = NULL;
    for (rsec_conn *conn = io->graveyard; conn != NULL; conn = conn->next) {
        conn->starved_link.is_linked = conn->handshake_link.is_linked = conn->dirty_link.is_linked = false;
    }
    empty_graveyard(io);
}

void rsec_engine_join(rsec_engine *engine) {
    if (engine->is_started && engine->pid == getpid()) {
        rsec_engine_stop(engine, 0);
        (void)pthread_join(engine->thread, NULL);
        engine->is_started = false;
    }
}

void rsec_engine_free(rsec_engine *engine) {
    if (engine == NULL || engine->pid != getpid()) {
        return; /* in a forked child the rest may be in any state, locks included: it is left to the process's end */
    }
    rsec_engine_join(engine);
    discard(engine);
    io_clear(&engine->io);
    rsec_wake_clear(&engine->up_wake);
    rsec_wake_clear(&engine->down_wake);
    pthread_mutex_destroy(&engine->up_lock);
    pthread_mutex_destroy(&engine->down_lock);
    free(engine);
    rsec_live_note(RSEC_LIVE_ENGINE, -1);
}

void rsec_engine_forked(rsec_engine *engine) {
    rsec_fdmap_close_all(&engine->io.fds);
    rsec_wake_clear(&engine->up_wake);
    rsec_wake_clear(&engine->down_wake);
    int fd = rsec_poller_fd(engine->io.poller);
    if (fd >= 0) {
        close(fd);
    }
}
