/* Attribute: one entry of a dictionary, in the form that the packet path reads (contract of pyradsec.dictionary).
 *
 * A C type, so that looking a name up and knowing its code, data type and flags is one dict access and a few loads, and so
 * that a dictionary changed afterwards needs no cache thrown away: the entries are what was changed.
 */
#ifndef RSEC_PY_ATTRIBUTE_H
#define RSEC_PY_ATTRIBUTE_H

#include "py/codec.h"
#include "wire/tlv.h"

typedef struct {
    PyObject_HEAD PyObject *name, *code, *vendor, *values, *sub_attributes, *parent;
    rsec_data_type type;
    int encrypt; /* 0..3 (RFC 2865, 2868) */
    char has_tag, concat, is_virtual, array, is_sub_attribute;
    signed char number_len; /* of a number that `type` has no name for, in octets, negative with a sign; 0: by type */
} rsec_py_attribute;

/* An Attribute without flags, VALUEs and parent; the arguments are borrowed. NULL with an exception. An empty `values`, and
 * `sub_attributes` of a type that holds none, are shared with other attributes until somebody asks for them. */
rsec_py_attribute *rsec_py_attribute_new(rsec_py_state *state, PyObject *name, PyObject *code, PyObject *vendor,
                                         rsec_data_type type);

/* attribute.values.add(name, octets): see rsec_py_bidict_add. */
int rsec_py_attribute_add_value(rsec_py_state *state, rsec_py_attribute *attribute, rsec_view name, rsec_view octets);

/* Where the values of a name are kept in a packet: under a storage key, or inside the container that is kept there. */
typedef struct {
    rsec_py_attribute *attribute; /* owned */
    PyObject *key;                /* owned: storage key of the outermost container, or of the attribute itself */
    unsigned depth;               /* codes inside that container, outermost first; 0: it is not in one */
    uint8_t codes[RSEC_TLV_DEPTH_MAX];
} rsec_py_place;

/* Looks `name` up in `dictionary` and follows the attributes around it (Attribute.parent). 1: found, to be released; 0: no
 * such name; -1: exception, a ValueError for an attribute that packets cannot hold. */
int rsec_py_place_find(rsec_py_state *state, PyObject *dictionary, PyObject *name, rsec_py_place *place);
void rsec_py_place_release(rsec_py_place *place);

/* The tables of a dictionary that tell what storage keys mean, opened once for many look-ups. */
typedef struct {
    rsec_py_state *state;
    PyObject *names,
        *attributes; /* dicts: storage key -> name, name -> Attribute; both NULL when there is no dictionary */
} rsec_py_tables;

/* `dictionary` is NULL, None, or anything: one of some other make knows nothing. 0, or -1 without memory. */
int rsec_py_tables_open(rsec_py_state *state, PyObject *dictionary, rsec_py_tables *tables);
void rsec_py_tables_close(rsec_py_tables *tables);

/* The attribute that packets keep under `key`: 1 and a new reference, 0 and NULL when there is none, -1. A tuple of two is a
 * vendor's attribute, never a sub-attribute that the dictionary lists under the same numbers. */
int rsec_py_tables_at(const rsec_py_tables *tables, PyObject *key, rsec_py_attribute **attribute);
/* The attribute of that code inside `parent` (may be NULL: then there is none); results as above. */
int rsec_py_tables_inside(const rsec_py_tables *tables, const rsec_py_attribute *parent, long code,
                          rsec_py_attribute **attribute);

/* Octets of one element of an `array` of that type, 0 for types whose values have no one length (RFC 8044 §2.1.3). */
size_t rsec_py_attribute_width(const rsec_py_attribute *attribute);

static inline bool rsec_py_attribute_is_container(const rsec_py_attribute *attribute) {
    return attribute->type == RSEC_TYPE_TLV || attribute->type == RSEC_TYPE_EXTENDED ||
           attribute->type == RSEC_TYPE_LONG_EXTENDED;
}

/* The octets of `value` for one occurrence of the attribute, at most `max`: a VALUE's by name, else encoded by type. New
 * reference. TypeError and ValueError name the attribute. */
PyObject *rsec_py_attribute_encode(rsec_py_state *state, const rsec_py_attribute *attribute, PyObject *value,
                                   size_t max);
/* The name of the VALUE with these octets, else what they stand for by type. New reference. ValueError names the attribute. */
PyObject *rsec_py_attribute_decode(rsec_py_state *state, const rsec_py_attribute *attribute, rsec_view octets);

#endif
