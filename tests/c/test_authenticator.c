/* Authenticators: what is signed verifies, and nothing else does (crypto/authenticator.h). */
#include "check.h"
#include "crypto/authenticator.h"
#include "wire/writer.h"

#include <string.h>

static const uint8_t request_auth[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6};

typedef struct {
    rsec_digest *digest;
    rsec_view secret;
} tools;

static tools open_tools(void) {
    tools all = {.secret = rsec_view_of("radsec", 6)};
    CHECK_INT(rsec_digest_new(&all.digest), RSEC_OK);
    return all;
}

static void close_tools(tools *all) {
    rsec_digest_free(all->digest);
}

/* What a request of `code` looks like, signed as its code asks for. */
static rsec_view make_request(tools *all, uint8_t *out, uint8_t code, bool with_message_auth, bool with_eap) {
    rsec_writer writer;
    bool is_signed = rsec_code_signs_request(code);
    CHECK_INT(rsec_writer_begin(&writer, out, RSEC_PACKET_MAX, code, 3, is_signed ? NULL : request_auth), RSEC_OK);
    (void)rsec_writer_attr(&writer, RSEC_ATTR_USER_NAME, rsec_view_of("alice", 5));
    if (with_eap) {
        (void)rsec_writer_attr(&writer, RSEC_ATTR_EAP_MESSAGE, rsec_view_of("\2\1\0\12\1alice", 10));
    }
    if (with_message_auth) {
        (void)rsec_writer_message_auth(&writer);
    }
    (void)rsec_writer_attr(&writer, RSEC_ATTR_PROXY_STATE, rsec_view_of("p", 1));
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    if (with_message_auth) {
        uint8_t mac[16];
        CHECK_INT(rsec_message_auth_compute(all->digest, rsec_view_of(out, writer.len), writer.message_auth_off,
                                            is_signed ? NULL : request_auth, all->secret, mac),
                  RSEC_OK);
        memcpy(out + writer.message_auth_off, mac, sizeof mac);
    }
    if (is_signed) {
        CHECK_INT(rsec_request_auth_sign(all->digest, out, writer.len, all->secret), RSEC_OK);
    }
    return rsec_view_of(out, writer.len);
}

static rsec_status verify(tools *all, rsec_view pkt, const rsec_request_policy *policy) {
    rsec_packet_facts facts;
    CHECK_INT(rsec_packet_scan(pkt, &facts, NULL), RSEC_OK);
    return rsec_request_verify(all->digest, pkt, &facts, policy, all->secret);
}

static const uint8_t codes[] = {RSEC_ACCESS_REQUEST, RSEC_ACCOUNTING_REQUEST, RSEC_STATUS_SERVER, RSEC_COA_REQUEST,
                                RSEC_DISCONNECT_REQUEST};

TEST(pkt_4_signed_requests_verify_and_every_flipped_bit_is_seen) {
    tools all = open_tools();
    const rsec_request_policy policy = {.check_request_auth = true};
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t octets[RSEC_PACKET_MAX];
        rsec_view pkt = make_request(&all, octets, codes[i], true, false);
        CHECK_INT(verify(&all, pkt, &policy), RSEC_OK);
        for (size_t off = 0; off < pkt.len; off++) {
            if (off == 0 || off == 2 || off == 3) {
                continue; /* another code is another packet, and the length is the framing's */
            }
            for (unsigned bit = 0; bit < 8; bit++) {
                octets[off] = (uint8_t)(octets[off] ^ 1U << bit);
                rsec_packet_facts facts;
                if (rsec_packet_scan(pkt, &facts, NULL) == RSEC_OK) {
                    CHECK(rsec_request_verify(all.digest, pkt, &facts, &policy, all.secret) != RSEC_OK ||
                          facts.message_auth_num == 0); /* the attribute's type was what flipped */
                }
                octets[off] = (uint8_t)(octets[off] ^ 1U << bit);
            }
        }
        CHECK_INT(verify(&all, pkt, &policy), RSEC_OK);
    }
    close_tools(&all);
}

TEST(pkt_4_bad_message_authenticator_closes_always) {
    tools all = open_tools();
    static const rsec_request_policy lax;
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t octets[RSEC_PACKET_MAX];
        rsec_view pkt = make_request(&all, octets, codes[i], true, false);
        octets[pkt.len - 1] ^= 1;
        CHECK_INT(verify(&all, pkt, &lax), RSEC_BAD_MESSAGE_AUTH);
    }
    close_tools(&all);
}

