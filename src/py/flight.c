/* One request's handler: started, perhaps suspended, and its reply written. */
#include "py/engine.h" /* Python.h comes before every system header */

#include "crypto/authenticator.h"
#include "py/standby.h"

#include <stdlib.h>
#include <string.h>

/* A suspended handler: what its task calls when it is done. */
typedef struct rsec_py_flight {
    PyObject_HEAD struct rsec_py_flight *prev, *next; /* the engine's list */
    rsec_py_engine *engine;                           /* owned reference; NULL once it landed or was abandoned */
    rsec_request *req;                                /* owned */
    PyObject *packet, *task;
} rsec_py_flight;

/* --- failures --- */

/* Tells the server's Python side, which logs: what kind of failure, the exception if there is one, the packet, the peer. The
 * exception state is used up. */
static void report(rsec_py_engine *self, const char *kind, PyObject *packet, PyObject *other, const rsec_peer *peer) {
    PyObject *value = rsec_py_take_exception();
    rsec_py_standby_leave(self);
    PyObject *done = PyObject_CallMethod(self->server, "_on_failure", "sOOOsi", kind, value != NULL ? value : Py_None,
                                         packet != NULL ? packet : Py_None, other != NULL ? other : Py_None,
                                         peer->address, (int)peer->port);
    if (done == NULL) {
        PyErr_WriteUnraisable(self->server); /* logging itself failed: nothing is left to tell it to */
    }
    Py_XDECREF(done);
    Py_XDECREF(value);
}

/* --- replies --- */

/* Whether `reply` is an answer to a request of `code`. */
static bool fits(uint8_t code, uint8_t reply) {
    switch (code) {
    case RSEC_ACCESS_REQUEST:
        return reply == RSEC_ACCESS_ACCEPT || reply == RSEC_ACCESS_REJECT || reply == RSEC_ACCESS_CHALLENGE ||
               reply == RSEC_PROTOCOL_ERROR;
    case RSEC_ACCOUNTING_REQUEST:
        return reply == RSEC_ACCOUNTING_RESPONSE || reply == RSEC_PROTOCOL_ERROR;
    case RSEC_COA_REQUEST:
        return reply == RSEC_COA_ACK || reply == RSEC_COA_NAK || reply == RSEC_PROTOCOL_ERROR;
    case RSEC_DISCONNECT_REQUEST:
        return reply == RSEC_DISCONNECT_ACK || reply == RSEC_DISCONNECT_NAK || reply == RSEC_PROTOCOL_ERROR;
    default:
        return true;
    }
}

static void check_fit(rsec_py_engine *self, const rsec_request *req, uint8_t reply, PyObject *packet, PyObject *other) {
    uint8_t code = req->octets[0];
    if (req->is_raw || fits(code, reply) || (self->warned[code / 8] & (1U << (code % 8))) != 0) {
        return;
    }
    self->warned[code / 8] = (uint8_t)(self->warned[code / 8] | (1U << (code % 8)));
    report(self, "misfit", packet, other, req->peer);
}

/* Whether the reply carries a Message-Authenticator that its handler did not ask for (PKT-17, engine.md: Peers). */
static int wants_message_auth(const rsec_py_engine *self, const rsec_request *req, rsec_py_packet *reply) {
    const rsec_policy *policy = &self->policy;
    if (req->is_raw) {
        return 0;
    }
    if (req->facts.message_auth_num > 0 || policy->sign_all_replies ||
        (policy->sign_access_replies && req->octets[0] == RSEC_ACCESS_REQUEST)) {
        return 1;
    }
    if (!policy->verify.require_eap_message_auth) {
        return 0;
    }
    return req->facts.has_eap_message ? 1 : rsec_py_packet_has(reply, RSEC_ATTR_EAP_MESSAGE);
}

