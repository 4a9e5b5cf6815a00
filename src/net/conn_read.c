#define _GNU_SOURCE
#include "net/conn.h"

#include "net/clock.h"
#include "wire/writer.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool rsec_conn_is_reading(const rsec_io *io, const rsec_conn *conn) {
    return conn->state == RSEC_CONN_OPEN && !conn->is_in_doubt && conn->waiting_len < RSEC_READ_AHEAD &&
           rsec_conn_output(conn) < io->settings.max_output;
}

/* --- requests and slots --- */

static rsec_request **bucket_of(rsec_conn *conn, uint8_t id) {
    return &conn->table[id % RSEC_CONN_BUCKETS];
}

/* The accepted request with the code and identifier of `pkt`, or NULL. */
static rsec_request *find_accepted(rsec_conn *conn, rsec_view pkt) {
    rsec_request *req = *bucket_of(conn, rsec_packet_id(pkt));
    while (req != NULL && (req->octets[0] != rsec_packet_code(pkt) || req->octets[1] != rsec_packet_id(pkt))) {
        req = req->same_key;
    }
    return req;
}

void rsec_conn_forget(rsec_conn *conn, rsec_request *req) {
    for (rsec_request **at = bucket_of(conn, req->octets[1]); *at != NULL; at = &(*at)->same_key) {
        if (*at == req) {
            *at = req->same_key;
            req->same_key = NULL;
            return;
        }
    }
}

static void start(rsec_io *io, rsec_conn *conn, rsec_request *req) {
    conn->in_flight++;
    io->in_flight++;
    rsec_count(&io->counters->requests_in_flight, 1);
    rsec_count(&io->counters->requests_to_python, 1);
    conn->looked_up_ns = io->now_ns; /* its host is asked for with the batch */
    rsec_io_up(io, &req->link, RSEC_UP_REQUEST, req);
}

static bool wants_slot(const rsec_io *io, const rsec_conn *conn) {
    return conn->waiting.len > 0 && conn->in_flight < io->settings.max_in_flight;
}

static void start_first(rsec_io *io, rsec_conn *conn) {
    rsec_request *req = rsec_list_take(&conn->waiting)->owner;
    conn->waiting_len -= rsec_request_size(req);
    rsec_count(&io->counters->requests_waiting, -1);
    start(io, conn, req);
}

static void queue_up(rsec_io *io, rsec_conn *conn) {
    if (!conn->starved_link.is_linked) {
        rsec_list_put(&io->starved, &conn->starved_link, 0, conn);
    }
}

void rsec_conn_start_waiting(rsec_io *io, rsec_conn *conn) {
    while (wants_slot(io, conn)) {
        /* Nobody passes those that wait for the server's slots already. */
        if (io->in_flight >= io->settings.max_in_flight_total || io->starved.len > 0) {
            queue_up(io, conn);
            return;
        }
        start_first(io, conn);
    }
}

void rsec_conn_take_turn(rsec_io *io, rsec_conn *conn) {
    if (wants_slot(io, conn)) {
        start_first(io, conn);
    }
    if (wants_slot(io, conn)) {
        queue_up(io, conn);
    }
}

/* Accepts a request that Python is to answer. False: no memory. */
static bool accept_request(rsec_io *io, rsec_conn *conn, rsec_view pkt, const rsec_packet_facts *facts, bool is_raw) {
    rsec_request *req = rsec_request_new(conn, conn->peer, is_raw ? NULL : conn->secret, pkt, facts);
    if (req == NULL) {
        return false;
    }
    req->is_raw = is_raw;
    rsec_request **bucket = bucket_of(conn, rsec_packet_id(pkt));
    req->same_key = *bucket;
    *bucket = req;
    if (conn->waiting.len == 0 && conn->in_flight < io->settings.max_in_flight &&
        io->in_flight < io->settings.max_in_flight_total && io->starved.len == 0) {
        start(io, conn, req);
        return true;
    }
    rsec_list_put(&conn->waiting, &req->link, 0, req);
    conn->waiting_len += rsec_request_size(req);
    rsec_count(&io->counters->requests_waiting, 1);
    rsec_conn_start_waiting(io, conn); /* takes its place among those that wait for the server's slots */
    return true;
}

/* --- packets --- */

