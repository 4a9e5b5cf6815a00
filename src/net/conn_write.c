#define _GNU_SOURCE
#include "net/conn.h"

#include "net/clock.h"
#include "wire/writer.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Appends what OpenSSL wrote to the connection's own backlog. False: no memory. */
static bool keep_output(rsec_io *io, rsec_conn *conn, const uint8_t *octets, size_t len) {
    size_t have = rsec_conn_output(conn);
    if (conn->out_len + len > conn->out_cap) {
        if (have + len <= conn->out_cap) {
            memmove(conn->out, conn->out + conn->out_off, have);
        } else {
            size_t cap = (have + len) * 2;
            uint8_t *out = malloc(cap);
            if (out == NULL) {
                rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, NULL);
                rsec_conn_kill(io, conn);
                return false;
            }
            if (have > 0) {
                memcpy(out, conn->out + conn->out_off, have);
            }
            free(conn->out);
            conn->out = out;
            conn->out_cap = cap;
        }
        conn->out_off = 0;
        conn->out_len = have;
    }
    memcpy(conn->out + conn->out_len, octets, len);
    conn->out_len += len;
    return true;
}

/* One send(2); *sent is what the socket took. False: the connection is GONE. */
static bool send_some(rsec_io *io, rsec_conn *conn, const uint8_t *octets, size_t len, size_t *sent) {
    *sent = 0;
    ssize_t put = send(conn->fd, octets, len, MSG_NOSIGNAL);
    rsec_count(&io->counters->send_calls, 1);
    if (put < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
            return true;
        }
        rsec_io_log(io, RSEC_EVENT_RESET, conn->peer, NULL);
        rsec_conn_kill(io, conn);
        return false;
    }
    *sent = (size_t)put;
    rsec_count(&io->counters->octets_sent, put);
    return true;
}

/* Hands OpenSSL's output to the socket, and keeps what that does not take. */
static bool push(rsec_io *io, rsec_conn *conn) {
    rsec_pipe *pipe = &io->pipe;
    size_t sent = 0;
    if (rsec_conn_output(conn) == 0) {
        if (pipe->tx_len == 0) {
            return true;
        }
        if (!send_some(io, conn, pipe->tx, pipe->tx_len, &sent)) {
            return false;
        }
        if (sent < pipe->tx_len) {
            if (!keep_output(io, conn, pipe->tx + sent, pipe->tx_len - sent)) {
                return false;
            }
            rsec_conn_note_blocked(io, conn);
        }
        pipe->tx_len = 0;
        return true;
    }
    if (pipe->tx_len > 0 && !keep_output(io, conn, pipe->tx, pipe->tx_len)) {
        return false;
    }
    pipe->tx_len = 0;
    if (!send_some(io, conn, conn->out + conn->out_off, rsec_conn_output(conn), &sent)) {
        return false;
    }
    conn->out_off += sent;
    if (sent > 0) {
        rsec_conn_note_blocked(io, conn);
    }
    if (rsec_conn_output(conn) == 0) {
        free(conn->out);
        conn->out = NULL;
        conn->out_off = conn->out_len = conn->out_cap = 0;
        conn->blocked_ns = 0;
        conn->active_ns = io->now_ns; /* the peer has read */
    }
    return true;
}

/* Encrypts `len` octets, at most one record's worth, into one record. */
static bool write_record(rsec_io *io, rsec_conn *conn, const uint8_t *octets, size_t len) {
    if (RSEC_PIPE_TX - io->pipe.tx_len < RSEC_PIPE_TX_ROOM && !push(io, conn)) {
        return false;
    }
    size_t put = 0;
    if (SSL_write_ex(conn->ssl, octets, len, &put) != 1) {
        char text[RSEC_EVENT_TEXT];
        rsec_tls_error_text(text);
        rsec_io_log(io, RSEC_EVENT_TLS_ERROR, conn->peer, text);
        rsec_conn_kill(io, conn);
        return false;
    }
    return true;
}

