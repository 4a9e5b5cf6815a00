/* rsec_tls: what a server brings to a TLS handshake, and why one failed, in words.
 *
 * An rsec_tls is immutable once made and counted (atomic); connections hold references, so that a later one can replace
 * it without touching theirs (TLS-9).
 */
#ifndef RSEC_NET_TLS_H
#define RSEC_NET_TLS_H

#include "crypto/fingerprint.h"
#include "wire/status.h"
#include "wire/view.h"

#include <openssl/ssl.h>

enum { RSEC_TLS_ERROR_TEXT = 480 };

typedef enum {
    RSEC_VERIFY_NONE = 0,
    RSEC_VERIFY_OPTIONAL = 1,
    RSEC_VERIFY_REQUIRED = 2
} rsec_verify_mode; /* as ssl's */

typedef struct {
    const char *certfile;    /* PEM: the certificate, then its chain */
    const char *keyfile;     /* PEM */
    const rsec_view *ca_der; /* trusted certificates, DER */
    size_t ca_num;
    const char *ca_path; /* a hashed directory of trusted certificates, or NULL */
    rsec_verify_mode verify_mode;
    unsigned long verify_flags;   /* X509_V_FLAG_* */
    int min_version, max_version; /* TLS1_2_VERSION …; 0: the library's */
    uint64_t options;             /* SSL_OP_*, added to those that TLS-2 asks for */
    const char *ciphers;          /* TLS 1.2 and older, OpenSSL's list syntax; NULL: the library's */
    const char *ciphersuites;     /* TLS 1.3; NULL: the library's */
    unsigned tickets;             /* session tickets per handshake (TLS-8); 0: no resumption at all */
    const char *keylog_path;      /* SSLKEYLOGFILE; NULL: none */
    rsec_pins *pins;              /* fingerprints to accept (a reference is taken); NULL: any (TLS-5) */
} rsec_tls_settings;

typedef struct rsec_tls rsec_tls;

/* A context in *tls, count 1. On failure *tls is NULL and `error` says which file or setting and why, for people:
 * "certs/server.key.pem: does not match the certificate in certs/server.cert.pem". Any thread. */
RSEC_CHECK rsec_status rsec_tls_new(const rsec_tls_settings *settings, rsec_tls **tls, char error[RSEC_TLS_ERROR_TEXT]);
rsec_tls *rsec_tls_ref(rsec_tls *tls);
void rsec_tls_unref(rsec_tls *tls);

/* A server-side SSL without BIOs, in accept state, with its notes (below) attached; NULL when there is no memory. */
RSEC_CHECK SSL *rsec_tls_accept(rsec_tls *tls);

/* Gives the record buffers of `ssl` back, 16 kB and more, unless something is in them that was not read yet; to be called when
 * its connection comes to rest, also during the handshake. They are allocated again when they are needed. */
void rsec_tls_rest(SSL *ssl);

/* Days from now to the notAfter of the server's certificate (negative: expired), and whether notBefore is to come. */
void rsec_tls_validity(const rsec_tls *tls, int64_t *not_after_days, bool *is_not_yet_valid);

typedef enum {
    RSEC_TLS_ADMITTED,
    RSEC_TLS_REFUSED_CERTIFICATE, /* verification failed, or none although one is required */
    RSEC_TLS_REFUSED_FINGERPRINT, /* TLS-5 */
} rsec_tls_verdict;

/* The decision after a completed handshake, resumed ones included: a verified certificate when one is required, its
 * fingerprint in the pins when there are any. `text` says why not. I/O thread. */
RSEC_CHECK rsec_tls_verdict rsec_tls_authorise(const rsec_tls *tls, const SSL *ssl, char text[RSEC_TLS_ERROR_TEXT]);

/* Why the handshake of `ssl` failed, in words that its operator can act on: the versions the peer offered and our minimum,
 * which check failed on which subject, no certificate sent, unknown CA, no common cipher, not TLS at all, the peer's
 * alert ("the peer refused our certificate: unknown CA"). `ssl_error` is SSL_get_error's; the thread's OpenSSL error queue is
 * read and emptied. What the peer supplied is escaped. I/O thread. */
void rsec_tls_handshake_reason(SSL *ssl, int ssl_error, char text[RSEC_TLS_ERROR_TEXT]);

/* The newest error of the thread's OpenSSL queue as text, queue emptied; for errors after the handshake. */
void rsec_tls_error_text(char text[RSEC_TLS_ERROR_TEXT]);

#endif