/* Signs and writes a reply that needs no Python. False: the connection is GONE. */
static bool answer_here(rsec_io *io, rsec_conn *conn, rsec_view pkt, const rsec_packet_facts *facts, uint8_t code,
                        uint32_t error_cause) {
    uint8_t out[RSEC_PACKET_MAX];
    size_t len, message_auth_off;
    /* The mirror rule (PKT-17): who sent a Message-Authenticator gets one. */
    bool with_message_auth = facts->message_auth_num > 0 || io->policy.sign_all_replies ||
                             (io->policy.verify.require_eap_message_auth && facts->has_eap_message);
    rsec_status status = rsec_request_answer(pkt, code, error_cause, with_message_auth, out, &len, &message_auth_off);
    if (status == RSEC_TOO_LONG) {
        rsec_count(&io->counters->no_replies, 1); /* its Proxy-State leaves no room: that request's problem alone */
        return true;
    }
    if (status == RSEC_OK) {
        status = rsec_reply_sign(io->digest, out, len, message_auth_off, rsec_packet_code(pkt),
                                 rsec_packet_authenticator(pkt), rsec_secret_octets(conn->secret));
    }
    if (status != RSEC_OK) {
        rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, rsec_status_text(status));
        rsec_conn_kill(io, conn);
        return false;
    }
    rsec_count(&io->counters->answered_here, 1);
    return rsec_conn_write(io, conn, out, len);
}

static void log_packet(rsec_io *io, rsec_conn *conn, rsec_event_reason reason, rsec_view pkt, rsec_status status,
                       size_t off) {
    char text[RSEC_EVENT_TEXT], code[32];
    const char *name = pkt.len >= RSEC_HEADER_LEN ? rsec_code_name(rsec_packet_code(pkt)) : NULL;
    if (name == NULL) {
        (void)snprintf(code, sizeof code, "code %u", pkt.len > 0 ? (unsigned)pkt.ptr[0] : 0U);
        name = code;
    }
    if (status == RSEC_ATTR_LENGTH || status == RSEC_ATTR_OVERRUN) {
        (void)snprintf(text, sizeof text, "%s id %u: %s, attribute %u at octet %zu of %zu", name, (unsigned)pkt.ptr[1],
                       rsec_status_text(status), (unsigned)pkt.ptr[off], off, pkt.len);
    } else if (status == RSEC_OK) {
        (void)snprintf(text, sizeof text, "%s id %u", name, (unsigned)pkt.ptr[1]);
    } else if (pkt.len >= 2) {
        (void)snprintf(text, sizeof text, "%s id %u, %zu octets: %s", name, (unsigned)pkt.ptr[1], pkt.len,
                       rsec_status_text(status));
    } else {
        (void)snprintf(text, sizeof text, "%s", rsec_status_text(status));
    }
    rsec_io_log(io, reason, conn->peer, text);
}

static void count_accepted(rsec_io *io, rsec_conn *conn, uint8_t code) {
    atomic_uint_fast64_t *counter = code == RSEC_ACCESS_REQUEST       ? &io->counters->access_requests
                                    : code == RSEC_STATUS_SERVER      ? &io->counters->status_requests
                                    : code == RSEC_COA_REQUEST        ? &io->counters->coa_requests
                                    : code == RSEC_DISCONNECT_REQUEST ? &io->counters->disconnect_requests
                                                                      : &io->counters->accounting_requests;
    rsec_count(counter, 1);
    conn->accepted++;
}

/* Whether Python has a handler for requests of `code`. */
static bool is_for_python(const rsec_policy *policy, uint8_t code) {
    switch (code) {
    case RSEC_ACCESS_REQUEST:
    case RSEC_ACCOUNTING_REQUEST:
    case RSEC_ACCOUNTING_RESPONSE: /* pyrad2 gives it to handle_accounting */
        return true;
    case RSEC_COA_REQUEST:
        return policy->coa_to_python;
    case RSEC_DISCONNECT_REQUEST:
        return policy->disconnect_to_python;
    default:
        return false;
    }
}

/* What to do with the octets after a packet was looked at. */
typedef enum { TAKEN, HELD, ENDED } packet_fate;

static packet_fate end_malformed(rsec_io *io, rsec_conn *conn, rsec_view pkt, rsec_status status, size_t off) {
    log_packet(io, conn, RSEC_EVENT_MALFORMED, pkt, status, off);
    rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
    return ENDED;
}

static packet_fate out_of_memory(rsec_io *io, rsec_conn *conn) {
    rsec_io_log(io, RSEC_EVENT_NO_MEMORY, conn->peer, NULL);
    rsec_conn_kill(io, conn);
    return ENDED;
}

