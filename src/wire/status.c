#include "wire/status.h"

static const char *const texts[RSEC_STATUS_COUNT] = {
    [RSEC_OK] = "no error",
    [RSEC_MORE] = "more octets are needed",
    [RSEC_ABSENT] = "not there",
    [RSEC_NO_MEMORY] = "out of memory",
    [RSEC_TOO_SHORT] = "too short for a RADIUS packet",
    [RSEC_TOO_LONG] = "too long",
    [RSEC_LENGTH_MISMATCH] = "the Length field differs from the octets received",
    [RSEC_ATTR_LENGTH] = "attribute length below 2",
    [RSEC_ATTR_OVERRUN] = "attribute runs past the end of the packet",
    [RSEC_ATTR_VALUE] = "the value does not fit its data type",
    [RSEC_FRAGMENT] = "the fragments of a value do not follow each other up to a last one",
    [RSEC_BAD_REQUEST_AUTH] = "Request Authenticator does not verify",
    [RSEC_BAD_RESPONSE_AUTH] = "Response Authenticator does not verify",
    [RSEC_BAD_MESSAGE_AUTH] = "Message-Authenticator does not verify",
    [RSEC_MESSAGE_AUTH_FORM] = "Message-Authenticator is not one attribute of 16 octets",
    [RSEC_MESSAGE_AUTH_MISSING] = "Message-Authenticator is required and missing",
    [RSEC_BAD_SECRET] = "hidden value does not decode, most often for another shared secret",
    [RSEC_CRYPTO] = "libcrypto refused",
};

const char *rsec_status_text(rsec_status status) {
    return (unsigned)status < RSEC_STATUS_COUNT ? texts[status] : "unknown status";
}
