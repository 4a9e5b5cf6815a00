/* DictionaryBase: the fields of pyradsec.dictionary.Dictionary, in C so that the packet path reads them with a load each.
 * Everything else about the class is Python's.
 *
 * A dictionary of some other make will do too: then attributes of these names are asked for. All functions need the GIL and
 * return new references, or NULL with an exception.
 */
#ifndef RSEC_PY_DICTIONARY_H
#define RSEC_PY_DICTIONARY_H

#include "py/bidict.h" /* Python.h comes before every system header */

/* Dictionary.attributes: name -> Attribute; any object. */
PyObject *rsec_py_dictionary_attributes(rsec_py_state *state, PyObject *dictionary);
/* Dictionary.attrindex in its two directions: dicts name -> storage key, storage key -> name. */
PyObject *rsec_py_dictionary_keys(rsec_py_state *state, PyObject *dictionary);
PyObject *rsec_py_dictionary_names(rsec_py_state *state, PyObject *dictionary);
/* Dictionary.vendor_formats: vendor id -> (type width, length width, continuation); any object. */
PyObject *rsec_py_dictionary_vendor_formats(rsec_py_state *state, PyObject *dictionary);

/* dictreader.c: reads a dictionary into one of ours. `args` are those of _core.read_dictionary: the Dictionary, its source
 * (a path, or the text itself), whether that is text, the folder that relative includes are relative to, the folder that
 * includes may not leave (symbolic links resolved), and whether what is unknown is a mistake. */
PyObject *rsec_py_dictionary_read(rsec_py_state *state, PyObject *args);

#endif