/* After an accepted request: the end of a connection that may send only so many. */
static packet_fate check_quota(rsec_io *io, rsec_conn *conn) {
    uint64_t max = io->settings.max_packets_per_connection;
    if (max != 0 && conn->accepted >= max) {
        rsec_io_log(io, RSEC_EVENT_MAX_PACKETS, conn->peer, NULL);
        rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
        return ENDED;
    }
    return TAKEN;
}

/* A verified request with a code that a server serves. */
static packet_fate take_request(rsec_io *io, rsec_conn *conn, rsec_view pkt, const rsec_packet_facts *facts) {
    uint8_t code = rsec_packet_code(pkt);
    if (is_for_python(&io->policy, code)) {
        rsec_request *earlier = find_accepted(conn, pkt);
        if (earlier != NULL && memcmp(earlier->octets + 4, pkt.ptr + 4, RSEC_AUTHENTICATOR_LEN) == 0) {
            rsec_count(&io->counters->duplicates, 1); /* PKT-12; its answer is on the way */
            return TAKEN;
        }
        if (earlier != NULL) {
            earlier->is_superseded = true; /* the client gave it up when it used the identifier again */
            rsec_conn_forget(conn, earlier);
        }
        if (!accept_request(io, conn, pkt, facts, false)) {
            return out_of_memory(io, conn);
        }
        count_accepted(io, conn, code);
        return check_quota(io, conn);
    }
    count_accepted(io, conn, code);
    bool is_alive = code == RSEC_STATUS_SERVER ? answer_here(io, conn, pkt, facts, RSEC_ACCESS_ACCEPT, 0)
                    : code == RSEC_COA_REQUEST
                        ? answer_here(io, conn, pkt, facts, RSEC_COA_NAK, RSEC_ERROR_CAUSE_UNSUPPORTED_EXTENSION)
                        : answer_here(io, conn, pkt, facts, RSEC_DISCONNECT_NAK,
                                      RSEC_ERROR_CAUSE_UNSUPPORTED_EXTENSION);
    return is_alive ? check_quota(io, conn) : ENDED;
}

static packet_fate take_unknown(rsec_io *io, rsec_conn *conn, rsec_view pkt, const rsec_packet_facts *facts) {
    char text[64];
    (void)snprintf(text, sizeof text, "code %u, id %u", (unsigned)rsec_packet_code(pkt), (unsigned)rsec_packet_id(pkt));
    rsec_io_log(io, RSEC_EVENT_UNKNOWN_CODE, conn->peer, text);
    if (io->policy.unknown_code_is_answered &&
        !answer_here(io, conn, pkt, facts, RSEC_PROTOCOL_ERROR, RSEC_ERROR_CAUSE_UNSUPPORTED_EXTENSION)) {
        return ENDED;
    }
    return TAKEN;
}

static packet_fate take_packet(rsec_io *io, rsec_conn *conn, rsec_view pkt) {
    rsec_packet_facts facts;
    size_t err_off;
    rsec_status status = rsec_packet_scan(pkt, &facts, &err_off);
    if (status != RSEC_OK) {
        return end_malformed(io, conn, pkt, status, err_off);
    }
    uint8_t code = rsec_packet_code(pkt);
    if (io->policy.raw) {
        if (!accept_request(io, conn, pkt, &(rsec_packet_facts){.user_name_off = facts.user_name_off}, true)) {
            return out_of_memory(io, conn);
        }
        conn->accepted++;
        return check_quota(io, conn);
    }
    if (rsec_code_is_response(code) && code != RSEC_ACCOUNTING_RESPONSE) {
        log_packet(io, conn, RSEC_EVENT_RESPONSE_CODE, pkt, RSEC_OK, 0);
        return TAKEN;
    }
    bool is_known = code == RSEC_STATUS_SERVER || code == RSEC_COA_REQUEST || code == RSEC_DISCONNECT_REQUEST ||
                    is_for_python(&io->policy, code);
    if (!is_known) {
        return take_unknown(io, conn, pkt, &facts);
    }
    status = rsec_request_verify(io->digest, pkt, &facts, &io->policy.verify, rsec_secret_octets(conn->secret));
    if (status == RSEC_OK) {
        conn->was_doubted = false;
        return take_request(io, conn, pkt, &facts);
    }
    if ((status == RSEC_BAD_MESSAGE_AUTH || status == RSEC_BAD_REQUEST_AUTH) && !conn->was_doubted) {
        /* Perhaps the secret was changed a moment ago: ask before the client is made to pay for it. */
        conn->was_doubted = conn->is_in_doubt = true;
        rsec_conn_look_up(io, conn);
        return HELD;
    }
    log_packet(io, conn, RSEC_EVENT_BAD_AUTHENTICATOR, pkt, status, 0);
    rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
    return ENDED;
}

