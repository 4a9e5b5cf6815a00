#define _GNU_SOURCE
#include "net/tls.h"

#include "net/tls_notes.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rsec_tls {
    atomic_uint refs;
    SSL_CTX *ctx;
    rsec_pins *pins;
    rsec_verify_mode verify_mode;
    int keylog_fd; /* -1: none */
};

__attribute__((format(printf, 2, 3))) static void say(char error[RSEC_TLS_ERROR_TEXT], const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error, RSEC_TLS_ERROR_TEXT, format, args);
    va_end(args);
}

/* Appends why OpenSSL refused; "unknown reason" never helps, so the errno of a file that cannot be read comes first. */
static rsec_status refuse(char error[RSEC_TLS_ERROR_TEXT], const char *what, const char *problem) {
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0                               ? NULL
                         : ERR_SYSTEM_ERROR(code)                ? strerror(ERR_GET_REASON(code))
                         : ERR_reason_error_string(code) != NULL ? ERR_reason_error_string(code)
                                                                 : NULL;
    say(error, "%s: %s%s%s", what, problem, reason != NULL ? ": " : "", reason != NULL ? reason : "");
    ERR_clear_error();
    return RSEC_CRYPTO;
}

static int no_passphrase(char *buf, int size, int rwflag, void *arg) {
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1; /* a server has nobody to ask; OpenSSL's default would ask the terminal */
}

static rsec_status load_certificate(SSL_CTX *ctx, const rsec_tls_settings *settings, char *error) {
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, settings->certfile) != 1) {
        return refuse(error, settings->certfile, "certificate cannot be loaded");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, settings->keyfile, SSL_FILETYPE_PEM) != 1) {
        unsigned long code = ERR_peek_error();
        if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
            say(error, "%s: does not match the certificate in %s", settings->keyfile, settings->certfile);
            ERR_clear_error();
            return RSEC_CRYPTO;
        }
        return refuse(error, settings->keyfile, "private key cannot be loaded");
    }
    if (SSL_CTX_check_private_key(ctx) != 1) {
        say(error, "%s: does not match the certificate in %s", settings->keyfile, settings->certfile);
        ERR_clear_error();
        return RSEC_CRYPTO;
    }
    return RSEC_OK;
}

static rsec_status load_trust(SSL_CTX *ctx, const rsec_tls_settings *settings, char *error) {
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (size_t i = 0; i < settings->ca_num; i++) {
        const unsigned char *der = settings->ca_der[i].ptr;
        X509 *ca = d2i_X509(NULL, &der, (long)settings->ca_der[i].len);
        /* The names go to clients, so that they can choose their certificate by them. */
        bool is_added = ca != NULL && X509_STORE_add_cert(store, ca) == 1 && SSL_CTX_add_client_CA(ctx, ca) == 1;
        X509_free(ca);
        if (!is_added) {
            return refuse(error, "trusted certificates", "one cannot be used");
        }
    }
    if (settings->ca_path != NULL && SSL_CTX_load_verify_locations(ctx, NULL, settings->ca_path) != 1) {
        return refuse(error, settings->ca_path, "directory of trusted certificates cannot be used");
    }
    return RSEC_OK;
}

