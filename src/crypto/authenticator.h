/* Request Authenticator, Response Authenticator and Message-Authenticator (RFC 2865 §3, RFC 2866 §3, RFC 3579 §3.2,
 * RFC 5176 §2.3, RFC 5997 §3).
 *
 * Verification reads the octets as they were received and never writes to them (PKT-9); signing writes into a packet that
 * the caller builds. All comparisons take constant time (PKT-10). Packets are checked ones (rsec_packet_check). Functions
 * use the calling thread's rsec_digest.
 */
#ifndef RSEC_CRYPTO_AUTHENTICATOR_H
#define RSEC_CRYPTO_AUTHENTICATOR_H

#include "crypto/digest.h"
#include "wire/packet.h"

/* Request Authenticator of an Accounting-Request, CoA-Request or Disconnect-Request: MD5 over the packet with a zero
 * authenticator and the secret. RSEC_OK or RSEC_BAD_REQUEST_AUTH (PKT-4), RSEC_CRYPTO. */
RSEC_CHECK rsec_status rsec_request_auth_check(rsec_digest *digest, rsec_view pkt, rsec_view secret);

/* Computes it and writes it at octets 4..19 of the packet. Sign the Message-Authenticator first. */
RSEC_CHECK rsec_status rsec_request_auth_sign(rsec_digest *digest, uint8_t *pkt, size_t len, rsec_view secret);

/* Response Authenticator: MD5 over Code, Identifier, Length, the request's authenticator, the attributes, the secret.
 * `request_auth` has 16 octets. RSEC_OK or RSEC_BAD_RESPONSE_AUTH, RSEC_CRYPTO. */
RSEC_CHECK rsec_status rsec_response_auth_check(rsec_digest *digest, rsec_view pkt, const uint8_t *request_auth,
                                                rsec_view secret);

/* Computes it and writes it at octets 4..19. `request_auth` (16 octets) may point at those very octets. */
RSEC_CHECK rsec_status rsec_response_auth_sign(rsec_digest *digest, uint8_t *pkt, size_t len,
                                               const uint8_t *request_auth, rsec_view secret);

/* Message-Authenticator: HMAC-MD5 over the packet with the 16 octets at `value_off` read as zero, and with
 * `authenticator` (16 octets) in the place of octets 4..19, or zeros there when it is NULL.
 * Which one a packet takes: its own authenticator for Access-Request and Status-Server, zeros for Accounting-Request,
 * CoA-Request and Disconnect-Request, the request's authenticator for replies (but see rsec_reply_sign).
 * check: RSEC_OK, RSEC_BAD_MESSAGE_AUTH, RSEC_CRYPTO. compute: writes `out`. `value_off` is inside the packet with 16
 * octets behind it. */
RSEC_CHECK rsec_status rsec_message_auth_check(rsec_digest *digest, rsec_view pkt, size_t value_off,
                                               const uint8_t *authenticator, rsec_view secret);
RSEC_CHECK rsec_status rsec_message_auth_compute(rsec_digest *digest, rsec_view pkt, size_t value_off,
                                                 const uint8_t *authenticator, rsec_view secret,
                                                 uint8_t out[RSEC_AUTHENTICATOR_LEN]);

/* What a server asks of a request before anything else looks at it. */
typedef struct {
    bool check_request_auth;          /* verify the Request Authenticator of codes 4, 40, 43 (`verify_packet`) */
    bool require_message_auth;        /* on every packet */
    bool require_message_auth_access; /* on Access-Request */
    bool require_eap_message_auth;    /* on every packet with EAP-Message (PKT-15) */
} rsec_request_policy;

/* The verdict on a received request, from its facts (rsec_packet_scan): form and value of a Message-Authenticator that is
 * there (PKT-4), one that must be there and is not (always for Status-Server, PKT-14), Request Authenticator by policy.
 * RSEC_OK, RSEC_MESSAGE_AUTH_FORM, RSEC_MESSAGE_AUTH_MISSING, RSEC_BAD_MESSAGE_AUTH, RSEC_BAD_REQUEST_AUTH, RSEC_CRYPTO. */
RSEC_CHECK rsec_status rsec_request_verify(rsec_digest *digest, rsec_view pkt, const rsec_packet_facts *facts,
                                           const rsec_request_policy *policy, rsec_view secret);

/* Signs a reply built by rsec_writer, in place: the Message-Authenticator at `message_auth_off` (0: none), then the
 * Response Authenticator. `request_code` and `request_auth` (16 octets) are the request's.
 *
 * No RFC says what the Message-Authenticator of an Accounting-Response is computed over. FreeRADIUS and pyrad2 take zeros in
 * the place of the authenticator, unless it answers Status-Server, and so does this; radsecproxy takes the request's. */
RSEC_CHECK rsec_status rsec_reply_sign(rsec_digest *digest, uint8_t *pkt, size_t len, size_t message_auth_off,
                                       uint8_t request_code, const uint8_t *request_auth, rsec_view secret);

#endif
