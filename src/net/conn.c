#define _GNU_SOURCE
#include "net/conn.h"

#include "net/clock.h"
#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

/* A NAS behind a NAT that forgot it vanishes without a word; the kernel gives up on unacknowledged data after this. */
enum { USER_TIMEOUT_MS = 60000, READS_AT_STOP = 16 };

static void set_socket_options(int fd) {
    /* None of these is worth refusing a client for, so their failure is not looked at. */
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
#ifdef TCP_USER_TIMEOUT
    const unsigned timeout_ms = USER_TIMEOUT_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
#endif
}

/* --- the list of half-open connections, by age --- */

static void enter_half_open(rsec_io *io, rsec_conn *conn) {
    conn->is_half_open = true;
    conn->newer_half_open = NULL;
    conn->older_half_open = io->newest_half_open;
    if (io->newest_half_open != NULL) {
        io->newest_half_open->newer_half_open = conn;
    } else {
        io->oldest_half_open = conn;
    }
    io->newest_half_open = conn;
    io->half_open++;
    rsec_count(&io->counters->connections_half_open, 1);
}

static void leave_half_open(rsec_io *io, rsec_conn *conn) {
    if (!conn->is_half_open) {
        return;
    }
    conn->is_half_open = false;
    if (conn->older_half_open != NULL) {
        conn->older_half_open->newer_half_open = conn->newer_half_open;
    } else {
        io->oldest_half_open = conn->newer_half_open;
    }
    if (conn->newer_half_open != NULL) {
        conn->newer_half_open->older_half_open = conn->older_half_open;
    } else {
        io->newest_half_open = conn->older_half_open;
    }
    io->half_open--;
    rsec_count(&io->counters->connections_half_open, -1);
}

/* --- birth and death --- */

rsec_conn *rsec_conn_new(rsec_io *io, int fd, const struct sockaddr *remote, socklen_t remote_len) {
    struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
    socklen_t local_len = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &local_len) != 0) {
        local_len = 0;
    }
    rsec_conn *conn = calloc(1, sizeof *conn);
    rsec_peer *peer = rsec_peer_new(remote, remote_len, (struct sockaddr *)&local, local_len);
    if (conn == NULL || peer == NULL || rsec_timers_reserve(&io->timers, io->conns_num + 2) != RSEC_OK ||
        rsec_poller_add(io->poller, fd, 0, conn) != 0) {
        rsec_io_log(io, RSEC_EVENT_NO_MEMORY, peer, NULL);
        rsec_peer_unref(peer);
        free(conn);
        close(fd);
        return NULL;
    }
    rsec_live_note(RSEC_LIVE_CONN, 1);
    set_socket_options(fd);
    rsec_fdmap_put(&io->fds, fd);
    conn->tag = RSEC_TAG_CONN;
    conn->state = RSEC_CONN_RESOLVING;
    conn->fd = fd;
    conn->peer = peer;
    peer->conn = conn;
    peer->serial = atomic_load_explicit(&io->counters->connections_accepted, memory_order_relaxed);
    conn->accepted_ns = conn->active_ns = io->now_ns;
    conn->next = io->conns;
    if (io->conns != NULL) {
        io->conns->prev = conn;
    }
    io->conns = conn;
    io->conns_num++;
    conn->is_counted = true;
    enter_half_open(io, conn);
    rsec_conn_look_up(io, conn);
    rsec_conn_update(io, conn);
    return conn;
}

void rsec_conn_bury(rsec_io *io, rsec_conn *conn) {
    if (conn->state != RSEC_CONN_GONE || conn->waiting.len > 0) {
        return; /* one with requests queued still takes memory, and counts: reconnecting must not get round the limits */
    }
    if (conn->is_counted) {
        conn->is_counted = false;
        io->conns_num--;
        rsec_listener_forget(io, conn->peer->address);
        rsec_listener_resume(io);
    }
    if (conn->in_flight > 0 || conn->is_buried) {
        return;
    }
    conn->is_buried = true;
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        io->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    conn->prev = NULL;
    conn->next = io->graveyard;
    io->graveyard = conn;
}

/* Drops the Access-Requests that wait for a slot: nobody would read the answer, and nothing else would come of them. */
static void drop_waiting_access(rsec_io *io, rsec_conn *conn) {
    rsec_list keep = {NULL, NULL, 0};
    for (rsec_link *link; (link = rsec_list_take(&conn->waiting)) != NULL;) {
        rsec_request *req = link->owner;
        if (req->octets[0] != RSEC_ACCESS_REQUEST || req->is_raw) {
            rsec_list_put(&keep, link, 0, req);
            continue;
        }
        conn->waiting_len -= rsec_request_size(req);
        rsec_count(&io->counters->requests_waiting, -1);
        rsec_count(&io->counters->requests_dropped, 1);
        rsec_conn_forget(conn, req);
        rsec_request_free(req);
    }
    conn->waiting = keep;
}