static rsec_status set_protocol(SSL_CTX *ctx, const rsec_tls_settings *settings, char *error) {
    if (SSL_CTX_set_min_proto_version(ctx, settings->min_version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, settings->max_version) != 1) {
        return refuse(error, "TLS versions", "not supported");
    }
    if (settings->ciphers != NULL && SSL_CTX_set_cipher_list(ctx, settings->ciphers) != 1) {
        return refuse(error, settings->ciphers, "no such ciphers");
    }
    if (settings->ciphersuites != NULL && SSL_CTX_set_ciphersuites(ctx, settings->ciphersuites) != 1) {
        return refuse(error, settings->ciphersuites, "no such TLS 1.3 cipher suites");
    }
    /* TLS-2: no compression, no renegotiation; 0-RTT is off unless asked for. TLS 1.0 and 1.1 need SHA-1 signatures,
     * which OpenSSL 3 has at security level 0 only: whoever lowers the minimum says so in `ciphers`. */
    SSL_CTX_set_options(ctx, settings->options | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    if ((settings->options & SSL_OP_CLEANSE_PLAINTEXT) != 0) {
        /* Since 3.2 SSL_free_buffers(), called twice, wipes a buffer that is not there any more. This mode costs 16 kB of
         * allocating and freeing for every record: otherwise rsec_tls_rest() does it once for many. */
        (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    }
    /* TLS-8: resumption is off altogether without tickets. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (settings->tickets == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    if (SSL_CTX_set_num_tickets(ctx, settings->tickets) != 1 ||
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"pyradsec", 8) != 1) {
        return refuse(error, "session tickets", "cannot be set");
    }
    return RSEC_OK;
}

static void set_verification(SSL_CTX *ctx, const rsec_tls_settings *settings) {
    int mode = settings->verify_mode == RSEC_VERIFY_REQUIRED   ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
               : settings->verify_mode == RSEC_VERIFY_OPTIONAL ? SSL_VERIFY_PEER
                                                               : SSL_VERIFY_NONE;
    SSL_CTX_set_verify(ctx, mode, rsec_tls_notes_on_verify);
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    /* Exactly the flags asked for: Python 3.13 and distributions set some of their own in their contexts. */
    (void)X509_VERIFY_PARAM_clear_flags(param, X509_VERIFY_PARAM_get_flags(param));
    (void)X509_VERIFY_PARAM_set_flags(param, settings->verify_flags);
    SSL_CTX_set_client_hello_cb(ctx, rsec_tls_notes_on_client_hello, NULL);
}

static int keylog_index = -1;
static pthread_once_t keylog_once = PTHREAD_ONCE_INIT;

static void make_keylog_index(void) {
    keylog_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static void on_keylog(const SSL *ssl, const char *line) {
    const rsec_tls *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keylog_index);
    char buf[512];
    int len = snprintf(buf, sizeof buf, "%s\n", line);
    /* One write(2), so that lines of several processes do not mix (O_APPEND). A lost line harms nobody. */
    if (tls != NULL && len > 0 && (size_t)len < sizeof buf && write(tls->keylog_fd, buf, (size_t)len) < 0) {
        return;
    }
}

static rsec_status open_keylog(rsec_tls *tls, const char *path, char *error) {
    if (path == NULL) {
        return RSEC_OK;
    }
    (void)pthread_once(&keylog_once, make_keylog_index);
    tls->keylog_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (tls->keylog_fd < 0 || keylog_index < 0 || SSL_CTX_set_ex_data(tls->ctx, keylog_index, tls) != 1) {
        say(error, "%s: key log cannot be written: %s", path, strerror(errno));
        return RSEC_CRYPTO;
    }
    SSL_CTX_set_keylog_callback(tls->ctx, on_keylog);
    return RSEC_OK;
}

rsec_status rsec_tls_new(const rsec_tls_settings *settings, rsec_tls **tls, char error[RSEC_TLS_ERROR_TEXT]) {
    rsec_status status = RSEC_NO_MEMORY;
    rsec_tls *made = calloc(1, sizeof *made);
    *tls = NULL;
    say(error, "%s", rsec_status_text(RSEC_NO_MEMORY));
    if (made == NULL) {
        return status;
    }
    atomic_init(&made->refs, 1);
    made->keylog_fd = -1;
    ERR_clear_error();
    made->ctx = SSL_CTX_new(TLS_server_method());
    if (made->ctx == NULL || !rsec_tls_notes_prepare()) {
        goto done;
    }
    made->pins = rsec_pins_ref(settings->pins);
    made->verify_mode = settings->verify_mode;
    status = set_protocol(made->ctx, settings, error);
    if (status == RSEC_OK) {
        status = load_certificate(made->ctx, settings, error);
    }
    if (status == RSEC_OK) {
        status = load_trust(made->ctx, settings, error);
    }
    if (status == RSEC_OK) {
        status = open_keylog(made, settings->keylog_path, error);
    }
    if (status == RSEC_OK) {
        set_verification(made->ctx, settings);
        error[0] = '\0';
        *tls = made;
        made = NULL;
    }
done:
    rsec_tls_unref(made);
    return status;
}

rsec_tls *rsec_tls_ref(rsec_tls *tls) {
    if (tls != NULL) {
        atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    }
    return tls;
}

void rsec_tls_unref(rsec_tls *tls) {
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(tls->ctx);
    rsec_pins_unref(tls->pins);
    if (tls->keylog_fd >= 0) {
        close(tls->keylog_fd);
    }
    free(tls);
}

SSL *rsec_tls_accept(rsec_tls *tls) {
    SSL *ssl = SSL_new(tls->ctx);
    if (ssl != NULL && !rsec_tls_notes_attach(ssl)) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

void rsec_tls_rest(SSL *ssl) {
    if ((SSL_get_options(ssl) & SSL_OP_CLEANSE_PLAINTEXT) != 0) {
        return; /* OpenSSL does it after each record, see set_protocol() */
    }
    /* Before 3.0.14, 3.1.6, 3.2.2 and 3.3.1, OpenSSL itself does not look whether a record's header has been read and its body is
     * still to come, or whether a body was read in part: it would free what it goes on to use (CVE-2024-4741). */
    if (SSL_has_pending(ssl) == 0 && strcmp(SSL_rstate_string(ssl), "RB") != 0) {
        (void)SSL_free_buffers(ssl);
    }
}

void rsec_tls_validity(const rsec_tls *tls, int64_t *not_after_days, bool *is_not_yet_valid) {
    const X509 *certificate = SSL_CTX_get0_certificate(tls->ctx);
    int days = 0, seconds = 0;
    *not_after_days = 0;
    *is_not_yet_valid = false;
    if (certificate == NULL) {
        return;
    }
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) == 1) {
        *not_after_days = seconds < 0 ? (int64_t)days - 1 : days; /* a second too late is a day below zero */
    }
    *is_not_yet_valid = X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0;
}

rsec_tls_verdict rsec_tls_authorise(const rsec_tls *tls, const SSL *ssl, char text[RSEC_TLS_ERROR_TEXT]) {
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    rsec_tls_verdict verdict = RSEC_TLS_ADMITTED;
    text[0] = '\0';
    if (certificate == NULL) {
        if (tls->verify_mode == RSEC_VERIFY_REQUIRED || tls->pins != NULL) {
            say(text, "the peer sent no certificate");
            verdict = tls->pins != NULL ? RSEC_TLS_REFUSED_FINGERPRINT : RSEC_TLS_REFUSED_CERTIFICATE;
        }
        return verdict;
    }
    long result = SSL_get_verify_result(ssl);
    if (result != X509_V_OK && tls->verify_mode != RSEC_VERIFY_NONE) {
        say(text, "certificate refused: %s", X509_verify_cert_error_string(result));
        verdict = RSEC_TLS_REFUSED_CERTIFICATE;
    } else if (tls->pins != NULL) {
        /* TLS-5: a pin narrows the trust that the check above gave. */
        unsigned char *der = NULL;
        int len = i2d_X509(certificate, &der);
        uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
        char digits[RSEC_FINGERPRINT_TEXT] = "unknown";
        bool is_known = len > 0 && rsec_fingerprint_of(rsec_view_of(der, (size_t)len), fingerprint) == RSEC_OK;
        OPENSSL_free(der);
        if (is_known) {
            rsec_fingerprint_format(fingerprint, digits);
        }
        if (!is_known || !rsec_pins_has(tls->pins, fingerprint)) {
            say(text, "fingerprint seen: sha256:%s", digits);
            verdict = RSEC_TLS_REFUSED_FINGERPRINT;
        }
    }
    X509_free(certificate);
    return verdict;
}
