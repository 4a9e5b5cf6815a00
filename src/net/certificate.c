#include "net/certificate.h"

#include "wire/value.h"
#include "wire/view.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { OID_TEXT = 128, SECONDS_PER_DAY = 86400 };

/* A visitor with what it has returned so far. */
typedef struct {
    rsec_certificate_visitor visit;
    void *arg;
    int result;
} visiting;

static void tell(visiting *to, rsec_certificate_field field, const char *kind, const void *text, size_t len) {
    if (to->result == 0) {
        to->result = to->visit(to->arg, field, kind, text, len);
    }
}

/* RFC 4514, with the characters beyond ASCII as they are instead of escaped octet by octet. */
static rsec_status tell_name(visiting *to, rsec_certificate_field field, const char *kind, const X509_NAME *name) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    rsec_status status = RSEC_NO_MEMORY;
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
        long len = BIO_get_mem_data(bio, &text);
        tell(to, field, kind, text, len > 0 ? (size_t)len : 0);
        status = RSEC_OK;
    }
    BIO_free(bio);
    return status;
}

static void tell_oid(visiting *to, rsec_certificate_field field, const char *kind, const ASN1_OBJECT *oid) {
    char text[OID_TEXT];
    int len = OBJ_obj2txt(text, sizeof text, oid, 1);
    if (len > 0) {
        tell(to, field, kind, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
    }
}

static void tell_string(visiting *to, const char *kind, const ASN1_STRING *string) {
    tell(to, RSEC_CERTIFICATE_SAN, kind, ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

static void tell_address(visiting *to, const ASN1_OCTET_STRING *octets) {
    char text[RSEC_IPV6_TEXT];
    size_t len = 0;
    if (ASN1_STRING_length(octets) == 4) {
        len = rsec_ipv4_format(ASN1_STRING_get0_data(octets), text);
    } else if (ASN1_STRING_length(octets) == 16) {
        len = rsec_ipv6_format(ASN1_STRING_get0_data(octets), text);
    }
    if (len > 0) {
        tell(to, RSEC_CERTIFICATE_SAN, "IP Address", text, len);
    }
}

static rsec_status tell_sans(visiting *to, const X509 *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    rsec_status status = RSEC_OK;
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names) && status == RSEC_OK; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        switch (name->type) {
        case GEN_DNS:
            tell_string(to, "DNS", name->d.dNSName);
            break;
        case GEN_EMAIL:
            tell_string(to, "email", name->d.rfc822Name);
            break;
        case GEN_URI:
            tell_string(to, "URI", name->d.uniformResourceIdentifier);
            break;
        case GEN_IPADD:
            tell_address(to, name->d.iPAddress);
            break;
        case GEN_DIRNAME:
            status = tell_name(to, RSEC_CERTIFICATE_SAN, "DirName", name->d.directoryName);
            break;
        case GEN_RID:
            tell_oid(to, RSEC_CERTIFICATE_SAN, "Registered ID", name->d.registeredID);
            break;
        default: /* otherName, x400Address, ediPartyName: no text that anyone compares with */
            break;
        }
    }
    GENERAL_NAMES_free(names);
    return status;
}

static void tell_usages(visiting *to, const X509 *certificate) {
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    for (int i = 0; usages != NULL && i < sk_ASN1_OBJECT_num(usages); i++) {
        tell_oid(to, RSEC_CERTIFICATE_EKU, "", sk_ASN1_OBJECT_value(usages, i));
    }
    EXTENDED_KEY_USAGE_free(usages);
}

static void tell_policies(visiting *to, const X509 *certificate) {
    CERTIFICATEPOLICIES *policies = X509_get_ext_d2i(certificate, NID_certificate_policies, NULL, NULL);
    for (int i = 0; policies != NULL && i < sk_POLICYINFO_num(policies); i++) {
        tell_oid(to, RSEC_CERTIFICATE_POLICY, "", sk_POLICYINFO_value(policies, i)->policyid);
    }
    CERTIFICATEPOLICIES_free(policies);
}

static rsec_status tell_serial(visiting *to, const X509 *certificate) {
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *text = number != NULL ? BN_bn2hex(number) : NULL;
    if (text != NULL) {
        tell(to, RSEC_CERTIFICATE_SERIAL, "", text, strlen(text));
    }
    rsec_status status = text != NULL ? RSEC_OK : RSEC_NO_MEMORY;
    OPENSSL_free(text);
    BN_free(number);
    return status;
}

rsec_status rsec_certificate_visit(const X509 *certificate, rsec_certificate_visitor visit, void *arg, int *visited) {
    visiting to = {visit, arg, 0};
    rsec_status status = tell_name(&to, RSEC_CERTIFICATE_SUBJECT, "", X509_get_subject_name(certificate));
    if (status == RSEC_OK) {
        status = tell_name(&to, RSEC_CERTIFICATE_ISSUER, "", X509_get_issuer_name(certificate));
    }
    if (status == RSEC_OK) {
        status = tell_serial(&to, certificate);
    }
    if (status == RSEC_OK) {
        status = tell_sans(&to, certificate);
    }
    if (status == RSEC_OK) {
        tell_usages(&to, certificate);
        tell_policies(&to, certificate);
    }
    ERR_clear_error(); /* extensions that do not parse leave theirs */
    *visited = to.result;
    return status;
}

rsec_status rsec_certificate_not_after(const X509 *certificate, int64_t *seconds) {
    int days = 0, rest = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int rc = epoch != NULL ? ASN1_TIME_diff(&days, &rest, epoch, X509_get0_notAfter(certificate)) : 0;
    ASN1_TIME_free(epoch);
    ERR_clear_error();
    *seconds = rc == 1 ? (int64_t)days * SECONDS_PER_DAY + rest : 0;
    return rc == 1 ? RSEC_OK : RSEC_ATTR_VALUE;
}
