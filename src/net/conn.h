/* rsec_conn: one connection, from accept to the last reply. I/O thread only.
 *
 *   RESOLVING -> HANDSHAKING -> OPEN -> DRAINING -> LINGERING -> GONE
 *
 * RESOLVING   accepted; the loop thread is looking its host up (PKT-5)
 * HANDSHAKING TLS; certificate, pins and host are decided at its end
 * OPEN        requests in, replies out
 * DRAINING    nothing is read any more; replies to what was accepted go out, then close_notify and FIN (TLS-11)
 * LINGERING   our FIN is sent; what still arrives is read and thrown away, so that the kernel does not answer it with a
 *             reset which would destroy our last words on their way
 * GONE        no descriptor, no SSL; the block lives until its last request is back
 * Any state may go straight to GONE.
 */
#ifndef RSEC_NET_CONN_H
#define RSEC_NET_CONN_H

#include "net/io.h"

typedef enum {
    RSEC_CONN_RESOLVING,
    RSEC_CONN_HANDSHAKING,
    RSEC_CONN_OPEN,
    RSEC_CONN_DRAINING,
    RSEC_CONN_LINGERING,
    RSEC_CONN_GONE,
} rsec_conn_state;

enum { RSEC_CONN_BUCKETS = 32 };

typedef struct rsec_conn {
    int tag; /* RSEC_TAG_CONN: tells poller events apart */
    rsec_conn_state state;
    int fd;
    unsigned interest; /* what the poller watches for */
    SSL *ssl;
    rsec_peer *peer;               /* counted reference */
    rsec_secret *secret;           /* counted reference; NULL until admitted */
    struct rsec_conn *prev, *next; /* io->conns; next also io->graveyard */
    struct rsec_conn *older_half_open, *newer_half_open;
    rsec_link starved_link, handshake_link, dirty_link; /* io->starved, handshakes, dirty */

    rsec_timer timer;
    int64_t accepted_ns;
    int64_t active_ns;    /* the last octets received, or the last reply given */
    int64_t partial_ns;   /* when the unfinished packet began to arrive; 0: none (LIM-3) */
    int64_t blocked_ns;   /* since when output waits without progress; 0: none waits (LIM-5) */
    int unacknowledged;   /* octets in the kernel's send queue when that was last looked at */
    int64_t end_ns;       /* when DRAINING or LINGERING is given up */
    int64_t looked_up_ns; /* when its host was last asked for */

    uint8_t *plain; /* decrypted and not consumed: an unfinished packet, or all that waits while reading is paused */
    size_t plain_len, plain_cap;
    uint8_t *cipher; /* received and not decrypted, while reading is paused */
    size_t cipher_len;
    bool is_paused;       /* reading stopped in the middle of what had arrived: plain and cipher hold the rest */
    bool is_stopped;      /* reading has stopped at a bound, as it was last counted */
    bool is_in_doubt;     /* a packet failed verification: its host's secret is being asked for once more */
    bool was_doubted;     /* that was done for the packet at hand */
    bool is_packing;      /* the peer put several packets into one record, and gets the same */
    bool is_eof;          /* its FIN came; OpenSSL has not been told */
    bool is_finished;     /* our close_notify has been written */
    bool is_half_open;    /* in the list of those */
    bool is_counted_open; /* in the gauge of open connections */
    bool is_counted;      /* among io->conns_num: until it is GONE and nothing waits in it any more */
    bool is_buried;       /* in the graveyard */

    rsec_request *table[RSEC_CONN_BUCKETS]; /* accepted requests by identifier (PKT-12) */
    size_t in_flight;                       /* slots taken: with Python, or answered and not yet written */
    rsec_list waiting;                      /* accepted, without a slot, in order */
    size_t waiting_len;                     /* the memory they take, in octets (LIM-4) */
    rsec_list done;                         /* back from Python, to be written */
    uint64_t accepted;                      /* requests (max_packets_per_connection) */

    uint8_t *out; /* ciphertext that the socket did not take */
    size_t out_off, out_len, out_cap;
    size_t pack_len; /* octets of replies gathered in io->pack */
} rsec_conn;

/* --- conn.c: life --- */