TEST(pkt_4_bad_request_authenticator_closes_where_asked_for) {
    tools all = open_tools();
    const rsec_request_policy lax = {.check_request_auth = false}, strict = {.check_request_auth = true};
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t octets[RSEC_PACKET_MAX];
        if (codes[i] == RSEC_STATUS_SERVER) {
            continue;
        }
        rsec_view pkt = make_request(&all, octets, codes[i], false, false);
        octets[4] ^= 1;
        CHECK_INT(verify(&all, pkt, &lax), RSEC_OK);
        CHECK_INT(verify(&all, pkt, &strict), rsec_code_signs_request(codes[i]) ? RSEC_BAD_REQUEST_AUTH : RSEC_OK);
    }
    close_tools(&all);
}

TEST(pkt_14_status_server_needs_a_message_authenticator) {
    tools all = open_tools();
    static const rsec_request_policy lax;
    uint8_t octets[RSEC_PACKET_MAX];
    CHECK_INT(verify(&all, make_request(&all, octets, RSEC_STATUS_SERVER, true, false), &lax), RSEC_OK);
    CHECK_INT(verify(&all, make_request(&all, octets, RSEC_STATUS_SERVER, false, false), &lax),
              RSEC_MESSAGE_AUTH_MISSING);
    close_tools(&all);
}

TEST(pkt_15_eap_message_needs_a_message_authenticator) {
    tools all = open_tools();
    const rsec_request_policy strict = {.require_eap_message_auth = true};
    static const rsec_request_policy lax;
    uint8_t octets[RSEC_PACKET_MAX];
    CHECK_INT(verify(&all, make_request(&all, octets, RSEC_ACCESS_REQUEST, true, true), &strict), RSEC_OK);
    rsec_view pkt = make_request(&all, octets, RSEC_ACCESS_REQUEST, false, true);
    CHECK_INT(verify(&all, pkt, &strict), RSEC_MESSAGE_AUTH_MISSING);
    CHECK_INT(verify(&all, pkt, &lax), RSEC_OK);
    CHECK_INT(verify(&all, make_request(&all, octets, RSEC_ACCESS_REQUEST, false, false), &strict), RSEC_OK);
    close_tools(&all);
}

TEST(policy_may_require_a_message_authenticator) {
    tools all = open_tools();
    const rsec_request_policy every = {.require_message_auth = true}, access = {.require_message_auth_access = true};
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t octets[RSEC_PACKET_MAX];
        rsec_view pkt = make_request(&all, octets, codes[i], false, false);
        bool is_access = codes[i] == RSEC_ACCESS_REQUEST || codes[i] == RSEC_STATUS_SERVER;
        CHECK_INT(verify(&all, pkt, &every), RSEC_MESSAGE_AUTH_MISSING);
        CHECK_INT(verify(&all, pkt, &access), is_access ? RSEC_MESSAGE_AUTH_MISSING : RSEC_OK);
        pkt = make_request(&all, octets, codes[i], true, false);
        CHECK_INT(verify(&all, pkt, &every), RSEC_OK);
    }
    close_tools(&all);
}

TEST(message_authenticator_is_one_attribute_of_16_octets) {
    tools all = open_tools();
    static const rsec_request_policy lax;
    uint8_t octets[RSEC_PACKET_MAX];
    rsec_view pkt = make_request(&all, octets, RSEC_ACCESS_REQUEST, true, false);
    size_t len = pkt.len;
    octets[len] = 80, octets[len + 1] = 18;
    memset(octets + len + 2, 0, 16);
    rsec_put_u16(octets + 2, (uint16_t)(len + 18));
    CHECK_INT(verify(&all, rsec_view_of(octets, len + 18), &lax), RSEC_MESSAGE_AUTH_FORM);
    static const uint8_t lens[] = {2, 3, 17, 19, 34};
    for (size_t i = 0; i < sizeof lens; i++) {
        uint8_t short_one[64] = {RSEC_ACCESS_REQUEST, 1, 0, (uint8_t)(20 + lens[i]), [20] = 80, [21] = lens[i]};
        CHECK_INT(verify(&all, rsec_view_of(short_one, 20 + (size_t)lens[i]), &lax), RSEC_MESSAGE_AUTH_FORM);
    }
    close_tools(&all);
}

TEST(pkt_9_verification_does_not_write) {
    tools all = open_tools();
    const rsec_request_policy policy = {.check_request_auth = true};
    uint8_t octets[RSEC_PACKET_MAX], before[RSEC_PACKET_MAX];
    rsec_view pkt = make_request(&all, octets, RSEC_COA_REQUEST, true, false);
    memcpy(before, octets, pkt.len);
    CHECK_INT(verify(&all, pkt, &policy), RSEC_OK);
    CHECK_OCTETS(octets, pkt.len, before, pkt.len);
    close_tools(&all);
}

