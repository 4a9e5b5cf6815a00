/* What a name given to a packet stands for, and the values under it: tags, hiding, data types (contract §8.3, §8.4).
 *
 * All functions need the GIL. Those that return int give -1 and set an exception on failure.
 */
#ifndef RSEC_PY_PACKET_VALUES_H
#define RSEC_PY_PACKET_VALUES_H

#include "py/packet.h"

enum { RSEC_PY_NO_TAG = -1, RSEC_PY_TAG_MAX = 0x1f /* RFC 2868 §3.1: a first octet above this is data, not a tag */ };

/* "Name" or "Name:7". */
typedef struct {
    rsec_py_place place;
    int tag; /* 0..255, or RSEC_PY_NO_TAG */
} rsec_py_target;

/* 1: found, to be released; 0: unknown name; -1: exception, AttributeError when the packet has no dictionary. */
int rsec_py_target_find(rsec_py_packet *self, PyObject *name, rsec_py_target *target);
void rsec_py_target_release(rsec_py_target *target);

/* The dicts from a store to the values of a place, and the key in each: holders[depth][keys[depth]] is what the place has.
 * Where a container is missing or kept as octets, what takes its place is not in the store yet: what is changed in there is
 * seen only when it is put there, so that a change that fails on its way has changed nothing. */
typedef struct {
    PyObject *holders[RSEC_TLV_DEPTH_MAX + 1], *keys[RSEC_TLV_DEPTH_MAX + 1];
    unsigned depth;
    int joint; /* holders[joint + 1] is not in holders[joint] yet; -1: all are there */
} rsec_py_path;

/* The way to `place` in `store`, to be closed. With `creates` dicts that are missing on the way are made. 1, 0 when something
 * on the way is missing, -1: PacketError for a container whose octets do not divide. */
int rsec_py_path_open(rsec_py_packet *self, PyObject *store, const rsec_py_place *place, bool creates,
                      rsec_py_path *path);
/* Puts what is not in the store yet there. */
int rsec_py_path_join(const rsec_py_path *path);
void rsec_py_path_close(rsec_py_path *path);

/* The value of one attribute's octets, without its tag; hidden ones uncovered. New reference; NULL without an exception when it
 * carries another tag than `tag`. */
PyObject *rsec_py_value_decode(rsec_py_packet *self, const rsec_py_attribute *attribute, int tag, rsec_view octets);

/* The same, appended to *list, which the first value makes where it is NULL: most attributes have one. Nothing for another
 * tag. 0, -1; *list stays the caller's. */
int rsec_py_value_append(rsec_py_packet *self, const rsec_py_attribute *attribute, int tag, rsec_view octets,
                         PyObject **list);
/* The values of `stored`, a list of the store, appended in the same way: text under `encrypt=1` as it will be hidden. */
int rsec_py_values_decode(rsec_py_packet *self, const rsec_py_attribute *attribute, int tag, PyObject *stored,
                          PyObject **list);

/* The elements of the list `stored` with the list `with`, or nothing where that is NULL, in the place of those that carry
 * `tag`; at the end when none does. New list; is_found: whether there was one. */
PyObject *rsec_py_values_replace(const rsec_py_attribute *attribute, int tag, PyObject *stored, PyObject *with,
                                 bool *is_found);

/* What the store keeps for `value` or, of a list or tuple, for each of its elements: a new list. */
PyObject *rsec_py_values_encode(rsec_py_packet *self, const rsec_py_target *target, PyObject *value);

/* --- packet_container.c. `depth` is that of what is inside, 1 in a container of the top level. --- */

/* A container as a new dict of names, and of numbers where there are no names (`attribute` is NULL below those). */
PyObject *rsec_py_container_decode(rsec_py_packet *self, const rsec_py_tables *tables,
                                   const rsec_py_attribute *attribute, PyObject *stored, unsigned depth);
/* What the store keeps for such a dict; ValueError, TypeError or KeyError say what in it is wrong. */
PyObject *rsec_py_container_encode(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *value,
                                   unsigned depth);
/* What the container `there` holds and what `added` does, as rsec_py_container_encode made it: a new dict. */
PyObject *rsec_py_container_merged(PyObject *there, PyObject *added);

/* Octets hidden as User-Password is (RFC 2865 §5.2), or as they are in RADIUS/1.1; new bytes. PacketError, which names
 * `attribute` (any object), for more than 240 octets. */
PyObject *rsec_py_password_hide(rsec_py_packet *self, PyObject *attribute, rsec_view clear);

/* What set_obfuscated() has kept, encoded afresh: a new dict of storage keys, which take the place of those in the store, or
 * NULL when there is nothing. */
int rsec_py_packet_obfuscate(rsec_py_packet *self, PyObject **pending);

#endif
