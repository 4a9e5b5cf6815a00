#define _GNU_SOURCE
#include "net/event.h"

#include "net/clock.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *sentence;
    rsec_level level;
} reasons[RSEC_EVENT_COUNT] = {
    [RSEC_EVENT_CONNECTED] = {"connected", "connected", RSEC_LEVEL_DEBUG},
    [RSEC_EVENT_CLOSED] = {"closed", "connection closed", RSEC_LEVEL_DEBUG},
    [RSEC_EVENT_REFUSED_HANDSHAKE] = {"refused_handshake", "TLS handshake failed", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_REFUSED_FINGERPRINT] = {"refused_fingerprint", "certificate fingerprint not listed",
                                        RSEC_LEVEL_WARNING},
    [RSEC_EVENT_REFUSED_UNKNOWN_HOST] = {"refused_unknown_host", "refused: no such client in hosts",
                                         RSEC_LEVEL_WARNING},
    [RSEC_EVENT_REFUSED_LIMIT] = {"refused_limit", "connection refused at a limit", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_HANDSHAKE_TIMEOUT] = {"handshake_timeout", "TLS handshake not finished in time", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_HANDSHAKE_EVICTED] = {"handshake_evicted", "oldest unfinished handshake gave way to a newer one",
                                      RSEC_LEVEL_WARNING},
    [RSEC_EVENT_MALFORMED] = {"malformed", "malformed packet, connection ends", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_BAD_AUTHENTICATOR] = {"bad_authenticator", "packet failed verification, connection ends",
                                      RSEC_LEVEL_WARNING},
    [RSEC_EVENT_IDLE_TIMEOUT] = {"idle_timeout", "idle for too long, connection ends", RSEC_LEVEL_INFO},
    [RSEC_EVENT_PACKET_TIMEOUT] = {"packet_timeout", "packet not finished in time, connection ends",
                                   RSEC_LEVEL_WARNING},
    [RSEC_EVENT_WRITE_TIMEOUT] = {"write_timeout", "peer does not read its replies, connection ends",
                                  RSEC_LEVEL_WARNING},
    [RSEC_EVENT_MAX_PACKETS] = {"max_packets", "max_packets_per_connection reached, connection ends", RSEC_LEVEL_INFO},
    [RSEC_EVENT_RESET] = {"reset", "connection reset by the peer", RSEC_LEVEL_INFO},
    [RSEC_EVENT_TRUNCATED] = {"truncated", "peer went without close_notify", RSEC_LEVEL_INFO},
    [RSEC_EVENT_TLS_ERROR] = {"tls_error", "TLS error, connection ends", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_HOST_GONE] = {"host_gone", "no longer in hosts, connection ends", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_RESPONSE_CODE] = {"response_code", "response code sent to a server, packet dropped",
                                  RSEC_LEVEL_WARNING},
    [RSEC_EVENT_UNKNOWN_CODE] = {"unknown_code", "unsupported request code", RSEC_LEVEL_WARNING},
    [RSEC_EVENT_ACCEPT_PAUSED] = {"accept_paused", "cannot accept connections for the moment", RSEC_LEVEL_ERROR},
    [RSEC_EVENT_NO_MEMORY] = {"no_memory", "out of memory, connection ends", RSEC_LEVEL_ERROR},
    [RSEC_EVENT_ENGINE_FAILED] = {"engine_failed", "the I/O thread cannot go on", RSEC_LEVEL_ERROR},
};

const char *rsec_event_name(rsec_event_reason reason) {
    return (unsigned)reason < RSEC_EVENT_COUNT ? reasons[reason].name : "unknown";
}

const char *rsec_event_sentence(rsec_event_reason reason) {
    return (unsigned)reason < RSEC_EVENT_COUNT ? reasons[reason].sentence : "unknown event";
}

rsec_level rsec_event_level(rsec_event_reason reason) {
    return (unsigned)reason < RSEC_EVENT_COUNT ? reasons[reason].level : RSEC_LEVEL_ERROR;
}

size_t rsec_event_escape(const void *octets, size_t len, char *out, size_t cap) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *ptr = octets;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bool is_plain = ptr[i] >= 0x20 && ptr[i] < 0x7f && ptr[i] != '\\';
        if (n + (is_plain ? 1 : 4) >= cap) {
            break;
        }
        if (is_plain) {
            out[n++] = (char)ptr[i];
        } else {
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = digits[ptr[i] >> 4];
            out[n++] = digits[ptr[i] & 15];
        }
    }
    if (cap > 0) {
        out[n] = '\0';
    }
    return n;
}

/* The limiter. One place per (reason, address) pair, found by looking at all of them: there are few, they are small, and
 * an event is rare next to a packet. */
enum { PLACES = 128 };

struct rsec_event_limiter {
    struct {
        char address[RSEC_ADDRESS_TEXT];
        rsec_event_reason reason;
        int64_t window_ns; /* when the present second began */
        uint32_t passed, held_back;
        bool is_used;
    } place[PLACES];
};

rsec_event_limiter *rsec_event_limiter_new(void) {
    return calloc(1, sizeof(rsec_event_limiter));
}

void rsec_event_limiter_free(rsec_event_limiter *limiter) {
    free(limiter);
}

bool rsec_event_limiter_pass(rsec_event_limiter *limiter, rsec_event_reason reason, const char *address, int64_t now_ns,
                             uint32_t *held_back) {
    size_t at = 0;
    bool is_found = false;
    for (size_t i = 0; i < PLACES && !is_found; i++) {
        if (limiter->place[i].is_used && limiter->place[i].reason == reason &&
            strcmp(limiter->place[i].address, address) == 0) {
            at = i;
            is_found = true;
        } else if (!limiter->place[i].is_used ||
                   (limiter->place[at].is_used && limiter->place[i].window_ns < limiter->place[at].window_ns)) {
            at = i;
        }
    }
    if (!is_found) {
        limiter->place[at].is_used = true;
        limiter->place[at].reason = reason;
        limiter->place[at].window_ns = now_ns;
        limiter->place[at].passed = 0;
        limiter->place[at].held_back = 0;
        (void)rsec_event_escape(address, strlen(address), limiter->place[at].address, RSEC_ADDRESS_TEXT);
    } else if (now_ns - limiter->place[at].window_ns >= RSEC_NS_PER_S) {
        limiter->place[at].window_ns = now_ns;
        limiter->place[at].passed = 0;
    }
    if (limiter->place[at].passed >= RSEC_EVENT_BURST) {
        limiter->place[at].held_back++;
        *held_back = 0;
        return false;
    }
    limiter->place[at].passed++;
    *held_back = limiter->place[at].held_back;
    limiter->place[at].held_back = 0;
    return true;
}
