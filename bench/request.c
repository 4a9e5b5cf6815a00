/* Digests are by the MD5_* functions, as hmac.h says why: a generator has to be cheaper than the servers it measures. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "request.h"

#include "codes.h"
#include "hmac.h"
#include "support.h"

#include <arpa/inet.h>
#include <openssl/md5.h>
#include <openssl/rand.h>
#include <string.h>

enum { USER_NAME_LEN = 20 };

static const request_settings *settings;
static size_t secret_len;
static MD5_CTX after_secret;

static const char hex_digits[] = "0123456789abcdef";

static uint64_t random_state;

/* xorshift64: cheap, and nothing here needs to be unpredictable. */
static uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

bool request_kind_parse(const char *text, request_kind *kind) {
    static const char *const names[] = {"auth", "acct", "status", "coa", "disconnect", "mix"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *kind = (request_kind)i;
            return true;
        }
    }
    return false;
}

void request_init(const request_settings *wanted) {
    settings = wanted;
    secret_len = strlen(settings->secret);
    hmac_init(settings->secret, secret_len);
    MD5_Init(&after_secret);
    MD5_Update(&after_secret, settings->secret, secret_len);
    if (RAND_bytes((uint8_t *)&random_state, sizeof random_state) != 1) {
        die("no random octets");
    }
    random_state |= 1; /* xorshift never leaves zero */
}

static size_t put(uint8_t *out, uint8_t type, const void *value, size_t len) {
    out[0] = type;
    out[1] = (uint8_t)(len + 2);
    memcpy(out + 2, value, len);
    return len + 2;
}

static size_t put_number(uint8_t *out, uint8_t type, uint32_t value) {
    uint32_t octets = htonl(value);
    return put(out, type, &octets, sizeof octets);
}

