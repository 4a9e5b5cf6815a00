/* Runs the text vectors in tests/vectors; each is a test of its own. README.md there describes the form. */
#include "check.h"
#include "crypto/authenticator.h"
#include "crypto/hide.h"
#include "wire/value.h"
#include "wire/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 64, LINE_MAX_LEN = 1024, VALUE_MAX_LEN = 16384, NAME_MAX_LEN = 128 };

typedef struct {
    char key[32];
    char *value;
} field;

typedef struct {
    field fields[FIELDS_MAX];
    size_t num;
    char name[NAME_MAX_LEN];
    rsec_digest *digest;
} vector;

/* The `nth` value of `key`, or NULL. */
static const char *get(const vector *vec, const char *key, size_t nth) {
    for (size_t i = 0; i < vec->num; i++) {
        if (strcmp(vec->fields[i].key, key) == 0 && nth-- == 0) {
            return vec->fields[i].value;
        }
    }
    return NULL;
}

static const char *must_get(const vector *vec, const char *key) {
    const char *value = get(vec, key, 0);
    check_true(value != NULL, key, vec->name, 0);
    return value;
}

/* The octets of a hex value; blanks do not count. */
static size_t read_octets(const char *text, uint8_t *out, size_t cap) {
    char digits[VALUE_MAX_LEN];
    size_t num = 0, len = cap;
    for (; *text != '\0'; text++) {
        if (*text != ' ' && *text != '\t') {
            digits[num++] = *text;
        }
    }
    CHECK_INT(rsec_hex_parse(digits, num, out, &len), RSEC_OK);
    return len;
}

static void clear(vector *vec) {
    for (size_t i = 0; i < vec->num; i++) {
        free(vec->fields[i].value);
    }
    vec->num = 0;
}

/* Appends `text` without blanks and line end at either side. */
static void append(field *at, const char *text) {
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    size_t len = strcspn(text, "\r\n"), have = at->value != NULL ? strlen(at->value) : 0;
    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    at->value = realloc(at->value, have + len + 2);
    CHECK(at->value != NULL && have + len < VALUE_MAX_LEN);
    if (have > 0) {
        at->value[have++] = ' ';
    }
    memcpy(at->value + have, text, len);
    at->value[have + len] = '\0';
}

/* Reads the next vector. False: there is none. */
static bool read_vector(FILE *file, vector *vec) {
    char line[LINE_MAX_LEN];
    clear(vec);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        if (line[strspn(line, " \t\r\n")] == '\0') {
            if (vec->num > 0) {
                break;
            }
            continue;
        }
        if (line[0] == ' ') {
            CHECK(vec->num > 0);
            append(&vec->fields[vec->num - 1], line);
            continue;
        }
        size_t len = strcspn(line, ":");
        CHECK(vec->num < FIELDS_MAX && line[len] == ':' && len < sizeof vec->fields[0].key);
        field *at = &vec->fields[vec->num++];
        memcpy(at->key, line, len);
        at->key[len] = '\0';
        at->value = NULL;
        append(at, line + len + 1);
    }
    return vec->num > 0;
}

/* Runs `run` on every vector of `file_name` as a test called "vector <file> <name>". */
static void run_file(const char *file_name, void (*run)(void *arg)) {
    char path[512], title[NAME_MAX_LEN + 64];
    (void)snprintf(path, sizeof path, "%s/tests/vectors/%s", RSEC_ROOT, file_name);
    FILE *file = fopen(path, "r");
    check_true(file != NULL, path, __FILE__, __LINE__);
    static vector vec;
    unsigned seen = 0;
    CHECK_INT(rsec_digest_new(&vec.digest), RSEC_OK);
    while (read_vector(file, &vec)) {
        (void)snprintf(vec.name, sizeof vec.name, "%s", must_get(&vec, "name"));
        (void)must_get(&vec, "source");
        (void)snprintf(title, sizeof title, "vector %s: %s", file_name, vec.name);
        check_each(title, run, &vec);
        seen++;
    }
    clear(&vec);
    rsec_digest_free(vec.digest);
    (void)fclose(file);
    CHECK(seen > 0);
}

static const struct {
    rsec_status status;
    const char *word;
} words[] = {
    {RSEC_OK, "ok"},
    {RSEC_MORE, "more"},
    {RSEC_TOO_SHORT, "too-short"},
    {RSEC_TOO_LONG, "too-long"},
    {RSEC_LENGTH_MISMATCH, "length-mismatch"},
    {RSEC_ATTR_LENGTH, "attr-length"},
    {RSEC_ATTR_OVERRUN, "attr-overrun"},
    {RSEC_ATTR_VALUE, "attr-value"},
    {RSEC_BAD_SECRET, "bad-secret"},
    {RSEC_BAD_REQUEST_AUTH, "bad-request-authenticator"},
    {RSEC_BAD_RESPONSE_AUTH, "bad-response-authenticator"},
    {RSEC_BAD_MESSAGE_AUTH, "bad-message-authenticator"},
    {RSEC_MESSAGE_AUTH_FORM, "message-authenticator-form"},
    {RSEC_MESSAGE_AUTH_MISSING, "message-authenticator-missing"},
};

