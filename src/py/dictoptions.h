/* The last two columns of an ATTRIBUTE: its data type and its options. */
#ifndef RSEC_PY_DICTOPTIONS_H
#define RSEC_PY_DICTOPTIONS_H

#include "py/dictreader.h" /* Python.h comes before every system header */

typedef struct {
    PyObject *vendor; /* the column is a vendor's name: new reference, which the caller lets go, or NULL */
    int encrypt;
    bool has_tag, concat, is_virtual, array, is_internal, is_extended, is_long, is_abinary;
    rsec_view subtype, values_of, clone_of; /* of date and time_delta; enum=; clone=. Empty: not given */
} rsec_py_dict_options;

typedef struct {
    rsec_data_type type;
    signed char number_len; /* see rsec_py_attribute */
    bool is_time, is_struct, is_group;
} rsec_py_dict_kind;

/* Reads the column behind the type of attribute `name`: options, or a vendor's name when no option of FreeRADIUS 2
 * and 3 is among them. 0, or -1 with an exception: ParseError for a column that is neither. */
int rsec_py_dict_read_options(rsec_py_reader *reader, PyObject *name, rsec_view column, rsec_py_dict_options *set);

/* Reads the data type of attribute `name`, as its options make it. 0, or -1 with an exception: ParseError for none. */
int rsec_py_dict_read_kind(rsec_py_reader *reader, PyObject *name, rsec_view text, const rsec_py_dict_options *set,
                           rsec_py_dict_kind *is);

#endif