static void digits4(char *out, unsigned value) {
    for (int i = 3; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void user_name(char out[USER_NAME_LEN + 1], unsigned user) {
    memcpy(out, "user0000@example.org", USER_NAME_LEN + 1);
    digits4(out + 4, user);
}

static size_t put_password(uint8_t *out, const uint8_t authenticator[16], unsigned user, bool is_wrong) {
    uint8_t hidden[DIGEST_LEN] = "hunter", key[DIGEST_LEN];
    if (settings->password != NULL) {
        memset(hidden, 0, sizeof hidden);
        memcpy(hidden, settings->password, strlen(settings->password));
    } else {
        digits4((char *)hidden + 6, user);
    }
    hidden[0] ^= is_wrong ? 0x20 : 0;
    MD5_CTX md = after_secret;
    MD5_Update(&md, authenticator, 16);
    MD5_Final(key, &md);
    for (size_t i = 0; i < sizeof hidden; i++) {
        hidden[i] ^= key[i];
    }
    return put(out, USER_PASSWORD, hidden, sizeof hidden);
}

static size_t put_access_attrs(uint8_t *out, const char *name, uint64_t bits) {
    char station[] = "02-11-22-33-44-55";
    for (int i = 0; i < 6; i++) {
        station[(i / 2 + 3) * 3 + i % 2] = hex_digits[bits >> 4 * i & 15];
    }
    size_t len = put(out, USER_NAME, name, USER_NAME_LEN);
    len += put_number(out + len, NAS_IP_ADDRESS, 0x0a000001);
    len += put_number(out + len, NAS_PORT, (uint32_t)(bits >> 24 & 0xff));
    len += put(out + len, CALLED_STATION_ID, "02-00-00-00-00-01:eduroam", 25);
    len += put(out + len, CALLING_STATION_ID, station, sizeof station - 1);
    len += put_number(out + len, NAS_PORT_TYPE, 19); /* Wireless-802.11 */
    return len;
}

static size_t put_accounting_attrs(uint8_t *out, uint64_t bits) {
    char session[16];
    for (size_t i = 0; i < sizeof session; i++) {
        session[i] = hex_digits[bits >> 4 * i & 15];
    }
    size_t len = put_number(out, ACCT_STATUS_TYPE, 3); /* Interim-Update */
    len += put(out + len, ACCT_SESSION_ID, session, sizeof session);
    len += put_number(out + len, ACCT_SESSION_TIME, (uint32_t)(bits & 0xffff));
    len += put_number(out + len, ACCT_INPUT_OCTETS, (uint32_t)(bits >> 16));
    len += put_number(out + len, ACCT_OUTPUT_OCTETS, (uint32_t)(bits >> 32));
    return len;
}

static uint8_t next_code(void) {
    switch (settings->kind) {
    case KIND_ACCT:
        return ACCOUNTING_REQUEST;
    case KIND_STATUS:
        return STATUS_SERVER;
    case KIND_COA:
        return COA_REQUEST;
    case KIND_DISCONNECT:
        return DISCONNECT_REQUEST;
    case KIND_MIX:
        return random_bits() >> 32 & 1 ? ACCESS_REQUEST : ACCOUNTING_REQUEST;
    default:
        return ACCESS_REQUEST;
    }
}

/* These have a random Request Authenticator and a Message-Authenticator; the others a digest of the packet. */
static bool is_random_authenticated(uint8_t code) {
    return code == ACCESS_REQUEST || code == STATUS_SERVER;
}

size_t request_build(uint8_t *out, uint8_t id, request_facts *facts) {
    uint64_t bits = random_bits();
    facts->code = next_code();
    facts->user = (uint16_t)((bits >> 40) % settings->users);
    facts->is_wrong = facts->code == ACCESS_REQUEST && settings->wrong > 0 && random_bits() % settings->wrong == 0;
    bool is_random = is_random_authenticated(facts->code);
    uint64_t authenticator[2] = {is_random ? random_bits() : 0, is_random ? random_bits() : 0};
    out[0] = facts->code;
    out[1] = id;
    memcpy(out + 4, authenticator, 16);

    size_t len = PACKET_HEADER;
    uint8_t *message_auth = NULL;
    if (facts->code != STATUS_SERVER) {
        char name[USER_NAME_LEN + 1];
        user_name(name, facts->user);
        len += put_access_attrs(out + len, name, bits);
    }
    if (facts->code == ACCESS_REQUEST) {
        len += put_password(out + len, out + 4, facts->user, facts->is_wrong);
    }
    if (facts->code == ACCOUNTING_REQUEST) {
        len += put_accounting_attrs(out + len, random_bits());
    }
    for (unsigned i = 0; i < settings->more_attrs; i++) {
        char value[] = "class 0000 of this user";
        digits4(value + 6, i);
        len += put(out + len, CLASS, value, sizeof value - 1);
    }
    if (is_random) {
        static const uint8_t zeros[DIGEST_LEN];
        message_auth = out + len + 2;
        len += put(out + len, MESSAGE_AUTHENTICATOR, zeros, sizeof zeros);
    }
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    uint8_t digest[DIGEST_LEN];
    if (message_auth != NULL) {
        hmac_md5(digest, out, len);
        memcpy(message_auth, digest, sizeof digest);
    } else {
        MD5_CTX md;
        MD5_Init(&md);
        MD5_Update(&md, out, len);
        MD5_Update(&md, settings->secret, secret_len);
        MD5_Final(out + 4, &md);
    }
    memcpy(facts->authenticator, out + 4, 16);
    return len;
}

static bool is_answer(uint8_t reply, uint8_t request) {
    switch (request) {
    case ACCESS_REQUEST:
        return reply == ACCESS_ACCEPT || reply == ACCESS_REJECT || reply == ACCESS_CHALLENGE;
    case STATUS_SERVER:
        return reply == ACCESS_ACCEPT || reply == ACCOUNTING_RESPONSE;
    case ACCOUNTING_REQUEST:
        return reply == ACCOUNTING_RESPONSE;
    case COA_REQUEST:
        return reply == COA_ACK || reply == COA_NAK;
    default:
        return reply == DISCONNECT_ACK || reply == DISCONNECT_NAK;
    }
}

/* The first attribute of the type, its value `*value_len` octets; NULL when there is none, or attributes do not add up.
 */
static const uint8_t *find(const uint8_t *packet, size_t len, uint8_t type, size_t *value_len) {
    for (size_t off = PACKET_HEADER; off + 2 <= len && packet[off + 1] >= 2; off += packet[off + 1]) {
        if (off + packet[off + 1] > len) {
            return NULL;
        }
        if (packet[off] == type) {
            *value_len = (size_t)packet[off + 1] - 2;
            return packet + off + 2;
        }
    }
    return NULL;
}

static bool is_message_auth_good(const uint8_t *reply, size_t len, const request_facts *facts) {
    size_t value_len = 0;
    const uint8_t *value = find(reply, len, MESSAGE_AUTHENTICATOR, &value_len);
    if (value == NULL) {
        return !is_random_authenticated(facts->code);
    }
    if (value_len != DIGEST_LEN) {
        return false;
    }
    uint8_t copy[PACKET_MAX], digest[DIGEST_LEN];
    memcpy(copy, reply, len);
    memcpy(copy + 4, facts->authenticator, 16);
    memset(copy + (value - reply), 0, DIGEST_LEN);
    hmac_md5(digest, copy, len);
    return memcmp(digest, value, DIGEST_LEN) == 0;
}

reply_verdict reply_check(const uint8_t *reply, size_t len, const request_facts *facts, bool in_full) {
    if (!is_answer(reply[0], facts->code)) {
        return REPLY_BAD;
    }
    uint8_t digest[DIGEST_LEN];
    MD5_CTX md;
    MD5_Init(&md);
    MD5_Update(&md, reply, 4);
    MD5_Update(&md, facts->authenticator, 16);
    MD5_Update(&md, reply + PACKET_HEADER, len - PACKET_HEADER);
    MD5_Update(&md, settings->secret, secret_len);
    MD5_Final(digest, &md);
    if (memcmp(digest, reply + 4, DIGEST_LEN) != 0 || (in_full && !is_message_auth_good(reply, len, facts))) {
        return REPLY_BAD;
    }
    return reply[0] == ACCESS_REJECT || reply[0] == COA_NAK || reply[0] == DISCONNECT_NAK ? REPLY_REJECT : REPLY_GOOD;
}

bool reply_says_hello(const uint8_t *reply, size_t len, const request_facts *facts) {
    if (facts->code != ACCESS_REQUEST || reply[0] != ACCESS_ACCEPT) {
        return true;
    }
    char hello[6 + USER_NAME_LEN + 1] = "Hello ";
    user_name(hello + 6, facts->user);
    size_t value_len = 0;
    const uint8_t *value = find(reply, len, REPLY_MESSAGE, &value_len);
    return value != NULL && value_len == sizeof hello - 1 && memcmp(value, hello, value_len) == 0;
}
