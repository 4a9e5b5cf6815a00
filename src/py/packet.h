/* PacketBase: a RADIUS packet as a Python object (contract of pyradsec.packet).
 *
 * A received packet keeps its octets and decodes nothing: a name is looked up in the dictionary and searched for in the
 * octets. Only when raw keys, iteration or a change ask for it is `store` made, a dict of key -> list of bytes in order of
 * first insertion, which is the truth from then on. A packet that is being built has a store from the start. A container (TLV,
 * extended attribute) is a dict in there, code -> list of bytes or dict; its sub-attributes have no keys of their own.
 *
 * Elements of a list in the store are bytes as they go out, with one exception: a str under an `encrypt=1` attribute is
 * clear text, hidden when the packet is serialised.
 *
 * All functions need the GIL. Those that return int give -1 and set an exception on failure.
 */
#ifndef RSEC_PY_PACKET_H
#define RSEC_PY_PACKET_H

#include "py/attribute.h"
#include "wire/container.h"
#include "wire/packet.h"
#include "wire/writer.h"

enum { RSEC_PY_TOKEN_LEN = 4 /* RFC 9765 §4.1 */ };

typedef struct {
    PyObject_HEAD rsec_py_state *state; /* borrowed: the type keeps the module alive */
    PyObject *code, *id, *secret;
    PyObject *authenticator; /* NULL: in the octets received, made into bytes when asked for */
    PyObject *radius_version, *token, *request_authenticator, *original_code, *message_authenticator;
    PyObject *raw_packet; /* bytes as received, or None */
    /* While there is no store: the types that are in raw_packet more than once, and where in its attributes the last one that
     * is there once was found. They are mostly read in their order: the next one is looked for from there. */
    rsec_type_set repeated;
    size_t found_off;
    PyObject *dict;       /* the Dictionary; NULL: no such attribute */
    PyObject *peer;       /* the Peer it came from, or None */
    PyObject *store;      /* dict; NULL: still to be made from raw_packet */
    PyObject *obfuscated; /* dict: name -> list of clear values, set_obfuscated(); NULL: none */
} rsec_py_packet;

/* The class that a packet of `code` is of: AuthPacket for 1, StatusPacket 12, AcctPacket 4 and 5, CoAPacket 40 and 43, Packet
 * otherwise. Borrowed; NULL with RuntimeError before pyradsec.packet has been imported. */
PyTypeObject *rsec_py_packet_type(rsec_py_state *state, uint8_t code);

/* A packet over `raw`, 20 octets or more, of the class for its code. `facts` are what rsec_packet_scan() told of them; NULL: they are
 * scanned here, PacketError when they are no packet. `secret` is bytes. `version` is the RadiusVersion, NULL for V1_0. `peer` is a
 * Peer or None. New reference. */
PyObject *rsec_py_packet_received(rsec_py_state *state, PyObject *raw, const rsec_packet_facts *facts, PyObject *secret,
                                  PyObject *dictionary, PyObject *version, PyObject *peer);

/* Whether `op` is a packet. */
static inline int rsec_py_packet_is(rsec_py_state *state, PyObject *op) {
    return PyObject_TypeCheck(op, state->packet_base);
}

/* The store for the octets `raw`, bytes: a new dict. */
PyObject *rsec_py_packet_fill(rsec_py_packet *self, PyObject *raw);

/* Makes the store if there is none yet. */
int rsec_py_packet_materialise(rsec_py_packet *self);

/* Appends the attributes in order to `writer`, hidden ones hidden with the packet's secret and authenticator, and notes the
 * place of a Message-Authenticator there. What does not fit is a PacketError. */
int rsec_py_packet_write_attrs(rsec_py_packet *self, rsec_writer *writer);

/* The 16 octets that the header has for an authenticator: a longer one gives its first, a shorter one is padded with zeros. */
void rsec_py_packet_header_authenticator(rsec_view authenticator, uint8_t out[RSEC_AUTHENTICATOR_LEN]);

/* Writes header and attributes as far as they need no digest: `authenticator` in its place, zeros for a Message-Authenticator,
 * which is appended when the flag asks for one that is not there. In RADIUS/1.1 without any. */
int rsec_py_packet_write(rsec_py_packet *self, rsec_writer *writer, uint8_t buf[RSEC_PACKET_MAX],
                         const uint8_t authenticator[RSEC_AUTHENTICATOR_LEN]);