static const char *word_of(rsec_status status) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].status == status) {
            return words[i].word;
        }
    }
    return rsec_status_text(status);
}

/* --- packets.txt --- */

static void check_attributes(const vector *vec, rsec_view pkt) {
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(pkt));
    rsec_attr attr;
    size_t num = 0;
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        uint8_t value[RSEC_ATTR_VALUE_MAX];
        const char *text = get(vec, "attr", num++);
        CHECK(text != NULL);
        char *rest;
        CHECK_INT(attr.type, strtol(text, &rest, 10));
        size_t len = read_octets(rest, value, sizeof value);
        CHECK_OCTETS(attr.value.ptr, attr.value.len, value, len);
    }
    CHECK(get(vec, "attr", num) == NULL);
}

static rsec_status judge_reply(rsec_digest *digest, rsec_view pkt, const rsec_packet_facts *facts,
                               const uint8_t *request_auth, rsec_view secret) {
    rsec_status status = rsec_response_auth_check(digest, pkt, request_auth, secret);
    if (status != RSEC_OK || facts->message_auth_num == 0) {
        return status;
    }
    if (facts->message_auth_num > 1 || !facts->message_auth_is_sized) {
        return RSEC_MESSAGE_AUTH_FORM;
    }
    const uint8_t *header = rsec_packet_code(pkt) == RSEC_ACCOUNTING_RESPONSE ? NULL : request_auth;
    return rsec_message_auth_check(digest, pkt, facts->message_auth_off, header, secret);
}

/* Signing what verified gives the same octets again. */
static void check_signing(rsec_digest *digest, rsec_view pkt, const rsec_packet_facts *facts,
                          const uint8_t *request_auth, rsec_view secret) {
    uint8_t again[RSEC_PACKET_MAX];
    size_t mac_off = facts->message_auth_num > 0 ? facts->message_auth_off : 0;
    memcpy(again, pkt.ptr, pkt.len);
    if (mac_off != 0) {
        memset(again + mac_off, 0xaa, RSEC_AUTHENTICATOR_LEN);
    }
    if (request_auth != NULL) {
        memset(again + 4, 0xaa, RSEC_AUTHENTICATOR_LEN);
        CHECK_INT(rsec_reply_sign(digest, again, pkt.len, mac_off, 0, request_auth, secret), RSEC_OK);
    } else {
        bool signs = rsec_code_signs_request(again[0]);
        if (mac_off != 0) {
            uint8_t mac[RSEC_AUTHENTICATOR_LEN];
            CHECK_INT(rsec_message_auth_compute(digest, rsec_view_of(again, pkt.len), mac_off, signs ? NULL : again + 4,
                                                secret, mac),
                      RSEC_OK);
            memcpy(again + mac_off, mac, sizeof mac);
        }
        if (signs) {
            memset(again + 4, 0xaa, RSEC_AUTHENTICATOR_LEN);
            CHECK_INT(rsec_request_auth_sign(digest, again, pkt.len, secret), RSEC_OK);
        }
    }
    CHECK_OCTETS(again, pkt.len, pkt.ptr, pkt.len);
}

static void check_password(const vector *vec, rsec_view pkt, rsec_view secret, const char *password) {
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(pkt));
    rsec_attr attr;
    do {
        CHECK_INT(rsec_attr_next(&walk, &attr), RSEC_OK);
    } while (attr.type != RSEC_ATTR_USER_PASSWORD);
    uint8_t plain[RSEC_ATTR_VALUE_MAX];
    size_t len = sizeof plain;
    rsec_view authenticator = rsec_view_of(rsec_packet_authenticator(pkt), RSEC_AUTHENTICATOR_LEN);
    CHECK_INT(rsec_password_unhide(vec->digest, secret, authenticator, attr.value, plain, &len), RSEC_OK);
    while (len > 0 && plain[len - 1] == 0) {
        len--;
    }
    CHECK_OCTETS(plain, len, password, strlen(password));
    size_t hidden_len = sizeof plain;
    CHECK_INT(rsec_password_hide(vec->digest, secret, authenticator, rsec_view_of(password, strlen(password)), plain,
                                 &hidden_len),
              RSEC_OK);
    CHECK_OCTETS(plain, hidden_len, attr.value.ptr, attr.value.len);
}

