#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static bool extend(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

identity identity_make(const char *name, const identity *issuer, long from_s, long until_s) {
    static long serial = 1;
    identity id = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    const identity *signer = issuer != NULL ? issuer : &id;
    X509_NAME *subject = id.certificate != NULL ? X509_get_subject_name(id.certificate) : NULL;
    bool is_made = id.key != NULL && subject != NULL && X509_set_version(id.certificate, X509_VERSION_3) == 1 &&
                   ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), serial++) == 1 &&
                   X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) ==
                       1 &&
                   X509_gmtime_adj(X509_getm_notBefore(id.certificate), from_s) != NULL &&
                   X509_gmtime_adj(X509_getm_notAfter(id.certificate), until_s) != NULL &&
                   X509_set_issuer_name(id.certificate, X509_get_subject_name(signer->certificate)) == 1 &&
                   X509_set_pubkey(id.certificate, id.key) == 1 &&
                   extend(id.certificate, signer->certificate, NID_basic_constraints,
                          issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
                   X509_sign(id.certificate, signer->key, EVP_sha256()) > 0;
    if (!is_made) {
        identity_clear(&id);
    }
    return id;
}

void identity_clear(identity *id) {
    EVP_PKEY_free(id->key);
    X509_free(id->certificate);
    *id = (identity){NULL, NULL};
}

bool identity_write(const identity *id, const char *cert_path, const char *key_path) {
    FILE *cert = fopen(cert_path, "w"), *key = fopen(key_path, "w");
    bool is_written = cert != NULL && key != NULL && PEM_write_X509(cert, id->certificate) == 1 &&
                      PEM_write_PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL) == 1;
    if (cert != NULL && fclose(cert) != 0) {
        is_written = false;
    }
    if (key != NULL && fclose(key) != 0) {
        is_written = false;
    }
    return is_written;
}

rsec_view certificate_der(X509 *certificate) {
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    return rsec_view_of(der, len > 0 ? (size_t)len : 0);
}

rsec_view certificate_file_der(const char *path) {
    rsec_view der = {NULL, 0};
    FILE *file = fopen(path, "r");
    X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (certificate != NULL) {
        der = certificate_der(certificate);
    }
    X509_free(certificate);
    if (file != NULL) {
        (void)fclose(file);
    }
    return der;
}
