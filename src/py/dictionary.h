/* BiDictBase and DictionaryBase: the fields of pyradsec.bidict.BiDict and pyradsec.dictionary.Dictionary, in C so that the packet
 * path reads them with a load each. Everything else about the two classes is Python's.
 *
 * A dictionary or map of some other make will do too: then attributes of these names are asked for. All functions need the
 * GIL and return new references, or NULL with an exception.
 */
#ifndef RSEC_PY_DICTIONARY_H
#define RSEC_PY_DICTIONARY_H

#include "py/state.h" /* Python.h comes before every system header */

/* The dict behind BiDict.forward or BiDict.backward. TypeError when it is none. */
PyObject *rsec_py_bidict_forward(rsec_py_state *state, PyObject *map);
PyObject *rsec_py_bidict_backward(rsec_py_state *state, PyObject *map);

/* Dictionary.attributes: name -> Attribute; any object. */
PyObject *rsec_py_dictionary_attributes(rsec_py_state *state, PyObject *dictionary);
/* Dictionary.attrindex in its two directions: dicts name -> storage key, storage key -> name. */
PyObject *rsec_py_dictionary_keys(rsec_py_state *state, PyObject *dictionary);
PyObject *rsec_py_dictionary_names(rsec_py_state *state, PyObject *dictionary);
/* Dictionary.vendor_formats: vendor id -> (type width, length width, continuation); any object. */
PyObject *rsec_py_dictionary_vendor_formats(rsec_py_state *state, PyObject *dictionary);

#endif
