/* One packet (wire/packet.h, PKT-3): the scan, the walk and the writer agree about it. */
#include "fuzz.h"
#include "wire/packet.h"
#include "wire/writer.h"

#include <string.h>

static void check_facts(rsec_view pkt, const rsec_packet_facts *facts) {
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(pkt));
    rsec_attr attr;
    unsigned macs = 0;
    bool has_eap = false;
    size_t proxy_state = 0, user_name = 0;
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        size_t off = RSEC_HEADER_LEN + attr.off;
        MUST(pkt.ptr[off] == attr.type && pkt.ptr[off + 1] == attr.value.len + 2);
        if (attr.type == RSEC_ATTR_MESSAGE_AUTHENTICATOR && macs++ == 0) {
            MUST(facts->message_auth_off == off + 2);
            MUST(facts->message_auth_is_sized == (attr.value.len == RSEC_AUTHENTICATOR_LEN));
        }
        has_eap = has_eap || attr.type == RSEC_ATTR_EAP_MESSAGE;
        if (attr.type == RSEC_ATTR_PROXY_STATE && proxy_state == 0) {
            proxy_state = off;
        }
        if (attr.type == RSEC_ATTR_USER_NAME && user_name == 0) {
            user_name = off;
        }
    }
    MUST(walk.off == walk.octets.len);
    MUST(facts->message_auth_num == macs && facts->has_eap_message == has_eap);
    MUST(facts->proxy_state_off == proxy_state && facts->user_name_off == user_name);
}

/* Written again attribute by attribute it is the same packet; with a Message-Authenticator in front it is a packet, or too
 * long. */
static void check_writer(rsec_view pkt) {
    uint8_t out[RSEC_PACKET_MAX];
    rsec_writer writer;
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(pkt));
    rsec_attr attr;
    MUST(rsec_writer_begin(&writer, out, sizeof out, rsec_packet_code(pkt), rsec_packet_id(pkt),
                           rsec_packet_authenticator(pkt)) == RSEC_OK);
    while (rsec_attr_next(&walk, &attr) == RSEC_OK) {
        MUST(rsec_writer_attr(&writer, attr.type, attr.value) == RSEC_OK);
    }
    MUST(rsec_writer_finish(&writer) == RSEC_OK);
    MUST(writer.len == pkt.len && memcmp(out, pkt.ptr, pkt.len) == 0);
    rsec_status status = rsec_writer_message_auth_first(&writer);
    MUST(status == (pkt.len + 18 <= RSEC_PACKET_MAX ? RSEC_OK : RSEC_TOO_LONG));
    if (status == RSEC_OK) {
        (void)rsec_writer_proxy_state(&writer, pkt);
        rsec_packet_facts facts;
        if (rsec_writer_finish(&writer) == RSEC_OK) {
            MUST(rsec_packet_scan(rsec_view_of(out, writer.len), &facts, NULL) == RSEC_OK);
            MUST(facts.message_auth_off == writer.message_auth_off);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rsec_view pkt = rsec_view_of(data, size);
    rsec_packet_facts facts;
    size_t err_off = SIZE_MAX, len;
    rsec_status status = rsec_packet_scan(pkt, &facts, &err_off);
    MUST(rsec_packet_check(pkt, NULL) == status);
    if (status == RSEC_OK) {
        MUST(err_off == 0);
        MUST(rsec_packet_frame(pkt, &len) == RSEC_OK && len == size);
        check_facts(pkt, &facts);
        check_writer(pkt);
    } else {
        MUST(err_off == 2 || (err_off >= RSEC_HEADER_LEN && err_off < size));
        MUST((err_off == 2) == (status != RSEC_ATTR_LENGTH && status != RSEC_ATTR_OVERRUN));
        MUST(facts.message_auth_num == 0 && facts.message_auth_off == 0 && !facts.has_eap_message);
    }
    return 0;
}