static void run_packet(void *arg) {
    vector *vec = arg;
    uint8_t octets[2 * RSEC_PACKET_MAX], request_auth[RSEC_AUTHENTICATOR_LEN];
    size_t len = read_octets(must_get(vec, "packet"), octets, sizeof octets), err_off = 0;
    uint8_t *exact = malloc(len + 1); /* so that the address sanitizer sees one octet too many */
    CHECK(exact != NULL);
    memcpy(exact, octets, len);
    rsec_view pkt = rsec_view_of(octets, len);
    rsec_packet_facts facts;
    rsec_status status = rsec_packet_scan(rsec_view_of(exact, len), &facts, &err_off);
    free(exact);
    char result[64];
    (void)snprintf(result, sizeof result, status == RSEC_OK ? "%s" : "%s %zu", word_of(status), err_off);
    CHECK_TEXT(result, must_get(vec, "parse"));
    if (status != RSEC_OK) {
        return;
    }
    CHECK_INT(rsec_packet_code(pkt), strtol(must_get(vec, "code"), NULL, 10));
    CHECK_INT(rsec_packet_id(pkt), strtol(must_get(vec, "id"), NULL, 10));
    check_attributes(vec, pkt);
    const char *verdict = get(vec, "verdict", 0), *password = get(vec, "password", 0);
    if (verdict == NULL) {
        return;
    }
    const char *secret_text = must_get(vec, "secret"), *request_text = get(vec, "request-authenticator", 0);
    rsec_view secret = rsec_view_of(secret_text, strlen(secret_text));
    const rsec_request_policy policy = {.check_request_auth = true, .require_eap_message_auth = true};
    if (request_text != NULL) {
        CHECK_INT(read_octets(request_text, request_auth, sizeof request_auth), RSEC_AUTHENTICATOR_LEN);
        status = judge_reply(vec->digest, pkt, &facts, request_auth, secret);
    } else {
        status = rsec_request_verify(vec->digest, pkt, &facts, &policy, secret);
    }
    CHECK_TEXT(word_of(status), verdict);
    if (status == RSEC_OK) {
        check_signing(vec->digest, pkt, &facts, request_text != NULL ? request_auth : NULL, secret);
    }
    if (password != NULL) {
        check_password(vec, pkt, secret, password);
    }
}

TEST(vectors_packets) {
    run_file("packets.txt", run_packet);
}

/* --- hidden.txt --- */

static void run_hidden(void *arg) {
    vector *vec = arg;
    uint8_t hidden[512], plain[512], found[512], auth[RSEC_AUTHENTICATOR_LEN];
    const char *secret_text = must_get(vec, "secret"), *result = get(vec, "result", 0);
    rsec_view secret = rsec_view_of(secret_text, strlen(secret_text));
    size_t hidden_len = read_octets(must_get(vec, "hidden"), hidden, sizeof hidden), len = sizeof found;
    CHECK_INT(read_octets(must_get(vec, "request-authenticator"), auth, sizeof auth), sizeof auth);
    rsec_view authenticator = rsec_view_of(auth, sizeof auth), octets = rsec_view_of(hidden, hidden_len);
    bool is_salted = strcmp(must_get(vec, "form"), "salted") == 0;
    CHECK(is_salted || strcmp(must_get(vec, "form"), "user-password") == 0);
    rsec_status status = is_salted ? rsec_salted_unhide(vec->digest, secret, authenticator, octets, found, &len)
                                   : rsec_password_unhide(vec->digest, secret, authenticator, octets, found, &len);
    CHECK_TEXT(word_of(status), result != NULL ? result : "ok");
    if (status != RSEC_OK) {
        CHECK_INT(len, 0);
        return;
    }
    size_t plain_len = read_octets(must_get(vec, "plain"), plain, sizeof plain);
    while (!is_salted && len > plain_len && found[len - 1] == 0) {
        len--;
    }
    CHECK_OCTETS(found, len, plain, plain_len);
    len = sizeof found;
    rsec_view data = rsec_view_of(plain, plain_len);
    status = is_salted ? rsec_salted_hide(vec->digest, secret, authenticator, hidden, data, found, &len)
                       : rsec_password_hide(vec->digest, secret, authenticator, data, found, &len);
    CHECK_INT(status, RSEC_OK);
    CHECK_OCTETS(found, len, hidden, hidden_len);
}

TEST(vectors_hidden) {
    run_file("hidden.txt", run_hidden);
}

/* --- digests.txt --- */

