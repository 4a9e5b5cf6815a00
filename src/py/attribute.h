/* Attribute: one entry of a dictionary, in the form that the packet path reads (contract of pyradsec.dictionary).
 *
 * A C type, so that looking a name up and knowing its code, data type and flags is one dict access and a few loads, and so
 * that a dictionary changed afterwards needs no cache thrown away: the entries are what was changed.
 */
#ifndef RSEC_PY_ATTRIBUTE_H
#define RSEC_PY_ATTRIBUTE_H

#include "py/codec.h"

typedef struct {
    PyObject_HEAD PyObject *name, *code, *vendor, *values, *sub_attributes, *parent;
    rsec_data_type type;
    int encrypt; /* 0..3 (RFC 2865, 2868) */
    char has_tag, concat, is_virtual, array, is_sub_attribute;
} rsec_py_attribute;

/* The data type, code and so on of `name` in `dictionary`: a borrowed reference in *attribute, and in *key a new reference to
 * the storage key. 1: found; 0: no such name; -1: exception. */
int rsec_py_attribute_find(rsec_py_state *state, PyObject *dictionary, PyObject *name, rsec_py_attribute **attribute,
                           PyObject **key);

/* The octets of `value` for one occurrence of the attribute: a VALUE's by name, else encoded by type. New reference. */
PyObject *rsec_py_attribute_encode(rsec_py_state *state, const rsec_py_attribute *attribute, PyObject *value);
/* The name of the VALUE with these octets, else what they stand for by type. New reference. */
PyObject *rsec_py_attribute_decode(rsec_py_state *state, const rsec_py_attribute *attribute, rsec_view octets);

#endif
