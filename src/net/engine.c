#define _GNU_SOURCE
#include "net/engine.h"

#include "net/clock.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/origins.h"
#include "net/turn.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FDMAP_MAX = 1 << 20 };

static size_t fdmap_size(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > FDMAP_MAX) {
        return FDMAP_MAX;
    }
    return (size_t)limit.rlim_cur;
}

static rsec_status io_init(rsec_io *io) {
    rsec_status status = rsec_digest_new(&io->digest);
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
    made->watch = (rsec_watch){-1, -1};
    (void)pthread_mutex_init(&made->turn_lock, NULL); /* a default mutex: cannot fail here */
    (void)pthread_mutex_init(&made->up_lock, NULL);
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
         rsec_watch_init(&made->watch, &made->up_wake, made->io.poller) != 0 ||
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
    if (rsec_watch_is_switchable(&engine->watch)) { /* else the loop thread does nothing of it */
        engine->bounds = rsec_turn_bounds_here();
    }
    /* Signals are Python's affair: the new thread inherits a mask that blocks them all. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&engine->thread, NULL, rsec_turn_main, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    engine->is_started = err == 0;
    return err;
}

int rsec_engine_wake_fd(const rsec_engine *engine) {
    return engine->watch.fd;
}

size_t rsec_engine_take(rsec_engine *engine, rsec_up *items, size_t cap) {
    size_t num = 0;
    bool has_more = rsec_turn_by_loop(engine);
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
    has_more = has_more || engine->up.len > 0;
    if (!has_more && (engine->is_up_signalled || num == 0)) {
        rsec_wake_reset(&engine->up_wake);
        engine->is_up_signalled = false;
    } else if (has_more && !engine->is_up_signalled) {
        rsec_wake_set(&engine->up_wake); /* this thread's own turn found more than `cap`, or left a handshake */
        engine->is_up_signalled = true;
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
        rsec_list_put(&engine->down, &reqs[i]->link, RSEC_DOWN_COMPLETE, reqs[i]);
    }
    rsec_turn_unlock_and_exchange(engine, num);
}

void rsec_engine_admit(rsec_engine *engine, rsec_peer *peer, rsec_secret *secret) {
    pthread_mutex_lock(&engine->down_lock);
    rsec_secret_unref(peer->admitted);
    peer->admitted = rsec_secret_ref(secret);
    if (!peer->down_admit.is_linked) {
        rsec_list_put(&engine->down, &peer->down_admit, RSEC_DOWN_ADMIT, rsec_peer_ref(peer));
    }
    if (engine->bounds.handshakes) { /* the next of which may be this thread's to make */
        rsec_turn_unlock_and_exchange(engine, 0);
    } else {
        rsec_turn_unlock_and_signal(engine);
    }
}

void rsec_engine_set_policy(rsec_engine *engine, const rsec_policy *policy) {
    pthread_mutex_lock(&engine->down_lock);
    engine->policy = *policy;
    engine->has_policy = true;
    rsec_turn_unlock_and_signal(engine);
}

void rsec_engine_stop(rsec_engine *engine, int64_t grace_ns) {
    int64_t stop_at_ns = rsec_now_ns() + grace_ns;
    pthread_mutex_lock(&engine->down_lock);
    if (!engine->is_stop_wanted || stop_at_ns < engine->stop_at_ns) {
        engine->stop_at_ns = stop_at_ns;
    }
    engine->is_stop_wanted = true;
    rsec_turn_unlock_and_signal(engine);
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
        if (link->kind == RSEC_DOWN_COMPLETE) {
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
    rsec_turn_empty_graveyard(io);
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
    rsec_watch_clear(&engine->watch);
    rsec_wake_clear(&engine->up_wake);
    rsec_wake_clear(&engine->down_wake);
    pthread_mutex_destroy(&engine->turn_lock);
    pthread_mutex_destroy(&engine->up_lock);
    pthread_mutex_destroy(&engine->down_lock);
    free(engine);
    rsec_live_note(RSEC_LIVE_ENGINE, -1);
}

void rsec_engine_forked(rsec_engine *engine) {
    rsec_fdmap_close_all(&engine->io.fds);
    rsec_watch_clear(&engine->watch);
    rsec_wake_clear(&engine->up_wake);
    rsec_wake_clear(&engine->down_wake);
    int fd = rsec_poller_fd(engine->io.poller);
    if (fd >= 0) {
        close(fd);
    }
}
