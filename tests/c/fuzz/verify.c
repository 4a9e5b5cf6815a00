/* Verification of a request (crypto/authenticator.h): any packet gets a verdict, and what is signed verifies. The first
 * octet is the policy, the second the secret's length; the secret and the packet follow. */
#include "fuzz.h"
#include "crypto/authenticator.h"

#include <string.h>

static void check_signed(rsec_view pkt, const rsec_packet_facts *facts, rsec_view secret) {
    uint8_t out[RSEC_PACKET_MAX], request_auth[RSEC_AUTHENTICATOR_LEN];
    rsec_digest *digest = fuzz_digest();
    size_t mac_off = facts->message_auth_num == 1 && facts->message_auth_is_sized ? facts->message_auth_off : 0;
    const rsec_request_policy strict = {.check_request_auth = true};
    memcpy(out, pkt.ptr, pkt.len);
    rsec_view copy = rsec_view_of(out, pkt.len);
    bool signs = rsec_code_signs_request(out[0]);
    if (mac_off != 0) {
        uint8_t mac[RSEC_AUTHENTICATOR_LEN];
        MUST(rsec_message_auth_compute(digest, copy, mac_off, signs ? NULL : out + 4, secret, mac) == RSEC_OK);
        memcpy(out + mac_off, mac, sizeof mac);
    }
    if (signs) {
        MUST(rsec_request_auth_sign(digest, out, pkt.len, secret) == RSEC_OK);
    }
    rsec_status status = rsec_request_verify(digest, copy, facts, &strict, secret);
    if (mac_off != 0 || facts->message_auth_num == 0) {
        bool lacks = facts->message_auth_num == 0 && out[0] == RSEC_STATUS_SERVER;
        MUST(status == (lacks ? RSEC_MESSAGE_AUTH_MISSING : RSEC_OK));
    } else {
        MUST(status == RSEC_MESSAGE_AUTH_FORM);
    }
    memcpy(request_auth, pkt.ptr + 4, sizeof request_auth);
    MUST(rsec_reply_sign(digest, out, pkt.len, mac_off, RSEC_ACCESS_REQUEST, request_auth, secret) == RSEC_OK);
    MUST(rsec_response_auth_check(digest, copy, request_auth, secret) == RSEC_OK);
    MUST(mac_off == 0 ||
         rsec_message_auth_check(digest, copy, mac_off, out[0] == RSEC_ACCOUNTING_RESPONSE ? NULL : request_auth,
                                 secret) == RSEC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rsec_view pkt = rsec_view_of(data, size);
    uint8_t flags = fuzz_octet(&pkt);
    rsec_view secret = fuzz_take(&pkt, fuzz_octet(&pkt));
    const rsec_request_policy policy = {.check_request_auth = (flags & 1) != 0,
                                        .require_message_auth = (flags & 2) != 0,
                                        .require_message_auth_access = (flags & 4) != 0,
                                        .require_eap_message_auth = (flags & 8) != 0};
    rsec_packet_facts facts;
    if (rsec_packet_scan(pkt, &facts, NULL) != RSEC_OK) {
        return 0;
    }
    rsec_status status = rsec_request_verify(fuzz_digest(), pkt, &facts, &policy, secret);
    MUST(status == RSEC_OK || (status >= RSEC_BAD_REQUEST_AUTH && status <= RSEC_MESSAGE_AUTH_MISSING));
    check_signed(pkt, &facts, secret);
    return 0;
}