static void run_digest(void *arg) {
    vector *vec = arg;
    uint8_t data[512], key[512], expected[RSEC_AUTHENTICATOR_LEN], found[RSEC_AUTHENTICATOR_LEN];
    rsec_view message = rsec_view_of(data, read_octets(must_get(vec, "data"), data, sizeof data));
    CHECK_INT(read_octets(must_get(vec, "digest"), expected, sizeof expected), sizeof expected);
    if (strcmp(must_get(vec, "algorithm"), "md5") == 0) {
        CHECK_INT(rsec_digest_md5(vec->digest, &message, 1, found), RSEC_OK);
    } else {
        CHECK_TEXT(must_get(vec, "algorithm"), "hmac-md5");
        rsec_view secret = rsec_view_of(key, read_octets(must_get(vec, "key"), key, sizeof key));
        CHECK_INT(rsec_digest_hmac_md5(vec->digest, secret, &message, 1, found), RSEC_OK);
    }
    CHECK_OCTETS(found, sizeof found, expected, sizeof expected);
}

TEST(vectors_digests) {
    run_file("digests.txt", run_digest);
}

/* --- stream.txt --- */

static void run_stream(void *arg) {
    vector *vec = arg;
    uint8_t octets[RSEC_PACKET_MAX];
    size_t len = read_octets(must_get(vec, "stream"), octets, sizeof octets);
    for (size_t cut = 0; cut <= len; cut++) { /* PKT-1: wherever the stream is cut in two */
        size_t off = 0, num = 0, found = 0;
        rsec_status status = RSEC_MORE;
        for (size_t end = cut; status == RSEC_MORE; end = len) {
            while ((status = rsec_packet_frame(rsec_view_of(octets + off, end - off), &found)) == RSEC_OK) {
                const char *frame = get(vec, "frame", num++);
                CHECK(frame != NULL);
                CHECK_INT(found, strtol(frame, NULL, 10));
                off += found;
            }
            if (end == len) {
                break;
            }
        }
        char text[64];
        (void)snprintf(text, sizeof text, "%s %zu", word_of(status), found);
        CHECK_TEXT(text, must_get(vec, "end"));
        CHECK(get(vec, "frame", num) == NULL);
    }
}

TEST(vectors_stream) {
    run_file("stream.txt", run_stream);
}

/* --- values.txt --- */

typedef struct {
    rsec_status status;
    uint8_t octets[256];
    size_t len;
    char text[513];
} value;

static value convert(const char *type, const char *text) {
    size_t n = strlen(text), unused;
    value out = {.status = RSEC_OK};
    if (strcmp(type, "ipaddr") == 0) {
        out.len = 4;
        out.status = rsec_ipv4_parse(text, n, out.octets);
        (void)rsec_ipv4_format(out.octets, out.text);
    } else if (strcmp(type, "ipv6addr") == 0) {
        out.len = 16;
        out.status = rsec_ipv6_parse(text, n, out.octets);
        (void)rsec_ipv6_format(out.octets, out.text);
    } else if (strcmp(type, "ipv4prefix") == 0) {
        out.len = 6;
        out.status = rsec_ipv4_prefix_parse(text, n, out.octets);
        if (out.status == RSEC_OK) {
            CHECK_INT(rsec_ipv4_prefix_format(rsec_view_of(out.octets, out.len), out.text, &unused), RSEC_OK);
        }
    } else if (strcmp(type, "ipv6prefix") == 0) {
        out.len = 18;
        out.status = rsec_ipv6_prefix_parse(text, n, out.octets);
        if (out.status == RSEC_OK) {
            CHECK_INT(rsec_ipv6_prefix_format(rsec_view_of(out.octets, out.len), out.text, &unused), RSEC_OK);
        }
    } else if (strcmp(type, "ifid") == 0) {
        out.len = 8;
        out.status = rsec_ifid_parse(text, n, out.octets);
        (void)rsec_ifid_format(out.octets, out.text);
    } else if (strcmp(type, "ether") == 0) {
        out.len = 6;
        out.status = rsec_ether_parse(text, n, out.octets);
        (void)rsec_ether_format(out.octets, out.text);
    } else {
        CHECK_TEXT(type, "octets");
        out.len = sizeof out.octets;
        out.status = rsec_hex_parse(text, n, out.octets, &out.len);
        (void)rsec_hex_format(rsec_view_of(out.octets, out.len), out.text);
    }
    return out;
}

static void run_value(void *arg) {
    vector *vec = arg;
    uint8_t octets[256];
    const char *type = must_get(vec, "type"), *result = get(vec, "result", 0);
    value found = convert(type, must_get(vec, "text"));
    CHECK_TEXT(word_of(found.status), result != NULL ? result : "ok");
    if (found.status != RSEC_OK) {
        return;
    }
    size_t len = read_octets(must_get(vec, "octets"), octets, sizeof octets);
    CHECK_OCTETS(found.octets, found.len, octets, len);
    CHECK_TEXT(found.text, must_get(vec, "canonical"));
    value again = convert(type, found.text); /* what is written reads as the same octets */
    CHECK_INT(again.status, RSEC_OK);
    CHECK_OCTETS(again.octets, again.len, octets, len);
}

TEST(vectors_values) {
    run_file("values.txt", run_value);
}