void rsec_conn_kill(rsec_io *io, rsec_conn *conn) {
    if (conn->state == RSEC_CONN_GONE) {
        return;
    }
    if (conn->is_half_open) {
        leave_half_open(io, conn);
    } else if (conn->is_counted_open) {
        rsec_count(&io->counters->connections_open, -1);
    }
    conn->state = RSEC_CONN_GONE;
    atomic_store_explicit(&conn->peer->is_gone, true, memory_order_release);
    conn->peer->conn = NULL;
    rsec_timers_unset(&io->timers, &conn->timer);
    rsec_poller_remove(io->poller, conn->fd);
    rsec_fdmap_drop(&io->fds, conn->fd);
    /* shutdown first: a forked child may hold a copy that would keep the FIN back. */
    (void)shutdown(conn->fd, SHUT_RDWR);
    close(conn->fd);
    conn->fd = -1;
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    rsec_secret_unref(conn->secret);
    conn->secret = NULL;
    free(conn->plain);
    free(conn->cipher);
    free(conn->out);
    conn->plain = conn->cipher = conn->out = NULL;
    conn->plain_len = conn->plain_cap = conn->cipher_len = conn->out_off = conn->out_len = conn->out_cap = 0;
    conn->pack_len = 0;
    io->pipe.tx_len = 0; /* what OpenSSL wrote for this connection and nobody sent */
    rsec_io_up(io, &conn->peer->up_closed, RSEC_UP_CLOSED, rsec_peer_ref(conn->peer));
    drop_waiting_access(io, conn);
    if (conn->done.len > 0 && !conn->dirty_link.is_linked) {
        rsec_list_put(&io->dirty, &conn->dirty_link, 0, conn); /* replies that waited for room give their slots back */
    }
    rsec_conn_start_waiting(io, conn);
    rsec_conn_bury(io, conn);
}

/* --- look-ups --- */

void rsec_conn_look_up(rsec_io *io, rsec_conn *conn) {
    conn->looked_up_ns = io->now_ns;
    /* One that is still on its way up will be answered with what holds then. */
    if (!atomic_exchange_explicit(&conn->peer->is_asked, true, memory_order_acquire)) {
        rsec_io_up(io, &conn->peer->up_lookup, RSEC_UP_LOOKUP, rsec_peer_ref(conn->peer));
    }
}

void rsec_conn_doubt(rsec_io *io, rsec_conn *conn) {
    if (conn->state == RSEC_CONN_OPEN || conn->state == RSEC_CONN_HANDSHAKING) {
        conn->is_in_doubt = true;
        rsec_conn_look_up(io, conn);
        rsec_conn_update(io, conn);
    }
}

static void begin_handshake(rsec_io *io, rsec_conn *conn) {
    conn->ssl = rsec_tls_accept(io->tls);
    BIO *bio = conn->ssl != NULL ? rsec_pipe_bio(&io->pipe) : NULL;
    if (bio == NULL) {
        rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, NULL);
        rsec_conn_kill(io, conn);
        return;
    }
    SSL_set_bio(conn->ssl, bio, bio);
    conn->state = RSEC_CONN_HANDSHAKING;
    rsec_conn_update(io, conn);
}

void rsec_conn_admit(rsec_io *io, rsec_conn *conn, rsec_secret *secret) {
    if (conn->state > RSEC_CONN_OPEN) {
        rsec_secret_unref(secret);
        return;
    }
    if (secret == NULL) {
        bool was_open = conn->state == RSEC_CONN_OPEN;
        rsec_io_log(io, was_open ? RSEC_EVENT_HOST_GONE : RSEC_EVENT_REFUSED_UNKNOWN_HOST, conn->peer, NULL);
        if (was_open) {
            rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
        } else {
            rsec_conn_kill(io, conn);
        }
        return;
    }
    rsec_secret_unref(conn->secret);
    conn->secret = secret;
    if (conn->state == RSEC_CONN_RESOLVING) {
        begin_handshake(io, conn);
    } else if (conn->is_in_doubt && !atomic_load_explicit(&conn->peer->is_asked, memory_order_relaxed)) {
        /* While another look-up is on its way up, this is the answer to an earlier one. */
        conn->is_in_doubt = false;
        rsec_conn_resume(io, conn);
    }
}

