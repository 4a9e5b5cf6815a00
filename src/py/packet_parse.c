/* parse_packet(): octets into a packet of the class for their code. */
#include "py/packet.h" /* Python.h comes before every system header */

#include "py/arguments.h"

enum { DATA, SECRET, DICTIONARY, VERSION, ARGUMENTS };

static PyObject *parse_packet(PyObject *module, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    rsec_py_state *state = PyModule_GetState(module);
    static const char *const argument_names[] = {"data", "secret", "dictionary", "radius_version"};
    static const rsec_py_signature signature = {"parse_packet", argument_names, ARGUMENTS, VERSION};
    PyObject *given[ARGUMENTS];
    if (rsec_py_arguments_take(&signature, args, num, names, given) < 0) {
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
        packet = rsec_py_packet_received(state, raw, NULL, given[SECRET], given[DICTIONARY], given[VERSION], Py_None);
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

static PyObject *packet_class(PyObject *module, PyObject *number) {
    uint8_t code;
    if (rsec_py_code(number, &code) < 0) {
        return NULL;
    }
    return Py_XNewRef((PyObject *)rsec_py_packet_type(PyModule_GetState(module), code));
}

PyMethodDef rsec_py_packet_parse_functions[] = {
    {"parse_packet", (PyCFunction)(void (*)(void))parse_packet, METH_FASTCALL | METH_KEYWORDS, parse_packet_doc},
    {"packet_class", packet_class, METH_O,
     "packet_class(code)\n--\n\nThe class that parse_packet() gives a packet of this code, 0 to 255."},
    {NULL, NULL, 0, NULL},
};