/* --- streams --- */

/* Takes whole packets from the front of `len` octets of plaintext; returns how many octets they were. Of the packets that
 * begin at `fresh` or later, all of one record, two or more mean that the peer packs. */
static size_t consume(rsec_io *io, rsec_conn *conn, const uint8_t *octets, size_t len, size_t fresh) {
    size_t off = 0;
    unsigned packed = 0;
    while (rsec_conn_is_reading(io, conn) && off < len) {
        size_t pkt_len;
        rsec_view rest = rsec_view_of(octets + off, len - off);
        rsec_status status = rsec_packet_frame(rest, &pkt_len);
        if (status == RSEC_MORE) {
            break;
        }
        if (status != RSEC_OK) {
            char text[96];
            (void)snprintf(text, sizeof text, "%s: Length field %zu, allowed 20 to 4096", rsec_status_text(status),
                           pkt_len);
            rsec_io_log(io, RSEC_EVENT_MALFORMED, conn->peer, text); /* PKT-2 */
            rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
            break;
        }
        if (off >= fresh && ++packed >= 2) {
            conn->is_packing = true;
        }
        packet_fate fate = take_packet(io, conn, rsec_view_of(octets + off, pkt_len));
        if (fate != HELD) {
            rsec_count(&io->counters->packets_received, 1);
        }
        if (fate != TAKEN) {
            break;
        }
        off += pkt_len;
    }
    return off;
}

/* Keeps `len` octets of plaintext for later. False: no memory, the connection is GONE. */
static bool keep_plain(rsec_io *io, rsec_conn *conn, const uint8_t *octets, size_t len) {
    if (len == 0) {
        free(conn->plain);
        conn->plain = NULL;
        conn->plain_len = conn->plain_cap = 0;
        return true;
    }
    if (len > conn->plain_cap) {
        uint8_t *plain = malloc(len);
        if (plain == NULL) {
            (void)out_of_memory(io, conn);
            return false;
        }
        free(conn->plain);
        conn->plain = plain;
        conn->plain_cap = len;
    }
    memcpy(conn->plain, octets, len);
    conn->plain_len = len;
    return true;
}

/* Keeps the ciphertext that was not decrypted because reading stopped in the middle of it. */
static bool keep_cipher(rsec_io *io, rsec_conn *conn) {
    size_t left = io->pipe.rx_len - io->pipe.rx_off;
    uint8_t *cipher = NULL;
    if (left > 0) {
        cipher = malloc(left);
        if (cipher == NULL) {
            (void)out_of_memory(io, conn);
            return false;
        }
        memcpy(cipher, io->pipe.rx + io->pipe.rx_off, left);
    }
    free(conn->cipher);
    conn->cipher = cipher;
    conn->cipher_len = left;
    return true;
}

/* The peer's close_notify, or an error in the TLS connection. */
static void on_tls_end(rsec_io *io, rsec_conn *conn, int ssl_error) {
    if (ssl_error == SSL_ERROR_ZERO_RETURN) {
        rsec_io_log(io, RSEC_EVENT_CLOSED, conn->peer, NULL);
        rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
        return;
    }
    char text[RSEC_EVENT_TEXT];
    rsec_tls_error_text(text);
    rsec_io_log(io, RSEC_EVENT_TLS_ERROR, conn->peer, text);
    /* OpenSSL has written an alert and will encrypt nothing more: send that, and end. */
    if (rsec_conn_flush(io, conn)) {
        rsec_conn_kill(io, conn);
    }
}

/* Decrypts what io->pipe holds, after the plaintext that the connection kept, and takes the packets in it. PKT-1: all that
 * is decrypted inside the TLS library is taken before the socket is waited for. */