/* --- handshake --- */

static void enter_open(rsec_io *io, rsec_conn *conn) {
    leave_half_open(io, conn);
    rsec_count(&io->counters->handshakes_completed, 1);
    rsec_count(&io->counters->connections_open, 1);
    conn->is_counted_open = true;
    conn->state = RSEC_CONN_OPEN;
    conn->active_ns = io->now_ns;
    char text[RSEC_EVENT_TEXT];
    rsec_tls_verdict verdict = rsec_tls_authorise(io->tls, conn->ssl, text);
    if (verdict != RSEC_TLS_ADMITTED) {
        rsec_io_log(
            io, verdict == RSEC_TLS_REFUSED_FINGERPRINT ? RSEC_EVENT_REFUSED_FINGERPRINT : RSEC_EVENT_REFUSED_HANDSHAKE,
            conn->peer, text);
        rsec_conn_drain(io, conn, RSEC_REFUSAL_LINGER_NS);
        return;
    }
    if (rsec_peer_note_tls(conn->peer, conn->ssl) != RSEC_OK) {
        rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, NULL);
        rsec_conn_kill(io, conn);
        return;
    }
    rsec_io_log(io, RSEC_EVENT_CONNECTED, conn->peer, conn->peer->tls_version);
    /* The client's first packets may have come in the same segment as the end of its handshake. */
    rsec_conn_resume(io, conn);
}

void rsec_conn_handshake(rsec_io *io, rsec_conn *conn) {
    if (conn->state != RSEC_CONN_HANDSHAKING) {
        return;
    }
    ssize_t got = recv(conn->fd, io->rx, RSEC_PIPE_RX, 0);
    rsec_count(&io->counters->receive_calls, 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        rsec_conn_update(io, conn);
        return;
    }
    if (got <= 0) {
        rsec_io_log(io, RSEC_EVENT_REFUSED_HANDSHAKE, conn->peer,
                    got == 0 ? "the peer closed the connection before the handshake was done"
                             : "the peer reset the connection before the handshake was done");
        rsec_conn_kill(io, conn);
        return;
    }
    rsec_count(&io->counters->octets_received, got);
    io->pipe.rx = io->rx;
    io->pipe.rx_off = 0;
    io->pipe.rx_len = (size_t)got;
    ERR_clear_error();
    int rc = SSL_do_handshake(conn->ssl);
    int ssl_error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(conn->ssl, rc);
    if (rc == 1) {
        size_t left = io->pipe.rx_len - io->pipe.rx_off;
        if (left > 0) {
            conn->cipher = malloc(left);
            if (conn->cipher == NULL) {
                rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, NULL);
                rsec_conn_kill(io, conn);
                return;
            }
            memcpy(conn->cipher, io->rx + io->pipe.rx_off, left);
            conn->cipher_len = left;
        }
        if (rsec_conn_flush(io, conn)) {
            enter_open(io, conn);
        }
    } else if (ssl_error == SSL_ERROR_WANT_READ) {
        if (rsec_conn_flush(io, conn)) {
            rsec_conn_update(io, conn);
        }
    } else {
        char text[RSEC_EVENT_TEXT];
        rsec_tls_handshake_reason(conn->ssl, ssl_error, text);
        rsec_io_log(io, RSEC_EVENT_REFUSED_HANDSHAKE, conn->peer, text);
        /* The alert that OpenSSL wrote goes out; close_notify has no place in a handshake that failed. */
        conn->is_finished = true;
        rsec_conn_drain(io, conn, RSEC_REFUSAL_LINGER_NS);
    }
    io->pipe.rx_len = io->pipe.rx_off = 0;
}

/* --- orderly end --- */

void rsec_conn_drain(rsec_io *io, rsec_conn *conn, int64_t limit_ns) {
    if (conn->state > RSEC_CONN_OPEN) {
        return;
    }
    leave_half_open(io, conn);
    conn->state = RSEC_CONN_DRAINING;
    conn->end_ns = io->now_ns + limit_ns;
    conn->is_in_doubt = false;
    free(conn->plain);
    free(conn->cipher);
    conn->plain = conn->cipher = NULL;
    conn->plain_len = conn->plain_cap = conn->cipher_len = 0;
    conn->partial_ns = 0;
    rsec_conn_settle(io, conn);
}

/* Before a connection in LINGERING is closed: what has arrived is read, since closing with octets unread would reset the
 * connection and destroy our last words. */
