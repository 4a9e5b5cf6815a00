#define _GNU_SOURCE
#include "net/listener.h"

#include "net/clock.h"
#include "net/conn.h"
#include "net/origins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64 };
#define ACCEPT_PAUSE_NS (RSEC_NS_PER_S / 10)

int rsec_listener_start(rsec_io *io, const int *fds, size_t num) {
    int err = 0;
    io->listeners = calloc(num > 0 ? num : 1, sizeof *io->listeners);
    if (io->listeners == NULL || rsec_timers_reserve(&io->timers, 2) != RSEC_OK) {
        err = ENOMEM;
    }
    for (size_t i = 0; i < num; i++) {
        if (err == 0) {
            rsec_listener *listener = &io->listeners[i];
            *listener = (rsec_listener){.tag = RSEC_TAG_LISTENER, .fd = fds[i]};
            err = rsec_poller_add(io->poller, fds[i], RSEC_POLL_IN, listener);
        }
        if (err == 0) {
            io->listeners_num = i + 1;
            rsec_fdmap_put(&io->fds, fds[i]);
        } else {
            close(fds[i]);
        }
    }
    return err;
}

void rsec_listener_stop(rsec_io *io) {
    for (size_t i = 0; i < io->listeners_num; i++) {
        rsec_poller_remove(io->poller, io->listeners[i].fd);
        rsec_fdmap_drop(&io->fds, io->listeners[i].fd);
        close(io->listeners[i].fd);
    }
    io->listeners_num = 0; /* the blocks stay: this turn's events may still name them */
    rsec_timers_unset(&io->timers, &io->accept_timer);
    io->is_accept_paused = false;
}

static void set_interest(rsec_io *io, unsigned events) {
    for (size_t i = 0; i < io->listeners_num; i++) {
        /* Changing what is watched for already cannot fail for want of memory. */
        if (rsec_poller_change(io->poller, io->listeners[i].fd, events, &io->listeners[i]) != 0) {
            rsec_io_log(io, RSEC_EVENT_ENGINE_FAILED, NULL, "listener cannot be watched");
        }
    }
}

void rsec_listener_resume(rsec_io *io) {
    if (io->is_accept_paused) {
        io->is_accept_paused = false;
        rsec_timers_unset(&io->timers, &io->accept_timer);
        set_interest(io, RSEC_POLL_IN);
    }
}

/* Without descriptors or memory the listener would be readable for ever: look away for a moment, or until a connection
 * ends. */
static void pause_accepting(rsec_io *io, int err) {
    char text[RSEC_EVENT_TEXT];
    (void)snprintf(text, sizeof text, "accept: %s; trying again in %lld ms", strerror(err),
                   (long long)(ACCEPT_PAUSE_NS / RSEC_NS_PER_MS));
    rsec_io_log(io, RSEC_EVENT_ACCEPT_PAUSED, NULL, text);
    io->is_accept_paused = true;
    set_interest(io, 0);
    rsec_timers_set(&io->timers, &io->accept_timer, io->now_ns + ACCEPT_PAUSE_NS, NULL);
}

/* max_new_connections_per_s, as a bucket of tokens that holds one second's worth. */
static bool take_token(rsec_io *io) {
    double rate = io->settings.max_new_connections_per_s;
    if (rate <= 0) {
        return true;
    }
    double burst = rate > 1 ? rate : 1;
    if (io->accept_tokens_ns == 0) {
        io->accept_tokens = burst;
    } else {
        io->accept_tokens += rate * (double)(io->now_ns - io->accept_tokens_ns) / (double)RSEC_NS_PER_S;
    }
    io->accept_tokens_ns = io->now_ns;
    if (io->accept_tokens > burst) {
        io->accept_tokens = burst;
    }
    if (io->accept_tokens < 1) {
        return false;
    }
    io->accept_tokens -= 1;
    return true;
}

static void refuse(rsec_io *io, int fd, const struct sockaddr *remote, socklen_t remote_len, const char *text) {
    rsec_peer *peer = rsec_peer_new(remote, remote_len, remote, 0);
    rsec_io_log(io, RSEC_EVENT_REFUSED_LIMIT, peer, text);
    rsec_peer_unref(peer);
    close(fd);
}

static void admit(rsec_io *io, int fd, const struct sockaddr *remote, socklen_t remote_len) {
    const rsec_settings *settings = &io->settings;
    char text[RSEC_EVENT_TEXT], address[RSEC_ADDRESS_TEXT];
    uint16_t port;
    rsec_peer_address_text(remote, remote_len, address, &port);
    rsec_count(&io->counters->connections_accepted, 1);
    if (settings->max_connections != 0 && io->conns_num >= settings->max_connections) {
        (void)snprintf(text, sizeof text, "max_connections %zu", settings->max_connections);
        refuse(io, fd, remote, remote_len, text);
        return;
    }
    if (!take_token(io)) {
        (void)snprintf(text, sizeof text, "max_new_connections_per_s %g", settings->max_new_connections_per_s);
        refuse(io, fd, remote, remote_len, text);
        return;
    }
    if (io->origins != NULL) {
        rsec_status status = rsec_origins_add(io->origins, address, settings->max_connections_per_peer);
        if (status != RSEC_OK) {
            (void)snprintf(text, sizeof text, "max_connections_per_peer %zu", settings->max_connections_per_peer);
            refuse(io, fd, remote, remote_len, status == RSEC_TOO_LONG ? text : rsec_status_text(status));
            return;
        }
    }
    if (settings->max_handshakes != 0 && io->half_open >= settings->max_handshakes) {
        rsec_io_log(io, RSEC_EVENT_HANDSHAKE_EVICTED, io->oldest_half_open->peer, NULL);
        rsec_conn_kill(io, io->oldest_half_open);
    }
    if (rsec_conn_new(io, fd, remote, remote_len) == NULL) {
        rsec_listener_forget(io, address);
    }
}

void rsec_listener_forget(rsec_io *io, const char *address) {
    if (io->origins != NULL) {
        rsec_origins_drop(io->origins, address);
    }
}

static int accept_one(int fd, struct sockaddr_storage *remote, socklen_t *len) {
    *len = sizeof *remote;
#ifdef __linux__
    return accept4(fd, (struct sockaddr *)remote, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int conn_fd = accept(fd, (struct sockaddr *)remote, len);
    if (conn_fd >= 0 && (fcntl(conn_fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(conn_fd, F_SETFL, O_NONBLOCK) != 0)) {
        int err = errno;
        close(conn_fd);
        errno = err;
        return -1;
    }
    return conn_fd;
#endif
}

void rsec_listener_accept(rsec_io *io, rsec_listener *listener) {
    for (int i = 0; i < ACCEPTS_PER_TURN && io->listeners_num > 0 && !io->is_accept_paused; i++) {
        struct sockaddr_storage remote;
        socklen_t remote_len;
        int fd = accept_one(listener->fd, &remote, &remote_len);
        if (fd >= 0) {
            admit(io, fd, (struct sockaddr *)&remote, remote_len);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(io, errno);
            return;
        }
        if (errno == EAGAIN) {
            return;
        }
        /* EINTR, ECONNABORTED and the network errors that accept(2) passes on concern one connection, not the listener. */
    }
}