static bool write_pack(rsec_io *io, rsec_conn *conn) {
    size_t len = conn->pack_len;
    conn->pack_len = 0;
    return len == 0 || write_record(io, conn, io->pack, len);
}

bool rsec_conn_write(rsec_io *io, rsec_conn *conn, const uint8_t *pkt, size_t len) {
    rsec_count(&io->counters->replies_sent, 1);
    if (!conn->is_packing) {
        return write_record(io, conn, pkt, len);
    }
    if (conn->pack_len + len > RSEC_RECORD_MAX && !write_pack(io, conn)) {
        return false;
    }
    memcpy(io->pack + conn->pack_len, pkt, len);
    conn->pack_len += len;
    return true;
}

bool rsec_conn_flush(rsec_io *io, rsec_conn *conn) {
    if (!write_pack(io, conn) || !push(io, conn)) {
        return false;
    }
    rsec_tls_rest(conn->ssl); /* no buffers but that of a record which came in part */
    return true;
}

void rsec_conn_complete(rsec_io *io, rsec_request *req) {
    rsec_conn *conn = req->conn;
    rsec_list_put(&conn->done, &req->link, 0, req);
    if (!conn->dirty_link.is_linked) {
        rsec_list_put(&io->dirty, &conn->dirty_link, 0, conn);
    }
}

/* Signs and writes the reply of `req`, or drops it, saying why in the counters. */
static void write_reply(rsec_io *io, rsec_conn *conn, rsec_request *req) {
    if (req->reply == NULL) {
        rsec_count(req->is_dropped ? &io->counters->requests_dropped : &io->counters->no_replies, 1);
    } else if (conn->state == RSEC_CONN_GONE) {
        rsec_count(&io->counters->replies_discarded, 1); /* PKT-13 */
    } else if (req->is_superseded) {
        rsec_count(&io->counters->superseded, 1);
    } else {
        rsec_status status = RSEC_OK;
        if (!req->reply_is_signed) {
            status = rsec_reply_sign(io->digest, req->reply, req->reply_len, req->reply_message_auth_off,
                                     req->octets[0], req->octets + 4, rsec_secret_octets(req->secret));
        }
        if (status != RSEC_OK) {
            rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, rsec_status_text(status));
            rsec_conn_kill(io, conn);
        } else {
            (void)rsec_conn_write(io, conn, req->reply, req->reply_len);
        }
    }
}

void rsec_conn_write_done(rsec_io *io, rsec_conn *conn) {
    while (conn->done.len > 0) {
        if (conn->state != RSEC_CONN_GONE && rsec_conn_output(conn) >= io->settings.max_output) {
            break; /* LIM-5: the rest keeps its slots until the peer has read */
        }
        rsec_request *req = rsec_list_take(&conn->done)->owner;
        write_reply(io, conn, req);
        if (!req->is_superseded) {
            rsec_conn_forget(conn, req);
        }
        rsec_request_free(req);
        conn->active_ns = io->now_ns; /* idle from here on, answered or not */
        conn->in_flight--;
        io->in_flight--;
        rsec_count(&io->counters->requests_in_flight, -1);
        if (io->pipe.tx_len > RSEC_PIPE_TX / 2 && conn->state != RSEC_CONN_GONE) {
            (void)push(io, conn);
        }
    }
    rsec_conn_start_waiting(io, conn);
    if (conn->state == RSEC_CONN_GONE) {
        rsec_conn_bury(io, conn);
        return;
    }
    if (!rsec_conn_flush(io, conn)) {
        return;
    }
    if (conn->done.len > 0 && rsec_conn_output(conn) < io->settings.max_output && !conn->dirty_link.is_linked) {
        /* The socket took more than there was room for before: nobody else would wake the replies that are left. */
        rsec_list_put(&io->dirty, &conn->dirty_link, 0, conn);
    }
    rsec_conn_resume(io, conn);
    if (conn->state != RSEC_CONN_GONE) {
        rsec_conn_settle(io, conn);
    }
}
