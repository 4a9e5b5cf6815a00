#include "net/request.h"

#include "net/counters.h"
#include "wire/writer.h"

#include <stdlib.h>
#include <string.h>

rsec_request *rsec_request_new(struct rsec_conn *conn, rsec_peer *peer, rsec_secret *secret, rsec_view pkt,
                               const rsec_packet_facts *facts) {
    rsec_request *req = malloc(sizeof *req + pkt.len);
    if (req == NULL) {
        return NULL;
    }
    memset(req, 0, sizeof *req);
    req->conn = conn;
    req->peer = rsec_peer_ref(peer);
    req->secret = rsec_secret_ref(secret);
    req->facts = *facts;
    req->len = pkt.len;
    memcpy(req->octets, pkt.ptr, pkt.len);
    rsec_live_note(RSEC_LIVE_REQUEST, 1);
    return req;
}

void rsec_request_free(rsec_request *req) {
    if (req == NULL) {
        return;
    }
    rsec_peer_unref(req->peer);
    rsec_secret_unref(req->secret);
    free(req->reply);
    free(req);
    rsec_live_note(RSEC_LIVE_REQUEST, -1);
}

rsec_status rsec_request_answer(rsec_view pkt, uint8_t code, uint32_t error_cause, bool with_message_auth,
                                uint8_t out[RSEC_PACKET_MAX], size_t *len, size_t *message_auth_off) {
    rsec_writer writer;
    *len = 0;
    *message_auth_off = 0;
    rsec_status status = rsec_writer_begin(&writer, out, RSEC_PACKET_MAX, code, rsec_packet_id(pkt),
                                           rsec_packet_authenticator(pkt));
    if (status != RSEC_OK) {
        return status;
    }
    if (with_message_auth) {
        (void)rsec_writer_message_auth(&writer);
    }
    if (code == RSEC_PROTOCOL_ERROR) {
        /* Original-Packet-Code is 241.4 (RFC 7930 §4): extended type, then a 32-bit number (V11-7). */
        const uint8_t original[5] = {RSEC_ATTR_ORIGINAL_PACKET_CODE, 0, 0, 0, rsec_packet_code(pkt)};
        (void)rsec_writer_attr(&writer, RSEC_ATTR_EXTENDED_1, rsec_view_of(original, sizeof original));
    }
    if (error_cause != 0) {
        (void)rsec_writer_attr_u32(&writer, RSEC_ATTR_ERROR_CAUSE, error_cause);
    }
    (void)rsec_writer_proxy_state(&writer, pkt);
    status = rsec_writer_finish(&writer);
    if (status == RSEC_OK) {
        *len = writer.len;
        *message_auth_off = writer.message_auth_off;
    }
    return status;
}
