/* What the module knows: one of these per interpreter, no global state. All of it is read and written with the GIL held.
 */
#ifndef RSEC_PY_STATE_H
#define RSEC_PY_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "crypto/digest.h"
#include "wire/packet.h"
#include "wire/status.h"
#include "wire/view.h"

/* Names that are looked up per packet, interned once. */
#define RSEC_NAMES(X)                                                                                                  \
    X(attributes)                                                                                                      \
    X(attrindex)                                                                                                       \
    X(forward)                                                                                                         \
    X(backward)                                                                                                        \
    X(vendor_formats)                                                                                                  \
    X(hosts)                                                                                                           \
    X(secret)                                                                                                          \
    X(dict)                                                                                                            \
    X(packet)                                                                                                          \
    X(message_authenticator)                                                                                           \
    X(fd)                                                                                                              \
    X(radius_version)                                                                                                  \
    X(reply_packet)                                                                                                    \
    X(auth_type)                                                                                                       \
    X(handle_access_request)                                                                                           \
    X(handle_accounting)                                                                                               \
    X(handle_coa)                                                                                                      \
    X(handle_disconnect)                                                                                               \
    X(_packet_received)                                                                                                \
    X(done)                                                                                                            \
    X(result)                                                                                                          \
    X(add_done_callback)                                                                                               \
    X(call_soon)                                                                                                       \
    X(create_task)                                                                                                     \
    X(get_task_factory)                                                                                                \
    X(_resolve)                                                                                                        \
    X(_on_stopped)                                                                                                     \
    X(_flush)                                                                                                          \
    X(cancel)                                                                                                          \
    X(throw)                                                                                                           \
    X(close)                                                                                                           \
    X(cr_suspended)                                                                                                    \
    X(value)                                                                                                           \
    X(args)                                                                                                            \
    X(_coro)                                                                                                           \
    X(_must_cancel)                                                                                                    \
    X(_cancel_message)                                                                                                 \
    X(_log_traceback)                                                                                                  \
    X(_log_destroy_pending)                                                                                            \
    X(_asyncio_future_blocking)

enum { RSEC_PY_PACKET, RSEC_PY_AUTH, RSEC_PY_ACCT, RSEC_PY_COA, RSEC_PY_STATUS, RSEC_PY_KINDS };

/* Of asyncio, taken when the first engine is made: rsec_py_tasks_take(). */
typedef struct {
    PyTypeObject *task_type;                                            /* asyncio.Task */
    PyTypeObject *handler_task_type;                                    /* HandlerTask, or NULL */
    PyObject *task_done;                                                /* asyncio.Task.done */
    PyObject *future_set_result, *future_set_exception, *future_cancel; /* of its base, asyncio.Future */
    PyObject *cancelled_error;
    Py_ssize_t least_refs; /* the fewest that a HandlerTask has had: nobody knew that one */
    PyObject *ensure_future;
    PyObject *swap_current_task; /* CPython 3.12 and newer, else NULL, and then the next two */
    PyObject *enter_task, *leave_task;
    PyObject *loop_names, *eager_names, *msg_names; /* ("loop",), ("loop", "eager_start"), ("msg",) */
} rsec_py_asyncio;

typedef struct rsec_py_state {
    rsec_digest *digest;          /* with the GIL held */
    PyTypeObject *packet_base;    /* PacketBase: what the classes of pyradsec.packet derive from */
    PyTypeObject *attribute_type; /* Attribute */
    PyTypeObject *engine_type;    /* Engine */
    PyTypeObject *flight_type;    /* a suspended handler */
    PyTypeObject *handler_type;   /* Handler: a handler's coroutine */
    rsec_py_asyncio asyncio;
    PyTypeObject *peer_type;                     /* Peer */
    PyTypeObject *bidict_base, *dictionary_base; /* BiDictBase, DictionaryBase */
    PyObject *keywords;                          /* dict: keyword of a packet -> attribute name, those that were used */
    PyTypeObject *kinds[RSEC_PY_KINDS]; /* Packet, AuthPacket, …: registered by pyradsec.packet when it is imported */
    bool has_virtual;            /* some Attribute is or was `virtual`: packets look for them when they are written */
    PyObject *bidict_type;       /* pyradsec.bidict.BiDict, or NULL before it was needed */
    PyObject *no_values;         /* the BiDict of all attributes without a VALUE */
    PyObject *no_sub_attributes; /* the dict of all attributes that hold no others */
    PyObject *packet_error;      /* pyradsec.exceptions.PacketError */
    PyObject *reply_packet;      /* PacketBase.reply_packet: what tells an overridden one */
    PyTypeObject *avp_type;      /* AVP */
    PyObject *trace;             /* what packets are shown to, see set_trace(); NULL: to nothing */
#define RSEC_NAME_FIELD(name) PyObject *name_##name;
    RSEC_NAMES(RSEC_NAME_FIELD)
#undef RSEC_NAME_FIELD
} rsec_py_state;

/* Sets PacketError with `what` ("Access-Request id 3") and the words of `status`; returns NULL. */
PyObject *rsec_py_fail(rsec_py_state *state, rsec_status status, const char *what);

/* Takes the exception that is set: a new reference, with its traceback. NULL when none is. */
PyObject *rsec_py_take_exception(void);

/* Sets PacketError for octets that rsec_packet_scan refused with `status` at `off`: what was expected there and what was found.
 * Returns NULL. */
PyObject *rsec_py_fail_scan(rsec_py_state *state, rsec_status status, rsec_view pkt, size_t off);

/* The module state behind one of our types or a Python class derived from it; NULL with a TypeError for any other type. */
rsec_py_state *rsec_py_state_of_type(PyTypeObject *type);

/* A view of a bytes object's octets; valid while it lives. */
static inline rsec_view rsec_py_bytes_view(PyObject *bytes) {
    return rsec_view_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

static inline PyObject *rsec_py_bytes(rsec_view octets) {
    return PyBytes_FromStringAndSize((const char *)octets.ptr, (Py_ssize_t)octets.len);
}

int rsec_py_attribute_register(PyObject *module, rsec_py_state *state);
int rsec_py_packet_register(PyObject *module, rsec_py_state *state);
int rsec_py_avp_register(PyObject *module, rsec_py_state *state);
int rsec_py_engine_register(PyObject *module, rsec_py_state *state);
int rsec_py_peer_register(PyObject *module, rsec_py_state *state);
int rsec_py_dictionary_register(PyObject *module, rsec_py_state *state);

#endif