static void decrypt(rsec_io *io, rsec_conn *conn) {
    uint8_t *plain = io->plain;
    size_t have = conn->plain_len;
    if (have > 0) {
        memcpy(plain, conn->plain, have);
    }
    size_t fresh = have; /* octets before this came in an earlier record */
    bool has_taken = false;
    int ssl_error = SSL_ERROR_NONE;
    /* SSL_get_error looks at the thread's queue, whoever left something there. Once will do: what fails between two reads
     * ends the connection. */
    ERR_clear_error();
    for (;;) {
        size_t used = consume(io, conn, plain, have, fresh);
        have -= used;
        has_taken = has_taken || used > 0;
        if (used > 0 && have > 0) {
            memmove(plain, plain + used, have);
        }
        if (!rsec_conn_is_reading(io, conn)) {
            break;
        }
        fresh = have;
        size_t got = 0;
        int rc = SSL_read_ex(conn->ssl, plain + have, RSEC_RECORD_MAX, &got);
        if (rc != 1) {
            ssl_error = SSL_get_error(conn->ssl, rc);
            break;
        }
        have += got;
    }
    if (conn->state == RSEC_CONN_OPEN) {
        if (!keep_plain(io, conn, plain, have) || !keep_cipher(io, conn)) {
            return;
        }
        bool is_paused = !rsec_conn_is_reading(io, conn);
        conn->is_paused = is_paused;
        /* A packet is unfinished when its octets are, or the record that carries them is (LIM-3). */
        bool is_partial = !is_paused && (have > 0 || SSL_has_pending(conn->ssl) == 1);
        if (!is_partial) {
            conn->partial_ns = 0;
        } else if (conn->partial_ns == 0 || has_taken) { /* another packet than the one that was waited for */
            conn->partial_ns = io->now_ns;
        }
    }
    io->pipe.rx_len = io->pipe.rx_off = 0;
    if (ssl_error != SSL_ERROR_NONE && ssl_error != SSL_ERROR_WANT_READ) {
        on_tls_end(io, conn, ssl_error);
    }
}

void rsec_conn_receive(rsec_io *io, rsec_conn *conn) {
    ssize_t got = recv(conn->fd, io->rx, RSEC_PIPE_RX, 0);
    rsec_count(&io->counters->receive_calls, 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (conn->state == RSEC_CONN_LINGERING) {
        if (got <= 0) {
            rsec_conn_kill(io, conn);
        }
        return;
    }
    if (got < 0) {
        rsec_io_log(io, RSEC_EVENT_RESET, conn->peer, NULL);
        rsec_conn_kill(io, conn);
        return;
    }
    if (got == 0) {
        /* OpenSSL is not told: after an end of file it would refuse to write the replies that are due. */
        conn->is_eof = true;
        rsec_io_log(io, RSEC_EVENT_TRUNCATED, conn->peer, conn->plain_len > 0 ? "in the middle of a packet" : NULL);
        rsec_conn_drain(io, conn, RSEC_DRAIN_NS);
        return;
    }
    rsec_count(&io->counters->octets_received, got);
    conn->active_ns = io->now_ns;
    if (io->now_ns - conn->looked_up_ns > RSEC_LOOKUP_EVERY_NS) {
        rsec_conn_look_up(io, conn);
    }
    io->pipe.rx = io->rx;
    io->pipe.rx_off = 0;
    io->pipe.rx_len = (size_t)got;
    decrypt(io, conn);
    if (conn->state != RSEC_CONN_GONE && rsec_conn_flush(io, conn)) {
        rsec_conn_update(io, conn);
    }
}

void rsec_conn_resume(rsec_io *io, rsec_conn *conn) {
    if (conn->plain_len == 0 && conn->cipher_len == 0 && !conn->is_paused) {
        if (conn->state == RSEC_CONN_OPEN) {
            rsec_conn_update(io, conn);
        }
        return;
    }
    if (!rsec_conn_is_reading(io, conn) || (conn->cipher_len == 0 && !conn->is_paused)) {
        return;
    }
    conn->is_paused = false;
    uint8_t *cipher = conn->cipher;
    io->pipe.rx = cipher;
    io->pipe.rx_off = 0;
    io->pipe.rx_len = conn->cipher_len;
    conn->cipher = NULL; /* decrypt() keeps what it leaves in a block of its own */
    conn->cipher_len = 0;
    decrypt(io, conn);
    free(cipher);
    io->pipe.rx = NULL;
    if (conn->state != RSEC_CONN_GONE && rsec_conn_flush(io, conn)) {
        rsec_conn_update(io, conn);
    }
}
