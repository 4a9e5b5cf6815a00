#include "py/settings.h"

#include "net/clock.h"

/* Reads attribute `name` of `settings` as a number; None is `none`. */
static int read_number(PyObject *settings, const char *name, double none, double *value) {
    PyObject *found = PyObject_GetAttrString(settings, name);
    if (found == NULL) {
        return -1;
    }
    *value = found == Py_None ? none : PyFloat_AsDouble(found);
    Py_DECREF(found);
    return PyErr_Occurred() != NULL ? -1 : 0;
}

static int read_count(PyObject *settings, const char *name, size_t *value) {
    double number;
    if (read_number(settings, name, 0, &number) < 0) {
        return -1;
    }
    *value = (size_t)number;
    return 0;
}

static int read_seconds(PyObject *settings, const char *name, int64_t *ns) {
    double seconds;
    if (read_number(settings, name, -1, &seconds) < 0) {
        return -1;
    }
    *ns = seconds < 0 ? RSEC_NO_TIMEOUT : (int64_t)(seconds * (double)RSEC_NS_PER_S);
    return 0;
}

int rsec_py_settings_read(PyObject *from, rsec_settings *to) {
    size_t packets;
    if (read_seconds(from, "handshake_timeout", &to->handshake_timeout_ns) < 0 ||
        read_seconds(from, "connection_read_timeout", &to->idle_timeout_ns) < 0 ||
        read_seconds(from, "packet_timeout", &to->packet_timeout_ns) < 0 ||
        read_seconds(from, "write_timeout", &to->write_timeout_ns) < 0 ||
        read_count(from, "max_handshakes", &to->max_handshakes) < 0 ||
        read_count(from, "max_connections", &to->max_connections) < 0 ||
        read_count(from, "max_connections_per_peer", &to->max_connections_per_peer) < 0 ||
        read_number(from, "max_new_connections_per_s", 0, &to->max_new_connections_per_s) < 0 ||
        read_count(from, "max_in_flight", &to->max_in_flight) < 0 ||
        read_count(from, "max_in_flight_total", &to->max_in_flight_total) < 0 ||
        read_count(from, "max_output", &to->max_output) < 0 ||
        read_count(from, "max_packets_per_connection", &packets) < 0) {
        return -1;
    }
    to->max_in_flight = to->max_in_flight == 0 ? SIZE_MAX : to->max_in_flight;
    to->max_in_flight_total = to->max_in_flight_total == 0 ? SIZE_MAX : to->max_in_flight_total;
    to->max_output = to->max_output == 0 ? SIZE_MAX : to->max_output;
    to->max_packets_per_connection = packets;
    return 0;
}

static int read_flag(PyObject *policy, const char *name, bool *flag) {
    PyObject *found = PyDict_GetItemString(policy, name);
    int is_true = found != NULL ? PyObject_IsTrue(found) : -1;
    if (found == NULL) {
        PyErr_Format(PyExc_KeyError, "policy: %s is missing", name);
    }
    *flag = is_true == 1;
    return is_true < 0 ? -1 : 0;
}

int rsec_py_policy_read(PyObject *from, rsec_policy *to) {
    return read_flag(from, "verify", &to->verify.check_request_auth) < 0 ||
                   read_flag(from, "require", &to->verify.require_message_auth) < 0 ||
                   read_flag(from, "require_access", &to->verify.require_message_auth_access) < 0 ||
                   read_flag(from, "require_eap", &to->verify.require_eap_message_auth) < 0 ||
                   read_flag(from, "raw", &to->raw) < 0 || read_flag(from, "coa_to_python", &to->coa_to_python) < 0 ||
                   read_flag(from, "disconnect_to_python", &to->disconnect_to_python) < 0 ||
                   read_flag(from, "unknown_code_is_answered", &to->unknown_code_is_answered) < 0 ||
                   read_flag(from, "sign_access_replies", &to->sign_access_replies) < 0 ||
                   read_flag(from, "sign_all_replies", &to->sign_all_replies) < 0
               ? -1
               : 0;
}