/* The reply's octets from an overridden reply_packet(). */
static int take_octets(rsec_request *req, PyObject *octets) {
    if (!PyBytes_Check(octets) || PyBytes_GET_SIZE(octets) < RSEC_PACKET_MIN ||
        PyBytes_GET_SIZE(octets) > RSEC_PACKET_MAX) {
        PyErr_Format(PyExc_TypeError, "reply_packet(): expected 20 to 4096 octets as bytes, found %.100s of %zd",
                     Py_TYPE(octets)->tp_name, PyObject_Size(octets));
        return -1;
    }
    size_t len = (size_t)PyBytes_GET_SIZE(octets);
    req->reply = malloc(len);
    if (req->reply == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(req->reply, PyBytes_AS_STRING(octets), len);
    req->reply_len = len;
    req->reply_is_signed = true;
    return 0;
}

/* Writes the reply's attributes; the I/O thread signs. */
static int write_reply(rsec_py_engine *self, rsec_request *req, rsec_py_packet *reply, uint8_t code) {
    uint8_t buf[RSEC_PACKET_MAX];
    rsec_writer writer;
    rsec_view request = rsec_request_packet(req);
    int wants = wants_message_auth(self, req, reply);
    int has = wants == 1 ? rsec_py_packet_has(reply, RSEC_ATTR_MESSAGE_AUTHENTICATOR) : 0;
    int asks = reply->message_authenticator != NULL ? PyObject_IsTrue(reply->message_authenticator) : 0;
    int has_proxy_state = req->facts.proxy_state_off != 0 ? rsec_py_packet_has(reply, RSEC_ATTR_PROXY_STATE) : 1;
    if (wants < 0 || has < 0 || asks < 0 || has_proxy_state < 0) {
        return -1;
    }
    rsec_status status = rsec_writer_begin(&writer, buf, sizeof buf, code, rsec_packet_id(request),
                                           rsec_packet_authenticator(request));
    if (wants && !has) {
        (void)rsec_writer_message_auth(&writer); /* first (PKT-17) */
    }
    if (status == RSEC_OK && rsec_py_packet_write_attrs(reply, &writer) < 0) {
        return -1;
    }
    if (!has_proxy_state) {
        (void)rsec_writer_proxy_state(&writer, request); /* PKT-11 */
    }
    if (asks) {
        (void)rsec_writer_message_auth(&writer);
    }
    status = status == RSEC_OK ? rsec_writer_finish(&writer) : status;
    if (status == RSEC_OK && (req->reply = malloc(writer.len)) == NULL) {
        status = RSEC_NO_MEMORY;
    }
    if (status != RSEC_OK) {
        (void)rsec_py_fail(self->state, status, "reply");
        return -1;
    }
    memcpy(req->reply, buf, writer.len);
    req->reply_len = writer.len;
    req->reply_message_auth_off = writer.message_auth_off;
    return 0;
}

/* Signs a reply here, where else the I/O thread would, so that the trace shows the octets that are sent. */
static int trace_reply(rsec_py_engine *self, rsec_request *req, rsec_py_packet *reply) {
    rsec_view request = rsec_request_packet(req);
    if (!rsec_py_packet_is_v11(reply)) {
        rsec_status status = rsec_reply_sign(self->state->digest, req->reply, req->reply_len,
                                             req->reply_message_auth_off, rsec_packet_code(request),
                                             rsec_packet_authenticator(request), rsec_py_bytes_view(reply->secret));
        if (status != RSEC_OK) {
            (void)rsec_py_fail(self->state, status, "reply");
            return -1;
        }
        req->reply_is_signed = true;
    }
    PyObject *raw = rsec_py_bytes(rsec_view_of(req->reply, req->reply_len));
    int rc = raw != NULL ? rsec_py_packet_trace(reply, "out", raw) : -1;
    Py_XDECREF(raw);
    return rc;
}

/* Identifier, authenticator and secret of a reply are the request's, whatever the handler left there. */
static int set_identity(rsec_py_packet *reply, PyObject *packet) {
    if (!PyObject_TypeCheck(packet, reply->state->packet_base)) {
        return 0; /* packet_received had the octets: there is no request packet to take them from */
    }
    rsec_py_packet *request = (rsec_py_packet *)packet;
    PyObject *authenticator = rsec_py_packet_authenticator(request);
    if (authenticator == NULL) {
        return -1;
    }
    Py_XSETREF(reply->authenticator, authenticator);
    Py_XSETREF(reply->id, Py_XNewRef(request->id));
    Py_XSETREF(reply->secret, Py_XNewRef(request->secret));
    return 0;
}

/* Whether packets of `type` have a reply_packet() of their own. -1 with an exception. */
static int overrides_reply_packet(rsec_py_engine *self, PyTypeObject *type) {
    rsec_py_batch *batch = &self->batch;
    if (type == batch->reply_type) {
        return 0;
    }
    PyObject *method = PyObject_GetAttr((PyObject *)type, self->state->name_reply_packet);
    if (method == NULL) {
        return -1;
    }
    bool is_overridden = method != self->state->reply_packet;
    if (!is_overridden && batch->is_open) {
        Py_XSETREF(batch->reply_type, (PyTypeObject *)Py_NewRef(type));
    }
    Py_DECREF(method);
    return is_overridden;
}

static int encode_reply(rsec_py_engine *self, rsec_request *req, PyObject *packet, PyObject *result) {
    uint8_t code;
    if (!rsec_py_packet_is(self->state, result)) {
        PyErr_Format(PyExc_TypeError, "the handler returned %.100s: expected a packet, or None for no reply",
                     Py_TYPE(result)->tp_name);
        return -1;
    }
    rsec_py_packet *reply = (rsec_py_packet *)result;
    if (rsec_py_packet_code_of(reply, &code) < 0) {
        return -1;
    }
    check_fit(self, req, code, packet, result);
    int is_overridden = overrides_reply_packet(self, Py_TYPE(result));
    if (is_overridden < 0 || set_identity(reply, packet) < 0) {
        return -1;
    }
    if (!is_overridden && !req->is_raw) {
        int rc = write_reply(self, req, reply, code);
        return rc == 0 && self->state->trace != NULL ? trace_reply(self, req, reply) : rc;
    }
    PyObject *octets = PyObject_CallMethodNoArgs(result, self->state->name_reply_packet);
    int rc = octets != NULL ? take_octets(req, octets) : -1;
    Py_XDECREF(octets);
    return rc;
}

/* The handler is done: `result` is a new reference taken over, or NULL with an exception. -1 only for exceptions that are
 * not the handler's to keep. */
static int land(rsec_py_engine *self, rsec_request *req, PyObject *packet, PyObject *result) {
    int rc = 0;
    if (result == NULL) {
        if (rsec_py_is_fatal()) {
            rc = -1;
        } else {
            self->handler_errors++;
            report(self, "raised", packet, NULL, req->peer);
        }
    } else if (result == Py_None) {
        self->handler_no_replies++;
        report(self, "none", packet, NULL, req->peer);
    } else if (encode_reply(self, req, packet, result) < 0) {
        self->handler_errors++;
        report(self, "unencodable", packet, result, req->peer);
    }
    Py_XDECREF(result);
    if (rc < 0) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        rsec_py_engine_give_back(self, req);
        PyErr_Restore(type, value, traceback);
    } else {
        rsec_py_engine_give_back(self, req);
    }
    return rc;
}

