/* rsec_status: the one enumeration of outcomes of the C rooms.
 *
 * A value names a cause, not a place. RSEC_OK is 0; every other value is an outcome the caller has to look at, and the
 * compiler insists on it where a function is marked RSEC_CHECK.
 */
#ifndef RSEC_WIRE_STATUS_H
#define RSEC_WIRE_STATUS_H

#if defined(__GNUC__) || defined(__clang__)
#define RSEC_CHECK __attribute__((warn_unused_result))
#else
#define RSEC_CHECK
#endif

typedef enum {
    RSEC_OK = 0,
    RSEC_MORE,              /* more octets are needed before anything can be said */
    RSEC_ABSENT,            /* what was looked for is not there */
    RSEC_NO_MEMORY,         /* an allocation failed */
    RSEC_TOO_SHORT,         /* Length below 20, or fewer octets than the header (PKT-2) */
    RSEC_TOO_LONG,          /* Length above 4096, or output that would pass a limit (PKT-2) */
    RSEC_LENGTH_MISMATCH,   /* the Length field differs from the octets given */
    RSEC_ATTR_LENGTH,       /* an attribute of length 0 or 1 (PKT-3) */
    RSEC_ATTR_OVERRUN,      /* an attribute runs past the end of the packet (PKT-3) */
    RSEC_ATTR_VALUE,        /* a value does not fit its data type */
    RSEC_FRAGMENT,          /* a value in fragments that has no end, or that another one interrupts (RFC 6929 §2.2) */
    RSEC_BAD_REQUEST_AUTH,  /* the Request Authenticator does not verify (PKT-4) */
    RSEC_BAD_RESPONSE_AUTH, /* the Response Authenticator does not verify */
    RSEC_BAD_MESSAGE_AUTH,  /* the Message-Authenticator does not verify (PKT-4) */
    RSEC_MESSAGE_AUTH_FORM, /* a Message-Authenticator of another length than 16 octets, or more than one */
    RSEC_MESSAGE_AUTH_MISSING, /* policy or EAP-Message asks for a Message-Authenticator (PKT-14, PKT-15) */
    RSEC_BAD_SECRET,           /* hidden data does not decode: most often another shared secret */
    RSEC_CRYPTO,               /* libcrypto refused; its error queue says why */
    RSEC_STATUS_COUNT
} rsec_status;

/* The message of `status`: static text, lower case, no full stop. Never NULL, also for values outside the enumeration. */
const char *rsec_status_text(rsec_status status);

#endif
