/* Throwaway certificates for the tests: P-256, in memory and as PEM files. */
#ifndef RSEC_TESTS_CERTIFICATES_H
#define RSEC_TESTS_CERTIFICATES_H

#include "wire/view.h"

#include <openssl/ssl.h>
#include <stdbool.h>

typedef struct {
    EVP_PKEY *key;
    X509 *certificate;
} identity;

/* A certificate for `name`, valid from `from_s` to `until_s` seconds from now, signed by `issuer`, or by itself and as a CA
 * when that is NULL. The key is NULL when OpenSSL has no memory. */
identity identity_make(const char *name, const identity *issuer, long from_s, long until_s);
void identity_clear(identity *id);

/* Writes certificate and key as PEM. False: not written. */
bool identity_write(const identity *id, const char *cert_path, const char *key_path);

/* The certificate in DER, to be freed with OPENSSL_free; ptr is NULL on failure. */
rsec_view certificate_der(X509 *certificate);
/* The same from a PEM file. */
rsec_view certificate_file_der(const char *path);

#endif