/* --- running --- */

static PyObject *call_handler(rsec_py_engine *self, const rsec_request *req, PyObject *packet, PyObject *address) {
    rsec_py_state *state = self->state;
    if (req->is_raw) {
        PyObject *args[] = {self->server, packet, address};
        return PyObject_VectorcallMethod(state->name__packet_received, args, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    PyObject *name = NULL;
    switch (req->octets[0]) {
    case RSEC_ACCESS_REQUEST:
        name = state->name_handle_access_request;
        break;
    case RSEC_COA_REQUEST:
        name = state->name_handle_coa;
        break;
    case RSEC_DISCONNECT_REQUEST:
        name = state->name_handle_disconnect;
        break;
    default:
        name = state->name_handle_accounting;
        break;
    }
    PyObject *args[] = {self->server, packet};
    return PyObject_VectorcallMethod(name, args, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Whether the loop makes its tasks without a factory of the user's. Asked once a batch. -1 with an exception. */
static int makes_plain_tasks(rsec_py_engine *self) {
    rsec_py_batch *batch = &self->batch;
    if (!batch->is_factory_known) {
        PyObject *factory = PyObject_CallMethodNoArgs(self->loop, self->state->name_get_task_factory);
        if (factory == NULL) {
            return -1;
        }
        batch->has_task_factory = factory != Py_None;
        batch->is_factory_known = true;
        Py_DECREF(factory);
    }
    return !batch->has_task_factory;
}

/* A task of its own for what the handler gave back, run to its first suspension where eager tasks exist (CPython 3.12). New
 * reference. */
static PyObject *make_task(rsec_py_engine *self, PyObject *awaitable, bool is_plain) {
    const rsec_py_asyncio *asyncio = &self->state->asyncio;
    if (!PyCoro_CheckExact(awaitable)) {
        PyObject *args[] = {awaitable, self->loop};
        return PyObject_Vectorcall(asyncio->ensure_future, args, 1, asyncio->loop_names);
    }
    PyObject *task;
    if (is_plain && PY_VERSION_HEX >= 0x030c0000) {
        PyObject *args[] = {awaitable, self->loop, Py_True};
        task = PyObject_Vectorcall((PyObject *)asyncio->task_type, args, 1, asyncio->eager_names);
    } else {
        task = PyObject_CallMethodOneArg(self->loop, self->state->name_create_task, awaitable);
    }
    if (task == NULL) {
        rsec_py_coroutine_close_unstarted(self->state, awaitable);
    }
    return task;
}

/* Runs what the handler gave back until it waits or ends. RSEC_PY_KEPT: `task` has it; else see RSEC_PY_ENDED. */
static rsec_py_outcome run(rsec_py_engine *self, const rsec_request *req, PyObject *awaitable, PyObject **task,
                           PyObject **result) {
    bool is_coroutine = PyCoro_CheckExact(awaitable);
    uint8_t code = req->octets[0];
    int is_plain = makes_plain_tasks(self);
    int is_ready = is_plain > 0 && is_coroutine ? rsec_py_standby_is_ready(self, code) : 0;
    *task = *result = NULL;
    if (is_plain < 0 || is_ready < 0) {
        if (is_coroutine) {
            rsec_py_coroutine_close_unstarted(self->state, awaitable);
        }
        return RSEC_PY_ENDED;
    }
    if (is_ready) {
        return rsec_py_standby_run(self, code, awaitable, task, result);
    }
    rsec_py_standby_leave(self); /* its step may end the one that stands by */
    *task = make_task(self, awaitable, is_plain);
    PyObject *is_done = *task != NULL ? PyObject_CallMethodNoArgs(*task, self->state->name_done) : NULL;
    if (is_done == Py_False) {
        Py_DECREF(is_done);
        return RSEC_PY_KEPT;
    }
    if (is_done != NULL) {
        *result = PyObject_CallMethodNoArgs(*task, self->state->name_result);
    }
    Py_XDECREF(is_done);
    Py_CLEAR(*task);
    return RSEC_PY_ENDED;
}

static PyObject *flight_new(rsec_py_engine *self, rsec_request *req, PyObject *packet, PyObject *task) {
    PyTypeObject *type = self->state->flight_type;
    rsec_py_flight *flight = (rsec_py_flight *)type->tp_alloc(type, 0);
    if (flight == NULL) {
        return NULL;
    }
    flight->engine = (rsec_py_engine *)Py_NewRef(self);
    flight->req = req;
    flight->packet = Py_NewRef(packet);
    flight->task = Py_NewRef(task);
    flight->next = self->flights;
    if (self->flights != NULL) {
        self->flights->prev = flight;
    }
    self->flights = flight;
    Py_INCREF(flight); /* the list's: a task that nobody else holds must not vanish */
    self->handlers_suspended++;
    return (PyObject *)flight;
}

/* Takes a flight out of the engine's list, which gives its reference up. */
static void unlink_flight(rsec_py_engine *self, rsec_py_flight *flight) {
    if (flight->prev != NULL) {
        flight->prev->next = flight->next;
    } else {
        self->flights = flight->next;
    }
    if (flight->next != NULL) {
        flight->next->prev = flight->prev;
    }
    flight->prev = flight->next = NULL;
    flight->engine = NULL;
    Py_DECREF(flight);
    Py_DECREF(self);
}

/* Waits for `task` to be done. */
static int suspend(rsec_py_engine *self, rsec_request *req, PyObject *packet, PyObject *task) {
    PyObject *flight = flight_new(self, req, packet, task);
    if (flight == NULL) {
        return -1;
    }
    PyObject *added = PyObject_CallMethodOneArg(task, self->state->name_add_done_callback, flight);
    int rc = added != NULL ? 0 : -1;
    if (rc < 0) {
        ((rsec_py_flight *)flight)->req = NULL;
        unlink_flight(self, (rsec_py_flight *)flight);
    }
    Py_XDECREF(added);
    Py_DECREF(flight);
    return rc;
}

/* The server's dictionary; borrowed. */
static PyObject *dictionary_of(rsec_py_engine *self) {
    if (self->batch.dictionary == NULL) {
        self->batch.dictionary = PyObject_GetAttr(self->server, self->state->name_dict);
    }
    return self->batch.dictionary;
}

int rsec_py_flight_run(rsec_py_engine *self, rsec_request *req, PyObject *secret, PyObject *address, PyObject *peer) {
    rsec_py_state *state = self->state;
    PyObject *awaitable = NULL, *task = NULL, *result = NULL;
    PyObject *raw = rsec_py_bytes(rsec_request_packet(req)), *packet = NULL;
    if (raw != NULL && req->is_raw) {
        packet = Py_NewRef(raw);
    } else if (raw != NULL) {
        PyObject *dictionary = dictionary_of(self);
        packet = dictionary != NULL ? rsec_py_packet_received(state, raw, &req->facts, secret, dictionary, NULL, peer)
                                    : NULL;
    }
    Py_XDECREF(raw);
    if (packet != NULL) {
        awaitable = call_handler(self, req, packet, address);
    }
    rsec_py_outcome outcome = RSEC_PY_ENDED;
    if (awaitable != NULL) {
        outcome = run(self, req, awaitable, &task, &result);
        Py_DECREF(awaitable);
    }
    int rc;
    if (outcome == RSEC_PY_ENDED) {
        rc = land(self, req, packet, result);
    } else {
        rc = suspend(self, req, packet, task);
        if (rc < 0) {
            rc = land(self, req, packet, NULL);
        }
        Py_DECREF(task);
    }
    Py_XDECREF(packet);
    return rc;
}

/* So many that end in the same turn of the loop are not kept until its end: the client takes their replies in, and sends its next
 * requests, while the others of a long window go on. */
enum { FLUSHED_FROM = 64 };

/* The task's done callback. */
static PyObject *flight_call(PyObject *op, PyObject *args, PyObject *kwargs) {
    rsec_py_flight *flight = (rsec_py_flight *)op;
    (void)args;
    (void)kwargs;
    rsec_py_engine *self = flight->engine;
    if (self == NULL) {
        Py_RETURN_NONE; /* abandoned: the server has stopped without it */
    }
    rsec_request *req = flight->req;
    flight->req = NULL;
    Py_INCREF(self);
    unlink_flight(self, flight);
    PyObject *result = PyObject_CallMethodNoArgs(flight->task, self->state->name_result);
    int rc = land(self, req, flight->packet, result);
    if (rc < 0 && PyObject_TypeCheck(flight->task, self->state->asyncio.task_type)) {
        PyErr_Clear(); /* KeyboardInterrupt or SystemExit: a task's step has let it leave the loop already */
        rc = 0;
    }
    if (rc == 0 && self->done_num >= FLUSHED_FROM) {
        rsec_py_engine_flush(self);
    }
    if (rc == 0 && !self->is_flush_due && self->done_num > 0) {
        /* Handlers that end in the same turn of the loop share one wake-up of the I/O thread. */
        PyObject *flush = PyObject_GetAttr((PyObject *)self, self->state->name__flush);
        PyObject *handle = flush != NULL ? PyObject_CallMethodOneArg(self->loop, self->state->name_call_soon, flush)
                                         : NULL;
        if (handle != NULL) {
            self->is_flush_due = 1;
        } else {
            PyErr_Clear(); /* the loop takes no more calls: hand over at once */
            rsec_py_engine_flush(self);
        }
        Py_XDECREF(flush);
        Py_XDECREF(handle);
    }
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *rsec_py_flight_tasks(rsec_py_engine *self) {
    PyObject *tasks = PyList_New(0);
    for (rsec_py_flight *flight = self->flights; tasks != NULL && flight != NULL; flight = flight->next) {
        if (PyList_Append(tasks, flight->task) < 0) {
            Py_CLEAR(tasks);
        }
    }
    return tasks;
}

int rsec_py_flight_abandon(rsec_py_engine *self, PyObject *task) {
    rsec_py_flight *flight = self->flights;
    while (flight != NULL && flight->task != task) {
        flight = flight->next;
    }
    if (flight == NULL) {
        return 0;
    }
    rsec_py_engine_give_back(self, flight->req);
    flight->req = NULL;
    unlink_flight(self, flight);
    return 1;
}

void rsec_py_flight_abandon_all(rsec_py_engine *self) {
    while (self->flights != NULL) {
        rsec_py_flight *flight = self->flights;
        rsec_request_free(flight->req);
        flight->req = NULL;
        unlink_flight(self, flight);
    }
}

int rsec_py_flight_visit(rsec_py_engine *self, visitproc visit, void *arg) {
    for (rsec_py_flight *flight = self->flights; flight != NULL; flight = flight->next) {
        Py_VISIT(flight);
    }
    return 0;
}

/* --- the type --- */

static int flight_traverse(PyObject *op, visitproc visit, void *arg) {
    rsec_py_flight *flight = (rsec_py_flight *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(flight->packet);
    Py_VISIT(flight->task);
    Py_VISIT(flight->engine);
    return 0;
}

static int flight_clear(PyObject *op) {
    rsec_py_flight *flight = (rsec_py_flight *)op;
    rsec_py_engine *engine = flight->engine;
    if (engine != NULL) {
        /* Garbage together with its engine: out of the list first, which gives both references up. */
        rsec_request *req = flight->req;
        flight->req = NULL;
        Py_INCREF(op);
        rsec_py_engine_give_back(engine, req);
        unlink_flight(engine, flight);
        Py_CLEAR(flight->packet);
        Py_CLEAR(flight->task);
        Py_DECREF(op);
        return 0;
    }
    Py_CLEAR(flight->packet);
    Py_CLEAR(flight->task);
    return 0;
}

static void flight_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)flight_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot flight_slots[] = {
    {Py_tp_doc, "The done callback of a handler's task."},
    {Py_tp_call, flight_call},
    {Py_tp_dealloc, flight_dealloc},
    {Py_tp_traverse, flight_traverse},
    {Py_tp_clear, flight_clear},
    {0, NULL},
};

static PyType_Spec flight_spec = {
    .name = "pyradsec._core.Flight",
    .basicsize = sizeof(rsec_py_flight),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = flight_slots,
};

int rsec_py_flight_register(PyObject *module, rsec_py_state *state) {
    state->flight_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &flight_spec, NULL);
    return state->flight_type != NULL ? 0 : -1;
}