TEST(accounting_response_signs_zeros_unless_it_answers_status_server) {
    tools all = open_tools();
    const uint8_t asked[] = {RSEC_ACCOUNTING_REQUEST, RSEC_STATUS_SERVER};
    for (size_t i = 0; i < sizeof asked; i++) {
        uint8_t out[128];
        rsec_writer writer;
        CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, RSEC_ACCOUNTING_RESPONSE, 3, request_auth), RSEC_OK);
        (void)rsec_writer_message_auth(&writer);
        CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
        CHECK_INT(
            rsec_reply_sign(all.digest, out, writer.len, writer.message_auth_off, asked[i], request_auth, all.secret),
            RSEC_OK);
        rsec_view pkt = rsec_view_of(out, writer.len);
        CHECK_INT(rsec_response_auth_check(all.digest, pkt, request_auth, all.secret), RSEC_OK);
        const uint8_t *header = asked[i] == RSEC_STATUS_SERVER ? request_auth : NULL;
        CHECK_INT(rsec_message_auth_check(all.digest, pkt, writer.message_auth_off, header, all.secret), RSEC_OK);
        const uint8_t *other = asked[i] == RSEC_STATUS_SERVER ? NULL : request_auth;
        CHECK_INT(rsec_message_auth_check(all.digest, pkt, writer.message_auth_off, other, all.secret),
                  RSEC_BAD_MESSAGE_AUTH);
    }
    close_tools(&all);
}

TEST(reply_signed_with_and_without_message_authenticator) {
    tools all = open_tools();
    for (int with = 0; with < 2; with++) {
        uint8_t out[128];
        rsec_writer writer;
        CHECK_INT(rsec_writer_begin(&writer, out, sizeof out, RSEC_ACCESS_ACCEPT, 3, request_auth), RSEC_OK);
        if (with) {
            (void)rsec_writer_message_auth(&writer);
        }
        (void)rsec_writer_attr(&writer, 18, rsec_view_of("hello", 5));
        CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
        CHECK_INT(rsec_reply_sign(all.digest, out, writer.len, writer.message_auth_off, RSEC_ACCESS_REQUEST,
                                  request_auth, all.secret),
                  RSEC_OK);
        rsec_view pkt = rsec_view_of(out, writer.len);
        CHECK_INT(rsec_response_auth_check(all.digest, pkt, request_auth, all.secret), RSEC_OK);
        if (with) {
            CHECK_INT(rsec_message_auth_check(all.digest, pkt, writer.message_auth_off, request_auth, all.secret),
                      RSEC_OK);
        }
        CHECK_INT(rsec_response_auth_check(all.digest, pkt, request_auth, rsec_view_of("radsed", 6)),
                  RSEC_BAD_RESPONSE_AUTH);
        out[21 + (with ? 20 : 0)] ^= 1;
        CHECK_INT(rsec_response_auth_check(all.digest, pkt, request_auth, all.secret), RSEC_BAD_RESPONSE_AUTH);
    }
    close_tools(&all);
}

TEST(reply_signed_over_the_request_authenticator_in_place) {
    tools all = open_tools();
    uint8_t a[64], b[64];
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, a, sizeof a, RSEC_ACCESS_ACCEPT, 3, request_auth), RSEC_OK);
    (void)rsec_writer_message_auth(&writer);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    memcpy(b, a, writer.len);
    CHECK_INT(rsec_reply_sign(all.digest, a, writer.len, writer.message_auth_off, RSEC_ACCESS_REQUEST, request_auth,
                              all.secret),
              RSEC_OK);
    CHECK_INT(
        rsec_reply_sign(all.digest, b, writer.len, writer.message_auth_off, RSEC_ACCESS_REQUEST, b + 4, all.secret),
        RSEC_OK);
    CHECK_OCTETS(b, writer.len, a, writer.len);
    close_tools(&all);
}

TEST(an_empty_secret_is_a_secret) {
    tools all = open_tools();
    const rsec_request_policy policy = {.check_request_auth = true};
    uint8_t octets[RSEC_PACKET_MAX];
    all.secret = rsec_view_of(NULL, 0);
    rsec_view pkt = make_request(&all, octets, RSEC_ACCOUNTING_REQUEST, true, false);
    CHECK_INT(verify(&all, pkt, &policy), RSEC_OK);
    all.secret = rsec_view_of("x", 1);
    CHECK_INT(verify(&all, pkt, &policy), RSEC_BAD_MESSAGE_AUTH);
    close_tools(&all);
}
