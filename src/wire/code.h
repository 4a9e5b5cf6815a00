/* The numbers of RADIUS: packet codes, attribute types, Error-Cause values and sizes that C code needs by name. */
#ifndef RSEC_WIRE_CODE_H
#define RSEC_WIRE_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RSEC_HEADER_LEN = 20,        /* Code, Identifier, Length, Authenticator (RFC 2865 §3) */
    RSEC_AUTHENTICATOR_LEN = 16, /* Request and Response Authenticator, Message-Authenticator */
    RSEC_PACKET_MIN = 20,
    RSEC_PACKET_MAX = 4096, /* RFC 2865 §3, RFC 6613 §2.6.4 */
    RSEC_ATTR_HEADER_LEN = 2,
    RSEC_ATTR_VALUE_MAX = 253,
};

typedef enum {
    RSEC_ACCESS_REQUEST = 1,
    RSEC_ACCESS_ACCEPT = 2,
    RSEC_ACCESS_REJECT = 3,
    RSEC_ACCOUNTING_REQUEST = 4,
    RSEC_ACCOUNTING_RESPONSE = 5,
    RSEC_ACCESS_CHALLENGE = 11,
    RSEC_STATUS_SERVER = 12,
    RSEC_STATUS_CLIENT = 13,
    RSEC_DISCONNECT_REQUEST = 40,
    RSEC_DISCONNECT_ACK = 41,
    RSEC_DISCONNECT_NAK = 42,
    RSEC_COA_REQUEST = 43,
    RSEC_COA_ACK = 44,
    RSEC_COA_NAK = 45,
    RSEC_PROTOCOL_ERROR = 52, /* RFC 7930 §4 */
} rsec_code;

enum {
    RSEC_ATTR_USER_NAME = 1,
    RSEC_ATTR_USER_PASSWORD = 2,
    RSEC_ATTR_CHAP_PASSWORD = 3,
    RSEC_ATTR_VENDOR_SPECIFIC = 26,
    RSEC_ATTR_PROXY_STATE = 33,
    RSEC_ATTR_CHAP_CHALLENGE = 60,
    RSEC_ATTR_EAP_MESSAGE = 79,
    RSEC_ATTR_MESSAGE_AUTHENTICATOR = 80,
    RSEC_ATTR_ERROR_CAUSE = 101,
    RSEC_ATTR_EXTENDED_1 = 241,         /* RFC 6929 §4.2 */
    RSEC_ATTR_ORIGINAL_PACKET_CODE = 4, /* 241.4, RFC 7930 §4 */
};

enum { RSEC_ERROR_CAUSE_UNSUPPORTED_EXTENSION = 406 }; /* RFC 5176 §3.5 */

/* The name of `code` ("Access-Request"), or NULL for one that has no name here. */
const char *rsec_code_name(uint8_t code);

/* Whether `code` is an answer: 2, 3, 5, 11, 41, 42, 44, 45, 52 (PKT-7). */
bool rsec_code_is_response(uint8_t code);

/* Whether the Request Authenticator of a request of `code` is a digest over the packet: 4, 40 and 43 (RFC 2866 §3,
 * RFC 5176 §2.3). The others carry a random one. */
bool rsec_code_signs_request(uint8_t code);

#endif
