/* Requests as a NAS or a proxy sends them, every one of them different, and the check of what comes back.
 *
 * Users, passwords, authenticators, stations and sessions vary from request to request, so that nobody can answer out
 * of a cache of packets. User user0042@example.org has the password hunter0042. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_HEADER = 20, PACKET_MAX = 4096, USERS_MAX = 10000 };

typedef enum { KIND_AUTH, KIND_ACCT, KIND_STATUS, KIND_COA, KIND_DISCONNECT, KIND_MIX } request_kind;

typedef struct {
    request_kind kind;
    const char *secret;
    const char *password; /* of every user; NULL: each has his own */
    unsigned users;       /* up to USERS_MAX */
    unsigned more_attrs;  /* Class attributes added, to make packets larger; up to REQUEST_MORE_MAX */
    unsigned wrong;       /* one password in so many is wrong; 0: none */
} request_settings;

enum { REQUEST_MORE_MAX = 100 };

/* What has to be remembered of a request to check its reply. */
typedef struct {
    uint8_t authenticator[16];
    uint16_t user;
    uint8_t code;
    bool is_wrong; /* sent with a wrong password */
} request_facts;

typedef enum {
    REPLY_GOOD,
    REPLY_REJECT, /* a well-made Access-Reject, CoA-NAK or Disconnect-NAK */
    REPLY_BAD,    /* a code that does not answer the request, or a failed authenticator */
} reply_verdict;

/* False: no such kind. */
bool request_kind_parse(const char *text, request_kind *kind);

/* Once, before anything else. `settings` is borrowed for good. */
void request_init(const request_settings *settings);

/* Writes a new request to `out` (of PACKET_MAX octets) and returns its length. */
size_t request_build(uint8_t *out, uint8_t id, request_facts *facts);

/* Code and Response Authenticator; `in_full` also the Message-Authenticator, which has to be there when the request had
 * one. */
reply_verdict reply_check(const uint8_t *reply, size_t len, const request_facts *facts, bool in_full);

/* An Access-Accept has the Reply-Message "Hello USER", as the benchmark's servers send it. */
bool reply_says_hello(const uint8_t *reply, size_t len, const request_facts *facts);

#endif