/* A new list of the names of what the packet holds, storage keys where the dictionary has no name, in order of first
 * occurrence. AttributeError without a dictionary. The store need not be made for it. */
PyObject *rsec_py_packet_names(rsec_py_packet *self);

/* Whether attribute `type` of the top level is there: 1, 0. */
int rsec_py_packet_has(rsec_py_packet *self, uint8_t type);

/* How a vendor writes its attributes, from the dictionary; one octet of type and one of length when it says nothing.
 * ValueError for a format that is none. */
int rsec_py_vendor_format(rsec_py_packet *self, uint32_t vendor, rsec_vendor_format *format);

/* What is stored for a container attribute as a dict code -> list of bytes, or dict: the stored one itself, or a new one where
 * octets are stored. PacketError, with attribute, place, what was expected and found, when those do not divide. `depth` is how
 * deep what is inside lies, 1 in a container of the top level. New reference. */
PyObject *rsec_py_container_open(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *stored,
                                 unsigned depth);

/* Whether the packet is one of RADIUS/1.1, where nothing is hidden and there is no Message-Authenticator (V11-3). */
static inline bool rsec_py_packet_is_v11(const rsec_py_packet *self) {
    int overflow = 0;
    return self->radius_version != NULL && PyLong_Check(self->radius_version) &&
           PyLong_AsLongAndOverflow(self->radius_version, &overflow) == 1;
}

/* `number`, which may be NULL, as a packet code, 0..255. ValueError, TypeError. */
int rsec_py_code(PyObject *number, uint8_t *code);
/* The packet's code likewise. */
int rsec_py_packet_code_of(rsec_py_packet *self, uint8_t *code);

/* The authenticator as bytes, or None. New reference. */
PyObject *rsec_py_packet_authenticator(rsec_py_packet *self);

/* A packet of `type` with nothing set but what is None; new reference. */
rsec_py_packet *rsec_py_packet_alloc(rsec_py_state *state, PyTypeObject *type);

/* Takes code, identifier and authenticator from the octets `raw`, bytes, and attributes from there when they are asked for.
 * PacketError when they are no packet. */
int rsec_py_packet_adopt(rsec_py_packet *self, PyObject *raw);

/* Adds the attribute that a keyword names: User_Name is User-Name. */
int rsec_py_packet_add_keyword(rsec_py_packet *self, PyObject *keyword, PyObject *value);

/* The octets received where nothing was changed since, else those that would be sent, without digests. New reference. */
PyObject *rsec_py_packet_octets(rsec_py_packet *self);

/* A PacketBase over the octets `raw`, bytes, with this one's header fields, secret, dictionary and peer. New reference. */
PyObject *rsec_py_packet_over(rsec_py_packet *self, PyObject *raw);

/* parse_packet(), a function of the module. */
extern PyMethodDef rsec_py_packet_parse_functions[];

/* Shows `raw`, octets that the packet was decoded from or encoded as, to the wire trace; call it only where state->trace is
 * not NULL. `direction` is "in" or "out". */
int rsec_py_packet_trace(rsec_py_packet *self, const char *direction, PyObject *raw);

/* --- packet_map.c, packet_obfuscated.c, packet_wire.c, packet_reply.c, packet_check.c, avp.c: what makes up the type --- */
extern PyMethodDef rsec_py_packet_avp_methods[];
extern PyMethodDef rsec_py_packet_obfuscated_methods[];
extern PyMethodDef rsec_py_packet_check_methods[];
extern PyMethodDef rsec_py_packet_map_methods[];
extern PyMethodDef rsec_py_packet_wire_methods[];
extern PyMethodDef rsec_py_packet_reply_methods[];
Py_ssize_t rsec_py_packet_length(PyObject *op);
PyObject *rsec_py_packet_subscript(PyObject *op, PyObject *key);
int rsec_py_packet_ass_subscript(PyObject *op, PyObject *key, PyObject *value);
int rsec_py_packet_contains(PyObject *op, PyObject *key);
PyObject *rsec_py_packet_iter(PyObject *op);
PyObject *rsec_py_packet_richcompare(PyObject *op, PyObject *other, int how);
/* add_attribute(name, value). */
int rsec_py_packet_add(rsec_py_packet *self, PyObject *name, PyObject *value);
/* The secret and the authenticator as views of bytes objects that the packet holds; TypeError when they are none. A missing
 * authenticator is made (16 random octets). */
int rsec_py_packet_keys(rsec_py_packet *self, rsec_view *secret, rsec_view *authenticator);

#endif
