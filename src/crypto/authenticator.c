#include "crypto/authenticator.h"

#include <string.h>

static const uint8_t zeros[RSEC_AUTHENTICATOR_LEN];

/* MD5 over the packet with `authenticator` in the place of its own, then the secret. */
static rsec_status packet_md5(rsec_digest *digest, rsec_view pkt, const uint8_t *authenticator, rsec_view secret,
                              uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    const rsec_view parts[] = {
        rsec_view_part(pkt, 0, 4),
        rsec_view_of(authenticator, RSEC_AUTHENTICATOR_LEN),
        rsec_packet_attrs(pkt),
        secret,
    };
    return rsec_digest_md5(digest, parts, sizeof parts / sizeof *parts, out);
}

rsec_status rsec_request_auth_check(rsec_digest *digest, rsec_view pkt, rsec_view secret) {
    uint8_t expected[RSEC_AUTHENTICATOR_LEN];
    rsec_status status = packet_md5(digest, pkt, zeros, secret, expected);
    if (status != RSEC_OK) {
        return status;
    }
    return rsec_digest_is_equal(expected, rsec_packet_authenticator(pkt)) ? RSEC_OK : RSEC_BAD_REQUEST_AUTH; /* PKT-4 */
}

rsec_status rsec_request_auth_sign(rsec_digest *digest, uint8_t *pkt, size_t len, rsec_view secret) {
    uint8_t out[RSEC_AUTHENTICATOR_LEN];
    rsec_status status = packet_md5(digest, rsec_view_of(pkt, len), zeros, secret, out);
    if (status == RSEC_OK) {
        memcpy(pkt + 4, out, sizeof out);
    }
    return status;
}

rsec_status rsec_response_auth_check(rsec_digest *digest, rsec_view pkt, const uint8_t *request_auth,
                                     rsec_view secret) {
    uint8_t expected[RSEC_AUTHENTICATOR_LEN];
    rsec_status status = packet_md5(digest, pkt, request_auth, secret, expected);
    if (status != RSEC_OK) {
        return status;
    }
    return rsec_digest_is_equal(expected, rsec_packet_authenticator(pkt)) ? RSEC_OK : RSEC_BAD_RESPONSE_AUTH;
}

rsec_status rsec_response_auth_sign(rsec_digest *digest, uint8_t *pkt, size_t len, const uint8_t *request_auth,
                                    rsec_view secret) {
    uint8_t out[RSEC_AUTHENTICATOR_LEN];
    rsec_status status = packet_md5(digest, rsec_view_of(pkt, len), request_auth, secret, out);
    if (status == RSEC_OK) {
        memcpy(pkt + 4, out, sizeof out);
    }
    return status;
}

rsec_status rsec_message_auth_compute(rsec_digest *digest, rsec_view pkt, size_t value_off,
                                      const uint8_t *authenticator, rsec_view secret,
                                      uint8_t out[RSEC_AUTHENTICATOR_LEN]) {
    size_t after = value_off + RSEC_AUTHENTICATOR_LEN;
    const rsec_view parts[] = {
        rsec_view_part(pkt, 0, 4),
        rsec_view_of(authenticator != NULL ? authenticator : zeros, RSEC_AUTHENTICATOR_LEN),
        rsec_view_part(pkt, RSEC_HEADER_LEN, value_off - RSEC_HEADER_LEN),
        rsec_view_of(zeros, RSEC_AUTHENTICATOR_LEN),
        rsec_view_part(pkt, after, pkt.len - after),
    };
    return rsec_digest_hmac_md5(digest, secret, parts, sizeof parts / sizeof *parts, out);
}

rsec_status rsec_message_auth_check(rsec_digest *digest, rsec_view pkt, size_t value_off, const uint8_t *authenticator,
                                    rsec_view secret) {
    uint8_t expected[RSEC_AUTHENTICATOR_LEN];
    rsec_status status = rsec_message_auth_compute(digest, pkt, value_off, authenticator, secret, expected);
    if (status != RSEC_OK) {
        return status;
    }
    return rsec_digest_is_equal(expected, pkt.ptr + value_off) ? RSEC_OK : RSEC_BAD_MESSAGE_AUTH; /* PKT-4 */
}

rsec_status rsec_request_verify(rsec_digest *digest, rsec_view pkt, const rsec_packet_facts *facts,
                                const rsec_request_policy *policy, rsec_view secret) {
    uint8_t code = rsec_packet_code(pkt);
    rsec_status status = RSEC_OK;
    if (facts->message_auth_num == 0) {
        bool is_required = policy->require_message_auth || code == RSEC_STATUS_SERVER /* PKT-14 */ ||
                           (policy->require_message_auth_access && code == RSEC_ACCESS_REQUEST) ||
                           (policy->require_eap_message_auth && facts->has_eap_message) /* PKT-15 */;
        status = is_required ? RSEC_MESSAGE_AUTH_MISSING : RSEC_OK;
    } else if (facts->message_auth_num > 1 || !facts->message_auth_is_sized) {
        status = RSEC_MESSAGE_AUTH_FORM; /* RFC 3579 §3.2: one, of 16 octets */
    } else {
        const uint8_t *authenticator = rsec_code_signs_request(code) ? NULL : rsec_packet_authenticator(pkt);
        status = rsec_message_auth_check(digest, pkt, facts->message_auth_off, authenticator, secret);
    }
    if (status == RSEC_OK && policy->check_request_auth && rsec_code_signs_request(code)) {
        status = rsec_request_auth_check(digest, pkt, secret);
    }
    return status;
}

rsec_status rsec_reply_sign(rsec_digest *digest, uint8_t *pkt, size_t len, size_t message_auth_off,
                            uint8_t request_code, const uint8_t *request_auth, rsec_view secret) {
    if (message_auth_off != 0) {
        uint8_t out[RSEC_AUTHENTICATOR_LEN];
        bool takes_zeros = pkt[0] == RSEC_ACCOUNTING_RESPONSE && request_code != RSEC_STATUS_SERVER;
        rsec_status status = rsec_message_auth_compute(digest, rsec_view_of(pkt, len), message_auth_off,
                                                       takes_zeros ? NULL : request_auth, secret, out);
        if (status != RSEC_OK) {
            return status;
        }
        memcpy(pkt + message_auth_off, out, sizeof out);
    }
    return rsec_response_auth_sign(digest, pkt, len, request_auth, secret);
}
