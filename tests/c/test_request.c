/* Accepted requests, and the answers that a server gives by itself (net/request.h). */
#include "check.h"
#include "net/counters.h"
#include "net/request.h"
#include "wire/writer.h"

#include <netinet/in.h>
#include <string.h>

static const uint8_t auth[16] = {1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 121, 98, 219};

static rsec_view make_request(uint8_t *out, uint8_t code, size_t proxy_states) {
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, out, RSEC_PACKET_MAX, code, 77, auth), RSEC_OK);
    for (size_t i = 0; i < proxy_states; i++) {
        const uint8_t value[2] = {'p', (uint8_t)('0' + i)};
        (void)rsec_writer_attr(&writer, RSEC_ATTR_PROXY_STATE, rsec_view_of(value, 2));
        (void)rsec_writer_attr(&writer, RSEC_ATTR_USER_NAME, rsec_view_of("u", 1));
    }
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    return rsec_view_of(out, writer.len);
}

TEST(pkt_14_status_server_is_answered_with_access_accept) {
    uint8_t octets[RSEC_PACKET_MAX], out[RSEC_PACKET_MAX];
    size_t len, message_auth_off;
    rsec_view pkt = make_request(octets, RSEC_STATUS_SERVER, 0);
    CHECK_INT(rsec_request_answer(pkt, RSEC_ACCESS_ACCEPT, 0, true, out, &len, &message_auth_off), RSEC_OK);
    CHECK_INT(len, 38);
    CHECK_INT(out[0], RSEC_ACCESS_ACCEPT);
    CHECK_INT(out[1], 77);
    CHECK_OCTETS(out + 4, 16, auth, 16);
    CHECK_INT(message_auth_off, 22);
    CHECK_INT(rsec_packet_check(rsec_view_of(out, len), NULL), RSEC_OK);
}

TEST(coa_1_unsupported_is_a_nak_with_error_cause_406) {
    uint8_t octets[RSEC_PACKET_MAX], out[RSEC_PACKET_MAX];
    size_t len, message_auth_off;
    rsec_view pkt = make_request(octets, RSEC_COA_REQUEST, 0);
    CHECK_INT(rsec_request_answer(pkt, RSEC_COA_NAK, RSEC_ERROR_CAUSE_UNSUPPORTED_EXTENSION, false, out, &len,
                                  &message_auth_off),
              RSEC_OK);
    CHECK_INT(message_auth_off, 0);
    CHECK_INT(out[0], RSEC_COA_NAK);
    CHECK_OCTETS(out + 20, len - 20, "\x65\x06\0\0\x01\x96", 6);
}

TEST(pkt_11_pkt_17_answers_carry_proxy_state_in_order_behind_the_message_authenticator) {
    uint8_t octets[RSEC_PACKET_MAX], out[RSEC_PACKET_MAX];
    size_t len, message_auth_off;
    rsec_view pkt = make_request(octets, RSEC_DISCONNECT_REQUEST, 3);
    CHECK_INT(rsec_request_answer(pkt, RSEC_DISCONNECT_NAK, 406, true, out, &len, &message_auth_off), RSEC_OK);
    CHECK_INT(message_auth_off, 22);
    CHECK_OCTETS(out + 38, len - 38, "\x65\x06\0\0\x01\x96\x21\4p0\x21\4p1\x21\4p2", 18);
}

TEST(pkt_7_v11_7_protocol_error_names_the_code_it_answers) {
    uint8_t octets[RSEC_PACKET_MAX], out[RSEC_PACKET_MAX];
    size_t len, message_auth_off;
    rsec_view pkt = make_request(octets, 250, 1);
    CHECK_INT(rsec_request_answer(pkt, RSEC_PROTOCOL_ERROR, 406, false, out, &len, &message_auth_off), RSEC_OK);
    CHECK_INT(out[0], 52);
    CHECK_OCTETS(out + 20, len - 20, "\xf1\7\4\0\0\0\xfa\x65\6\0\0\x01\x96\x21\4p0", 17);
    CHECK_INT(rsec_packet_check(rsec_view_of(out, len), NULL), RSEC_OK);
}

TEST(answer_that_would_pass_4096_octets_is_refused) {
    uint8_t octets[RSEC_PACKET_MAX], out[RSEC_PACKET_MAX];
    uint8_t value[253] = {0};
    size_t len = 1, message_auth_off = 1;
    rsec_writer writer;
    CHECK_INT(rsec_writer_begin(&writer, octets, sizeof octets, RSEC_COA_REQUEST, 1, auth), RSEC_OK);
    for (int i = 0; i < 15; i++) {
        CHECK_INT(rsec_writer_attr(&writer, RSEC_ATTR_PROXY_STATE, rsec_view_of(value, 253)), RSEC_OK);
    }
    CHECK_INT(rsec_writer_attr(&writer, RSEC_ATTR_PROXY_STATE, rsec_view_of(value, 249)), RSEC_OK);
    CHECK_INT(rsec_writer_finish(&writer), RSEC_OK);
    rsec_view pkt = rsec_view_of(octets, writer.len);
    CHECK_INT(rsec_request_answer(pkt, RSEC_COA_NAK, 406, true, out, &len, &message_auth_off), RSEC_TOO_LONG);
    CHECK_INT(len, 0);
    CHECK_INT(message_auth_off, 0);
    CHECK_INT(rsec_request_answer(pkt, RSEC_COA_NAK, 0, false, out, &len, &message_auth_off), RSEC_OK);
    CHECK_INT(len, RSEC_PACKET_MAX);
}

TEST(request_keeps_a_copy_and_its_references) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    const struct sockaddr *any = (const struct sockaddr *)&addr;
    rsec_live before = rsec_live_objects();
    rsec_peer *peer = rsec_peer_new(any, sizeof addr, any, sizeof addr);
    rsec_secret *secret = rsec_secret_new(rsec_view_of("radsec", 6));
    CHECK(peer != NULL && secret != NULL);
    uint8_t octets[RSEC_PACKET_MAX], copy[RSEC_PACKET_MAX];
    rsec_view pkt = make_request(octets, RSEC_ACCESS_REQUEST, 2);
    memcpy(copy, octets, pkt.len);
    rsec_packet_facts facts;
    CHECK_INT(rsec_packet_scan(pkt, &facts, NULL), RSEC_OK);
    rsec_request *req = rsec_request_new(NULL, peer, secret, pkt, &facts);
    CHECK(req != NULL);
    rsec_peer_unref(peer);
    rsec_secret_unref(secret); /* the request's own references keep both alive */
    memset(octets, 0, pkt.len);
    CHECK_OCTETS(rsec_request_packet(req).ptr, rsec_request_packet(req).len, copy, pkt.len);
    CHECK(rsec_secret_is_equal(req->secret, rsec_view_of("radsec", 6)));
    CHECK(req->peer == peer && req->reply == NULL && !req->is_raw && !req->reply_is_signed);
    CHECK_INT(req->facts.proxy_state_off, 20);
    CHECK_INT(rsec_live_objects().requests, before.requests + 1);
    rsec_request_free(req);
    rsec_request_free(NULL);
    CHECK_INT(rsec_live_objects().requests, before.requests);
    CHECK_INT(rsec_live_objects().peers, before.peers);
}
