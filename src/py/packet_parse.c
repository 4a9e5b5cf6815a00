/* parse_packet(): octets into a packet of the class for their code. */
#include "py/packet.h"

enum { DATA, SECRET, DICTIONARY, VERSION, ARGUMENTS, REQUIRED = VERSION };

static const char *const argument_names[ARGUMENTS] = {"data", "secret", "dictionary", "radius_version"};

/* The place of the argument that a keyword names, or -1. */
static int place_of(PyObject *keyword) {
    for (int i = 0; i < ARGUMENTS; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, argument_names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* Sorts what a call was given into `given`, borrowed references, NULL for what is missing. TypeError. */
static int take_arguments(PyObject *const *args, Py_ssize_t num, PyObject *names, PyObject *given[ARGUMENTS]) {
    Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (num > ARGUMENTS) {
        PyErr_Format(PyExc_TypeError, "parse_packet() takes %d arguments at most, found %zd", ARGUMENTS, num);
        return -1;
    }
    for (Py_ssize_t i = 0; i < num; i++) {
        given[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(names, i);
        int place = place_of(keyword);
        if (place < 0 || given[place] != NULL) {
            PyErr_Format(PyExc_TypeError, "parse_packet() %s %R", place < 0 ? "takes no" : "was given twice:", keyword);
            return -1;
        }
        given[place] = args[num + i];
    }
    for (int i = 0; i < REQUIRED; i++) {
        if (given[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "parse_packet() misses '%s'", argument_names[i]);
            return -1;
        }
    }
    return 0;
}

static PyObject *parse_packet(PyObject *module, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    rsec_py_state *state = PyModule_GetState(module);
    PyObject *given[ARGUMENTS] = {NULL, NULL, NULL, NULL};
    if (take_arguments(args, num, names, given) < 0) {
        return NULL;
    }
    if (!PyBytes_Check(given[SECRET])) {
        return PyErr_Format(PyExc_TypeError, "secret: expected bytes, found %.100s", Py_TYPE(given[SECRET])->tp_name);
    }
    PyObject *raw = PyBytes_FromObject(given[DATA]); /* bytes as they are; a bytearray may change */
    PyObject *packet = NULL;
    if (raw != NULL && PyBytes_GET_SIZE(raw) == 0) {
        (void)rsec_py_fail_scan(state, RSEC_TOO_SHORT, rsec_py_bytes_view(raw), 0);
    } else if (raw != NULL) {
        packet = rsec_py_packet_received(state, raw, given[SECRET], given[DICTIONARY], given[VERSION], Py_None);
    }
    Py_XDECREF(raw);
    return packet;
}

PyDoc_STRVAR(
    parse_packet_doc,
    "parse_packet(data, secret, dictionary, radius_version=0)\n--\n\n"
    "The packet in `data`, of the class for its code: AuthPacket for Access-Request, AcctPacket for\n"
    "Accounting-Request and -Response, CoAPacket for CoA- and Disconnect-Request, StatusPacket for Status-Server,\n"
    "Packet for every other one. PacketError when it is no whole packet of 20 to 4096 octets (RFC 2865 §3).");

PyMethodDef rsec_py_packet_parse_functions[] = {
    {"parse_packet", (PyCFunction)(void (*)(void))parse_packet, METH_FASTCALL | METH_KEYWORDS, parse_packet_doc},
    {NULL, NULL, 0, NULL},
};