static void read_out(rsec_io *io, rsec_conn *conn) {
    for (int i = 0; i < READS_AT_STOP && conn->state == RSEC_CONN_LINGERING; i++) {
        rsec_conn_receive(io, conn);
    }
}

void rsec_conn_settle(rsec_io *io, rsec_conn *conn) {
    if (conn->state == RSEC_CONN_DRAINING && conn->in_flight == 0 && conn->waiting.len == 0) {
        if (!conn->is_finished) {
            /* Replies that are still gathered for a peer that packs come before close_notify: afterwards OpenSSL writes
             * nothing more. */
            if (conn->pack_len > 0 && !rsec_conn_flush(io, conn)) {
                return;
            }
            conn->is_finished = true;
            ERR_clear_error();
            (void)SSL_shutdown(conn->ssl);
            ERR_clear_error();
        }
        if (!rsec_conn_flush(io, conn)) {
            return;
        }
        if (rsec_conn_output(conn) == 0) {
            if (conn->is_eof) {
                rsec_conn_kill(io, conn);
                return;
            }
            (void)shutdown(conn->fd, SHUT_WR);
            conn->state = RSEC_CONN_LINGERING;
            if (io->is_stopping) {
                /* Whoever waits for stop() does not wait for the peer's FIN as well. */
                read_out(io, conn);
                rsec_conn_kill(io, conn);
                return;
            }
        }
    }
    rsec_conn_update(io, conn);
}

void rsec_conn_finish_now(rsec_io *io, rsec_conn *conn) {
    if (conn->ssl != NULL && conn->is_counted_open && !conn->is_finished) {
        conn->is_finished = true;
        ERR_clear_error();
        (void)SSL_shutdown(conn->ssl);
        ERR_clear_error();
        if (!rsec_conn_flush(io, conn)) {
            return;
        }
        (void)shutdown(conn->fd, SHUT_WR);
        conn->state = RSEC_CONN_LINGERING;
    }
    read_out(io, conn);
    rsec_conn_kill(io, conn);
}

/* --- events and deadlines --- */

void rsec_conn_on_event(rsec_io *io, rsec_conn *conn, unsigned events) {
    if (conn->state == RSEC_CONN_GONE) {
        return;
    }
    if (events & RSEC_POLL_OUT) {
        if (!rsec_conn_flush(io, conn)) {
            return;
        }
        if (conn->done.len > 0 && !conn->dirty_link.is_linked) {
            rsec_list_put(&io->dirty, &conn->dirty_link, 0, conn); /* replies that waited for room */
        }
    }
    if (conn->is_paused || conn->cipher_len > 0) {
        rsec_conn_resume(io, conn); /* what has waited comes before what arrives */
    }
    if (conn->state != RSEC_CONN_GONE && (events & (RSEC_POLL_IN | RSEC_POLL_ERR))) {
        if (conn->state == RSEC_CONN_HANDSHAKING) {
            if (!conn->handshake_link.is_linked) {
                rsec_list_put(&io->handshakes, &conn->handshake_link, 0, conn);
            }
        } else if (rsec_conn_is_reading(io, conn) || conn->state == RSEC_CONN_LINGERING) {
            rsec_conn_receive(io, conn);
        } else if (events & RSEC_POLL_ERR) {
            /* Not reading, and the socket has an error or both directions are down: nothing can be sent any more. */
            rsec_io_log(io, RSEC_EVENT_RESET, conn->peer, NULL);
            rsec_conn_kill(io, conn);
        }
    }
    if (conn->state != RSEC_CONN_GONE) {
        rsec_conn_resume(io, conn);
    }
    if (conn->state != RSEC_CONN_GONE) {
        rsec_conn_settle(io, conn);
    }
}

