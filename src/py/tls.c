#include "py/tls.h"

#include <stdlib.h>
#include <string.h>

static const char capsule_name[] = "pyradsec._core.TLS";

static void free_capsule(PyObject *capsule) {
    rsec_tls_unref(PyCapsule_GetPointer(capsule, capsule_name));
}

rsec_tls *rsec_py_tls_of(PyObject *op) {
    return PyCapsule_GetPointer(op, capsule_name);
}

/* The views of a sequence of bytes objects. 0 or -1 with an exception; *views is malloc'd. */
static int take_certificates(PyObject *fast, rsec_view **views, size_t *num) {
    *num = (size_t)PySequence_Fast_GET_SIZE(fast);
    *views = calloc(*num > 0 ? *num : 1, sizeof **views);
    if (*views == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < *num; i++) {
        PyObject *der = PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i);
        if (!PyBytes_Check(der)) {
            PyErr_SetString(PyExc_TypeError, "trusted certificates: expected bytes");
            return -1;
        }
        (*views)[i] = rsec_py_bytes_view(der);
    }
    return 0;
}

/* A pin set from fingerprints as 64 digits each; NULL when there are none. */
static int take_pins(PyObject *fast, rsec_pins **pins) {
    *pins = NULL;
    if (fast == NULL) {
        return 0;
    }
    size_t num = (size_t)PySequence_Fast_GET_SIZE(fast);
    uint8_t *octets = malloc(num > 0 ? num * RSEC_FINGERPRINT_LEN : 1);
    int rc = octets != NULL ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < num; i++) {
        Py_ssize_t len;
        const char *text = PyUnicode_AsUTF8AndSize(PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i), &len);
        if (text == NULL || rsec_fingerprint_parse(text, (size_t)len, octets + i * RSEC_FINGERPRINT_LEN) != RSEC_OK) {
            rc = -1;
        }
    }
    if (rc == 0) {
        *pins = rsec_pins_new(octets, num);
    }
    free(octets);
    if (*pins == NULL && PyErr_Occurred() == NULL) {
        if (rc == 0 || octets == NULL) {
            PyErr_NoMemory();
        } else {
            PyErr_SetString(PyExc_ValueError, "pins: expected 64 hexadecimal digits each");
        }
    }
    return *pins != NULL ? 0 : -1;
}

PyDoc_STRVAR(
    tls_doc,
    "TLS(certfile, keyfile, ca_certificates, ca_path, verify_mode, verify_flags, min_version, max_version, options, ciphers,\n"
    "    ciphersuites, tickets, keylog_path, pins)\n--\n\n"
    "A server-side TLS context for the engine. ca_certificates: DER octets; ca_path: a directory of\n"
    "them (openssl rehash) or None; min_version, max_version: protocol\n"
    "numbers, 0 for the library's; ciphers, ciphersuites, keylog_path: text or None; pins: fingerprints or None.\n"
    "Returns (context, days until the certificate expires, whether it is not yet valid). ssl.SSLError with the\n"
    "file and the reason.");

static PyObject *make_tls(PyObject *module, PyObject *args) {
    rsec_tls_settings settings = {0};
    PyObject *certificates, *pins, *fast = NULL, *fast_pins = NULL, *result = NULL, *certfile = NULL, *keyfile = NULL;
    int verify_mode;
    unsigned long long options;
    rsec_view *views = NULL;
    rsec_tls *tls = NULL;
    char error[RSEC_TLS_ERROR_TEXT];
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&OzikiiKzzIzO:TLS", PyUnicode_FSConverter, &certfile, PyUnicode_FSConverter,
                          &keyfile, &certificates, &settings.ca_path, &verify_mode, &settings.verify_flags,
                          &settings.min_version, &settings.max_version, &options, &settings.ciphers,
                          &settings.ciphersuites, &settings.tickets, &settings.keylog_path, &pins)) {
        Py_XDECREF(certfile);
        return NULL;
    }
    settings.certfile = PyBytes_AS_STRING(certfile);
    settings.keyfile = PyBytes_AS_STRING(keyfile);
    settings.verify_mode = (rsec_verify_mode)verify_mode;
    settings.options = options;
    fast = PySequence_Fast(certificates, "ca_certificates: expected a sequence");
    if (fast == NULL || take_certificates(fast, &views, &settings.ca_num) < 0) {
        goto done;
    }
    settings.ca_der = views;
    if (pins != Py_None) {
        fast_pins = PySequence_Fast(pins, "pins: expected a sequence");
        if (fast_pins == NULL) {
            goto done;
        }
    }
    if (take_pins(fast_pins, &settings.pins) < 0) {
        goto done;
    }
    if (rsec_tls_new(&settings, &tls, error) != RSEC_OK) {
        PyObject *ssl = PyImport_ImportModule("ssl");
        PyObject *type = ssl != NULL ? PyObject_GetAttrString(ssl, "SSLError") : NULL;
        if (type != NULL) {
            PyErr_SetString(type, error);
        }
        Py_XDECREF(ssl);
        Py_XDECREF(type);
        goto done;
    }
    PyObject *capsule = PyCapsule_New(tls, capsule_name, free_capsule);
    if (capsule == NULL) {
        rsec_tls_unref(tls);
        goto done;
    }
    int64_t days;
    bool is_not_yet_valid;
    rsec_tls_validity(tls, &days, &is_not_yet_valid);
    result = Py_BuildValue("(NLO)", capsule, (long long)days, is_not_yet_valid ? Py_True : Py_False);
done:
    rsec_pins_unref(settings.pins);
    free(views);
    Py_XDECREF(fast);
    Py_XDECREF(fast_pins);
    Py_DECREF(certfile);
    Py_DECREF(keyfile);
    return result;
}

PyMethodDef rsec_py_tls_function = {"TLS", make_tls, METH_VARARGS, tls_doc};
