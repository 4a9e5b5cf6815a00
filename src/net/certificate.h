/* What a policy may want to know of a peer's certificate, as text (TLS-10; RFC 5280). */
#ifndef RSEC_NET_CERTIFICATE_H
#define RSEC_NET_CERTIFICATE_H

#include "wire/status.h"

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    RSEC_CERTIFICATE_SUBJECT, /* RFC 4514 text, "CN=nas7,O=Example" */
    RSEC_CERTIFICATE_ISSUER,
    RSEC_CERTIFICATE_SERIAL, /* hexadecimal, upper case */
    RSEC_CERTIFICATE_SAN, /* one subjectAltName; `kind` is "DNS", "IP Address", "email", "URI", "DirName", "Registered ID" */
    RSEC_CERTIFICATE_EKU,    /* one extended key usage, dotted OID */
    RSEC_CERTIFICATE_POLICY, /* one certificate policy, dotted OID */
} rsec_certificate_field;

/* Receives one piece of text: UTF-8 as far as the certificate kept to it, `len` octets, not ended by a NUL (a name may hold
 * one). Borrowed for the call. A return value other than 0 ends the visit. */
typedef int (*rsec_certificate_visitor)(void *arg, rsec_certificate_field field, const char *kind, const char *text,
                                        size_t len);

/* Visits subject, issuer, serial number, then every SAN, EKU and policy in the certificate's order. *visited is what the
 * last call of `visit` returned, 0 when all were made. RSEC_OK, also then; RSEC_NO_MEMORY. What does not parse is left
 * out. Any thread; `certificate` is only read. */
RSEC_CHECK rsec_status rsec_certificate_visit(const X509 *certificate, rsec_certificate_visitor visit, void *arg,
                                              int *visited);

/* The end of its validity in seconds since 1970. RSEC_ATTR_VALUE when that cannot be told. */
RSEC_CHECK rsec_status rsec_certificate_not_after(const X509 *certificate, int64_t *seconds);

#endif