/* The earlier of two deadlines, of which negative is none. */
static int64_t earlier(int64_t a, int64_t b) {
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int64_t after(int64_t since_ns, int64_t timeout_ns) {
    return timeout_ns < 0 ? RSEC_NO_TIMEOUT : since_ns + timeout_ns;
}

static bool is_idle(const rsec_conn *conn) {
    return conn->in_flight == 0 && conn->waiting.len == 0 && rsec_conn_output(conn) == 0;
}

static int64_t deadline(const rsec_io *io, const rsec_conn *conn) {
    int64_t at = RSEC_NO_TIMEOUT;
    switch (conn->state) {
    case RSEC_CONN_RESOLVING:
    case RSEC_CONN_HANDSHAKING:
        return after(conn->accepted_ns, io->settings.handshake_timeout_ns);
    case RSEC_CONN_OPEN:
        if (conn->blocked_ns != 0) {
            at = after(conn->blocked_ns, io->settings.write_timeout_ns);
        }
        if (conn->partial_ns != 0 && rsec_conn_is_reading(io, conn)) {
            at = earlier(at, after(conn->partial_ns, io->settings.packet_timeout_ns));
        }
        if (is_idle(conn)) {
            at = earlier(at, after(conn->active_ns, io->settings.idle_timeout_ns));
        }
        return at;
    case RSEC_CONN_DRAINING:
    case RSEC_CONN_LINGERING:
        return conn->end_ns;
    case RSEC_CONN_GONE:
        break;
    }
    return at;
}

/* Whether the peer has taken octets since the last look. The poller does not tell: it reports room in the send queue only
 * when a good part of that is free, and a peer that reads slowly would be taken for a dead one. */
static bool has_progress(rsec_conn *conn) {
#ifdef SIOCOUTQ
    int queued = 0;
    if (ioctl(conn->fd, SIOCOUTQ, &queued) == 0) {
        bool is_less = queued < conn->unacknowledged;
        conn->unacknowledged = queued;
        return is_less;
    }
#else
    (void)conn;
#endif
    return false;
}

void rsec_conn_note_blocked(rsec_io *io, rsec_conn *conn) {
    conn->blocked_ns = io->now_ns;
    (void)has_progress(conn);
}

void rsec_conn_on_timer(rsec_io *io, rsec_conn *conn) {
    int64_t at = deadline(io, conn);
    if (at < 0 || at > io->now_ns) {
        /* The deadline has moved since the timer was set. */
        rsec_timers_unset(&io->timers, &conn->timer);
        rsec_conn_update(io, conn);
        return;
    }
    if (conn->state <= RSEC_CONN_HANDSHAKING) {
        rsec_io_log(io, RSEC_EVENT_HANDSHAKE_TIMEOUT, conn->peer, NULL);
        rsec_conn_kill(io, conn);
    } else if (conn->state != RSEC_CONN_OPEN) {
        rsec_conn_finish_now(io, conn); /* what is in flight is given up, close_notify is not (TLS-11) */
    } else if (conn->blocked_ns != 0 && after(conn->blocked_ns, io->settings.write_timeout_ns) == at) {
        if (has_progress(conn)) {
            conn->blocked_ns = io->now_ns;
            rsec_timers_unset(&io->timers, &conn->timer);
            rsec_conn_update(io, conn);
            return;
        }
        rsec_io_log(io, RSEC_EVENT_WRITE_TIMEOUT, conn->peer, NULL);
        rsec_conn_kill(io, conn);
    } else if (conn->partial_ns != 0 && after(conn->partial_ns, io->settings.packet_timeout_ns) == at) {
        rsec_io_log(io, RSEC_EVENT_PACKET_TIMEOUT, conn->peer, NULL);
        rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
    } else {
        rsec_io_log(io, RSEC_EVENT_IDLE_TIMEOUT, conn->peer, NULL);
        rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
    }
}

void rsec_conn_update(rsec_io *io, rsec_conn *conn) {
    if (conn->state == RSEC_CONN_GONE) {
        return;
    }
    bool is_stopped = conn->state == RSEC_CONN_OPEN && !conn->is_in_doubt && !rsec_conn_is_reading(io, conn);
    if (is_stopped && !conn->is_stopped) {
        rsec_count(&io->counters->reads_paused, 1);
    }
    conn->is_stopped = is_stopped;
    unsigned interest = rsec_conn_output(conn) > 0 ? RSEC_POLL_OUT : 0;
    if (conn->state == RSEC_CONN_LINGERING || rsec_conn_is_reading(io, conn) ||
        (conn->state == RSEC_CONN_HANDSHAKING && !conn->handshake_link.is_linked)) {
        interest |= RSEC_POLL_IN;
    }
    if (interest != conn->interest) {
        if (rsec_poller_change(io->poller, conn->fd, interest, conn) != 0) {
            rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, NULL);
            rsec_conn_kill(io, conn);
            return;
        }
        conn->interest = interest;
    }
    int64_t at = deadline(io, conn);
    if (at < 0) {
        /* While something is in flight the next deadline is near: the timer may stand, and find nothing to do. */
        if (is_idle(conn)) {
            rsec_timers_unset(&io->timers, &conn->timer);
        }
    } else if (conn->timer.place == 0 || at < conn->timer.at_ns) {
        /* A deadline that moves back is found out when the timer fires: moving it with every packet would cost more. */
        rsec_timers_set(&io->timers, &conn->timer, at, conn);
    }
}
