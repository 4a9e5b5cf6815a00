/* BiDictBase: the two dicts of pyradsec.bidict.BiDict, in C so that the packet path reads them with a load each.
 *
 * VALUEs of a dictionary are thousands, and few of them are ever looked at. A BiDict that the reader of dictionaries fills
 * keeps them as octets in one block of memory, and makes its dicts when somebody asks for one of them.
 *
 * A map of some other make will do too: then attributes of these names are asked for. All functions need the GIL.
 */
#ifndef RSEC_PY_BIDICT_H
#define RSEC_PY_BIDICT_H

#include "py/state.h" /* Python.h comes before every system header */

/* A new pyradsec.bidict.BiDict without entries; NULL with an exception. */
PyObject *rsec_py_bidict_new(rsec_py_state *state);

/* The dict behind BiDict.forward or BiDict.backward: a new reference, or NULL with an exception. TypeError when it is no
 * dict. */
PyObject *rsec_py_bidict_forward(rsec_py_state *state, PyObject *map);
PyObject *rsec_py_bidict_backward(rsec_py_state *state, PyObject *map);

/* map.add(name, octets). `name` is UTF-8, `octets` are 65535 at most; both are copied. 0, or -1 with an exception. */
int rsec_py_bidict_add(rsec_py_state *state, PyObject *map, rsec_view name, rsec_view octets);

int rsec_py_bidict_register(PyObject *module, rsec_py_state *state);

#endif
