#define _GNU_SOURCE
#include "net/tls_notes.h"

#include "net/event.h"
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OFFERED_MAX = 8, SUBJECT_TEXT = 200 };

typedef struct {
    unsigned offered[OFFERED_MAX]; /* protocol versions of the ClientHello */
    size_t offered_num;
    bool has_hello;
    int verify_error; /* X509_V_ERR_*; X509_V_OK: none */
    int verify_depth;
    char subject[SUBJECT_TEXT]; /* escaped */
} notes;

static int notes_index = -1;
static pthread_once_t notes_once = PTHREAD_ONCE_INIT;

static void free_notes(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp) {
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    free(ptr);
}

static void make_index(void) {
    notes_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_notes);
}

bool rsec_tls_notes_prepare(void) {
    (void)pthread_once(&notes_once, make_index);
    return notes_index >= 0;
}

bool rsec_tls_notes_attach(SSL *ssl) {
    notes *note = calloc(1, sizeof *note);
    if (note == NULL || SSL_set_ex_data(ssl, notes_index, note) != 1) {
        free(note);
        return false;
    }
    return true;
}

int rsec_tls_notes_on_client_hello(SSL *ssl, int *alert, void *arg) {
    (void)alert;
    (void)arg;
    notes *note = SSL_get_ex_data(ssl, notes_index);
    const unsigned char *ext;
    size_t len;
    if (note == NULL) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    note->has_hello = true;
    note->offered_num = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &ext, &len) == 1 && len >= 1) {
        /* RFC 8446 §4.2.1: one octet of length, then the versions. */
        for (size_t i = 1; i + 1 < len && note->offered_num < OFFERED_MAX; i += 2) {
            unsigned version = (unsigned)ext[i] << 8 | ext[i + 1];
            if (version >= SSL3_VERSION && version <= TLS1_3_VERSION) {
                note->offered[note->offered_num++] = version; /* others are GREASE (RFC 8701) */
            }
        }
    } else {
        note->offered[note->offered_num++] = SSL_client_hello_get0_legacy_version(ssl);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

int rsec_tls_notes_on_verify(int is_ok, X509_STORE_CTX *store_ctx) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    notes *note = ssl != NULL ? SSL_get_ex_data(ssl, notes_index) : NULL;
    if (is_ok == 1 || note == NULL || note->verify_error != X509_V_OK) {
        return is_ok;
    }
    note->verify_error = X509_STORE_CTX_get_error(store_ctx);
    note->verify_depth = X509_STORE_CTX_get_error_depth(store_ctx);
    const X509 *certificate = X509_STORE_CTX_get_current_cert(store_ctx);
    if (certificate != NULL) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *text = NULL;
        if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
            long len = BIO_get_mem_data(bio, &text);
            (void)rsec_event_escape(text, len > 0 ? (size_t)len : 0, note->subject, sizeof note->subject);
        }
        BIO_free(bio);
    }
    ERR_clear_error();
    return is_ok;
}

static const char *version_name(unsigned version) {
    switch (version) {
    case SSL3_VERSION:
        return "SSL 3.0";
    case TLS1_VERSION:
        return "TLS 1.0";
    case TLS1_1_VERSION:
        return "TLS 1.1";
    case TLS1_2_VERSION:
        return "TLS 1.2";
    case TLS1_3_VERSION:
        return "TLS 1.3";
    default:
        return "an unknown version";
    }
}

/* "TLS 1.0, TLS 1.1" */
static void list_offered(const notes *note, char *text, size_t cap) {
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < note->offered_num && n < cap; i++) {
        int put = snprintf(text + n, cap - n, "%s%s", i > 0 ? ", " : "", version_name(note->offered[i]));
        n += put > 0 ? (size_t)put : 0;
    }
}

static void say_certificate(const notes *note, char text[RSEC_TLS_ERROR_TEXT]) {
    const char *which = note->verify_depth == 0 ? "client certificate" : "certificate in the client's chain";
    const char *hint = "";
    switch (note->verify_error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_UNTRUSTED:
        hint = "unknown CA: ";
        break;
    default:
        break;
    }
    (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "%s%s (%s, subject %s)", hint,
                   X509_verify_cert_error_string(note->verify_error), which,
                   note->subject[0] != '\0' ? note->subject : "unknown");
}

/* The alerts by which a client says that it does not like us, in words. */
static const char *alert_words(int reason) {
    switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return "the peer refused our certificate: unknown CA";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        return "the peer refused our certificate: bad certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "the peer refused our certificate: expired";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
        return "the peer refused our certificate: revoked";
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return "the peer refused our certificate: unsupported certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return "the peer refused our certificate";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the peer does not take our TLS versions";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return "the peer ended the handshake: no common parameters";
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
        return "the peer ended the handshake: internal error there";
    case SSL_R_TLSV1_ALERT_USER_CANCELLED:
        return "the peer cancelled the handshake";
    default:
        return NULL;
    }
}

void rsec_tls_handshake_reason(SSL *ssl, int ssl_error, char text[RSEC_TLS_ERROR_TEXT]) {
    static const notes none = {.verify_error = X509_V_OK};
    const notes *note = SSL_get_ex_data(ssl, notes_index);
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    char offered[96];
    note = note != NULL ? note : &none;
    list_offered(note, offered, sizeof offered);
    if (ssl_error != SSL_ERROR_SSL || ERR_GET_LIB(code) != ERR_LIB_SSL) {
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "TLS library error: %s",
                       code != 0 && ERR_reason_error_string(code) != NULL ? ERR_reason_error_string(code) : "unknown");
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && note->verify_error != X509_V_OK) {
        say_certificate(note, text);
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "no certificate: the client sent none, and one is required");
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW ||
               reason == SSL_R_WRONG_SSL_VERSION || reason == SSL_R_NO_PROTOCOLS_AVAILABLE) {
        long least = SSL_get_min_proto_version(ssl);
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "no common TLS version: the client offered %s, our minimum is %s",
                       offered[0] != '\0' ? offered : "none",
                       least == 0 ? "the library's" : version_name((unsigned)least));
    } else if (reason == SSL_R_NO_SHARED_CIPHER) {
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "no common cipher (the client offered %s)", offered);
    } else if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST) {
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "not TLS: the client sent an HTTP request");
    } else if (!note->has_hello && (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_UNKNOWN_PROTOCOL ||
                                    reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_BAD_PACKET_LENGTH)) {
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT,
                       "not TLS: the client's first octets are no ClientHello (RADIUS over plain TCP?)");
    } else if (alert_words(reason) != NULL) {
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "%s", alert_words(reason));
    } else {
        const char *words = ERR_reason_error_string(code);
        (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "%s", words != NULL ? words : "unknown reason");
    }
    ERR_clear_error();
}

void rsec_tls_error_text(char text[RSEC_TLS_ERROR_TEXT]) {
    unsigned long code = ERR_peek_error();
    const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;
    (void)snprintf(text, RSEC_TLS_ERROR_TEXT, "%s", words != NULL ? words : "unknown reason");
    ERR_clear_error();
}