/* A connection for an accepted socket (taken over, also on failure), in RESOLVING with its look-up on the way. NULL: no
 * memory, or the poller refused; the socket is closed. */
rsec_conn *rsec_conn_new(rsec_io *io, int fd, const struct sockaddr *remote, socklen_t remote_len);

/* The poller's news. */
void rsec_conn_on_event(rsec_io *io, rsec_conn *conn, unsigned events);
/* Output waits for the socket from now on, or some of it went just now: the deadline for progress starts anew (LIM-5). */
void rsec_conn_note_blocked(rsec_io *io, rsec_conn *conn);
/* Its timer ran out. */
void rsec_conn_on_timer(rsec_io *io, rsec_conn *conn);
/* The look-up's outcome; the reference to `secret` is taken over, NULL: not a client of ours. */
void rsec_conn_admit(rsec_io *io, rsec_conn *conn, rsec_secret *secret);
/* One step of the TLS handshake. */
void rsec_conn_handshake(rsec_io *io, rsec_conn *conn);

/* Begins an orderly end: `limit_ns` from now at most. Nothing happens when it has begun. */
void rsec_conn_drain(rsec_io *io, rsec_conn *conn, int64_t limit_ns);
/* Goes on with an orderly end as far as possible: close_notify when nothing is due any more. */
void rsec_conn_settle(rsec_io *io, rsec_conn *conn);
/* Gives up what is still in flight: close_notify, FIN and GONE, now. */
void rsec_conn_finish_now(rsec_io *io, rsec_conn *conn);
/* Ends at once. Queued Access-Requests are dropped, other requests still run (PKT-13). */
void rsec_conn_kill(rsec_io *io, rsec_conn *conn);

/* Frees the block of a GONE connection whose last request is back; nothing happens to any other. */
void rsec_conn_bury(rsec_io *io, rsec_conn *conn);

/* Brings the poller's interest and the timer in line with the connection's state. */
void rsec_conn_update(rsec_io *io, rsec_conn *conn);
/* Reads nothing more from an open connection until its host has been asked for. */
void rsec_conn_doubt(rsec_io *io, rsec_conn *conn);
/* Asks the loop thread for the host's secret. */
void rsec_conn_look_up(rsec_io *io, rsec_conn *conn);

/* --- conn_read.c: ciphertext to requests --- */

/* Reads what the socket has, once, and consumes it. */
void rsec_conn_receive(rsec_io *io, rsec_conn *conn);
/* Consumes what waited while reading was paused, if it may go on now. */
void rsec_conn_resume(rsec_io *io, rsec_conn *conn);
/* Whether more may be read. */
bool rsec_conn_is_reading(const rsec_io *io, const rsec_conn *conn);
/* Gives waiting requests the slots that are free. */
void rsec_conn_start_waiting(rsec_io *io, rsec_conn *conn);
/* Gives the first waiting request one of the server's slots, and gets in line again for the next. */
void rsec_conn_take_turn(rsec_io *io, rsec_conn *conn);
/* Takes `req` out of the table of accepted requests, if it is there. */
void rsec_conn_forget(rsec_conn *conn, rsec_request *req);

/* --- conn_write.c: replies to ciphertext --- */

/* Writes one signed packet: a record of its own, or gathered when the peer packs. False: the connection is GONE. */
bool rsec_conn_write(rsec_io *io, rsec_conn *conn, const uint8_t *pkt, size_t len);
/* Sends what has been written. False: the connection is GONE. */
bool rsec_conn_flush(rsec_io *io, rsec_conn *conn);
/* A request is back from Python: its reply is written at the end of the turn. */
void rsec_conn_complete(rsec_io *io, rsec_request *req);
/* Writes the replies of requests that are back, gives their slots on, sends. The connection may be GONE afterwards. */
void rsec_conn_write_done(rsec_io *io, rsec_conn *conn);

/* Octets of ciphertext waiting for the socket. */
static inline size_t rsec_conn_output(const rsec_conn *conn) {
    return conn->out_len - conn->out_off;
}

enum { RSEC_TAG_CONN = 1, RSEC_TAG_LISTENER, RSEC_TAG_WAKE };

#endif
