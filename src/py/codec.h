/* Values: Python objects <-> the octets of an attribute, by data type (contract of pyradsec.tools, RFC 8044). */
#ifndef RSEC_PY_CODEC_H
#define RSEC_PY_CODEC_H

#include "py/state.h"

typedef enum {
    RSEC_TYPE_STRING,
    RSEC_TYPE_OCTETS,
    RSEC_TYPE_INTEGER,
    RSEC_TYPE_SIGNED,
    RSEC_TYPE_SHORT,
    RSEC_TYPE_BYTE,
    RSEC_TYPE_INTEGER64,
    RSEC_TYPE_DATE,
    RSEC_TYPE_IPADDR,
    RSEC_TYPE_IPV6ADDR,
    RSEC_TYPE_IPV6PREFIX,
    RSEC_TYPE_IPV4PREFIX,
    RSEC_TYPE_COMBO_IP,
    RSEC_TYPE_IFID,
    RSEC_TYPE_ETHER,
    RSEC_TYPE_ABINARY,
    RSEC_TYPE_TLV, /* the containers: kept as octets here */
    RSEC_TYPE_EXTENDED,
    RSEC_TYPE_LONG_EXTENDED,
    RSEC_TYPE_EVS,
    RSEC_TYPE_VSA,
    RSEC_TYPE_COUNT,
} rsec_data_type;

/* The data type of that name ("integer"), or RSEC_TYPE_COUNT for none. */
rsec_data_type rsec_data_type_of(const char *name);
const char *rsec_data_type_name(rsec_data_type type);

/* The octets of `value` as a new bytes object of at most `max` octets: text, numbers, address objects, a packet filter's words.
 * Bytes are taken as they are, whatever they look like, where the type is text, octets, a filter, an interface id or an
 * Ethernet address (PKT-8). TypeError for a wrong kind of value, ValueError for a bad one: type, what was expected, what was
 * found. */
PyObject *rsec_py_encode(rsec_data_type type, PyObject *value, size_t max);

/* The value that `octets` stand for: int, str or bytes. ValueError (type, expected, found) when they do not fit the type. */
PyObject *rsec_py_decode(rsec_data_type type, rsec_view octets);

#endif
