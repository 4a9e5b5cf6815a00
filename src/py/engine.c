#include "py/engine.h"

#include "net/clock.h"
#include "py/host.h"
#include "py/settings.h"
#include "py/standby.h"
#include "py/tasks.h"
#include "py/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>

/* Longer is for ever, and would not fit into nanoseconds. */
enum { GRACE_MAX_S = 1000000000 };

/* --- requests on their way back --- */

void rsec_py_engine_flush(rsec_py_engine *self) {
    size_t num = self->done_num;
    self->done_num = 0;
    if (num > 0 && self->engine != NULL) {
        rsec_engine_complete(self->engine, self->done, num);
        return;
    }
    for (size_t i = 0; i < num; i++) {
        rsec_request_free(self->done[i]); /* the engine is gone: nobody waits for them */
    }
}

void rsec_py_engine_give_back(rsec_py_engine *self, rsec_request *req) {
    if (self->done_num == RSEC_PY_BATCH) {
        rsec_py_engine_flush(self);
    }
    self->done[self->done_num++] = req;
}

/* --- look-ups --- */

static void admit(rsec_py_engine *self, rsec_peer *peer, PyObject *secret_bytes) {
    rsec_secret *secret = secret_bytes != NULL ? rsec_secret_new(rsec_py_bytes_view(secret_bytes)) : NULL;
    rsec_engine_admit(self->engine, peer, secret); /* without memory the peer is refused */
    rsec_secret_unref(secret);
}

/* `packet_received` is overridden: whom to serve, and with which secret, is decided there. */
static void admit_anybody(rsec_py_engine *self, rsec_peer *peer) {
    rsec_secret *none = rsec_secret_new(rsec_view_of(NULL, 0));
    rsec_engine_admit(self->engine, peer, none);
    rsec_secret_unref(none);
}

static void on_lookup(rsec_py_engine *self, rsec_peer *peer) {
    bool is_changed;
    rsec_py_host *host = atomic_load(&peer->is_gone) ? NULL : rsec_py_host_of(self, peer);
    if (host == NULL && PyErr_Occurred() != NULL) {
        PyErr_WriteUnraisable(self->server); /* no memory: the peer is refused */
    }
    int found = host != NULL && !self->policy.raw ? rsec_py_host_look_up(self, host, &is_changed) : 0;
    if (found < 0) {
        rsec_peer_unref(peer);
        return;
    }
    bool is_known = found == 1;
    if (self->policy.raw && host != NULL) {
        admit_anybody(self, peer);
    } else {
        admit(self, peer, is_known ? host->secret : NULL);
    }
    rsec_peer_unref(peer);
}

static void on_closed(rsec_py_engine *self, rsec_peer *peer) {
    if (peer->user != NULL) {
        rsec_py_host_free(self, peer->user);
    }
    rsec_peer_unref(peer);
}

/* --- requests --- */

static int on_request(rsec_py_engine *self, rsec_request *req) {
    rsec_peer *peer = req->peer;
    bool is_gone = atomic_load_explicit(&peer->is_gone, memory_order_acquire);
    if (is_gone && req->octets[0] == RSEC_ACCESS_REQUEST && !req->is_raw) {
        req->is_dropped = true; /* nobody would read the answer; accounting still runs */
        rsec_py_engine_give_back(self, req);
        return 0;
    }
    rsec_py_host *host = is_gone ? peer->user : rsec_py_host_of(self, peer);
    if (host != NULL && !is_gone && !req->is_raw && host->batch != self->batch.number) {
        bool is_changed;
        int is_known = rsec_py_host_look_up(self, host, &is_changed);
        if (is_known < 0) {
            rsec_py_engine_give_back(self, req);
            return 0;
        }
        if (is_known == 0 || is_changed) {
            admit(self, peer, is_known ? host->secret : NULL); /* from the next packet on */
        }
    }
    PyObject *secret = rsec_py_host_secret(req, host);
    PyObject *address = host != NULL ? Py_NewRef(host->address) : PyUnicode_FromString(peer->address);
    PyObject *shown = address != NULL ? rsec_py_host_peer(self, host, peer, address) : NULL;
    int rc = 0;
    if (secret != NULL && shown != NULL) {
        rc = rsec_py_flight_run(self, req, secret, address, shown);
    } else {
        PyErr_WriteUnraisable(self->server);
        rsec_py_engine_give_back(self, req);
    }
    Py_XDECREF(secret);
    Py_XDECREF(address);
    Py_XDECREF(shown);
    return rc;
}

static void on_event(rsec_py_engine *self, rsec_event *event) {
    PyObject *done = PyObject_CallMethod(self->server, "_on_event", "sissisI", rsec_event_name(event->reason),
                                         (int)event->level, rsec_event_sentence(event->reason), event->address,
                                         (int)event->port, event->text, (unsigned)event->held_back);
    if (done == NULL) {
        PyErr_WriteUnraisable(self->server);
    }
    Py_XDECREF(done);
    rsec_engine_free_event(event);
}

static void on_stopped(rsec_py_engine *self) {
    self->is_stopped = 1;
    PyObject *done = PyObject_CallMethodNoArgs(self->server, self->state->name__on_stopped);
    if (done == NULL) {
        PyErr_WriteUnraisable(self->server);
    }
    Py_XDECREF(done);
}

enum { HALVED_FROM = 24 /* fewer leave with one send(2) */ };

/* After how many items finished requests are handed back before the batch's end; `num`: only then. A client that has sent a
 * whole batch by itself takes in the first replies, and sends its next requests, while the rest is served: with all handed
 * back at the end, one side would always wait for the other. First and last item tell whether it was one client: a batch of
 * several that looks like it costs a second send(2), and no more. */
static size_t first_part(const rsec_up items[], size_t num) {
    bool is_halved = num >= HALVED_FROM && items[0].kind == RSEC_UP_REQUEST && items[num - 1].kind == RSEC_UP_REQUEST &&
                     items[0].req->peer == items[num - 1].req->peer;
    return is_halved ? num / 2 : num;
}

PyDoc_STRVAR(
    dispatch_doc,
    "dispatch()\n--\n\n"
    "The event loop's reader callback for fileno(): takes a batch of what the engine has to say and runs its handlers.\n"
    "At most 256 items a call, so that the loop's other callbacks get their turn.");

static void batch_clear(rsec_py_batch *batch) {
    batch->is_open = batch->is_factory_known = false;
    Py_CLEAR(batch->dictionary);
    Py_CLEAR(batch->reply_type);
}

static PyObject *engine_dispatch(PyObject *op, PyObject *unused) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    rsec_up items[RSEC_PY_BATCH];
    (void)unused;
    if (self->engine == NULL) {
        Py_RETURN_NONE;
    }
    Py_INCREF(self);
    self->batch.number++;
    self->batch.is_open = true;
    size_t num = rsec_engine_take(self->engine, items, RSEC_PY_BATCH);
    size_t part = first_part(items, num);
    int rc = 0;
    for (size_t i = 0; i < num; i++) {
        if (i == part) {
            rsec_py_engine_flush(self);
        }
        if (self->engine == NULL || rc < 0) {
            /* Closed, or interrupted, in the middle of a batch: what is left is given up in good order. */
            if (items[i].kind == RSEC_UP_REQUEST) {
                rsec_py_engine_give_back(self, items[i].req);
            }
            if (items[i].kind == RSEC_UP_CLOSED && items[i].peer->user != NULL) {
                rsec_py_host_free(self, items[i].peer->user);
            }
            if (items[i].kind == RSEC_UP_STOPPED) {
                PyObject *type, *value, *traceback;
                PyErr_Fetch(&type, &value, &traceback);
                on_stopped(self); /* whoever waits for it must not wait for ever */
                PyErr_Restore(type, value, traceback);
            }
            rsec_peer_unref(items[i].peer);
            rsec_engine_free_event(items[i].event);
            continue;
        }
        if (items[i].kind != RSEC_UP_REQUEST) {
            rsec_py_standby_leave(self);
        }
        switch (items[i].kind) {
        case RSEC_UP_REQUEST:
            rc = on_request(self, items[i].req);
            break;
        case RSEC_UP_LOOKUP:
            on_lookup(self, items[i].peer);
            break;
        case RSEC_UP_CLOSED:
            on_closed(self, items[i].peer);
            break;
        case RSEC_UP_EVENT:
            on_event(self, items[i].event);
            break;
        case RSEC_UP_STOPPED:
            on_stopped(self);
            break;
        }
    }
    rsec_py_standby_leave(self);
    rsec_py_engine_flush(self);
    batch_clear(&self->batch);
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *engine_flush(PyObject *op, PyObject *unused) {
    (void)unused;
    ((rsec_py_engine *)op)->is_flush_due = 0;
    rsec_py_engine_flush((rsec_py_engine *)op);
    Py_RETURN_NONE;
}

/* --- life --- */

PyDoc_STRVAR(
    engine_doc,
    "Engine(server, loop, tls, settings, policy)\n--\n\n"
    "The C engine for `server`, whose handle_* coroutines run on `loop`. `settings` has the attributes of the server's\n"
    "keyword-only settings (seconds and counts, None for no limit), `policy` is a dict of flags.");

static PyObject *engine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"server", "loop", "tls", "settings", "policy", NULL};
    PyObject *server, *loop, *tls_object, *settings_object, *policy_dict;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO!:Engine", keywords, &server, &loop, &tls_object,
                                     &settings_object, &PyDict_Type, &policy_dict)) {
        return NULL;
    }
    rsec_tls *tls = rsec_py_tls_of(tls_object);
    rsec_settings settings;
    rsec_policy policy = {.raw = false};
    if (tls == NULL || rsec_py_settings_read(settings_object, &settings) < 0 ||
        rsec_py_policy_read(policy_dict, &policy) < 0) {
        return NULL;
    }
    rsec_py_engine *self = (rsec_py_engine *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = PyType_GetModuleState(type);
    self->server = Py_NewRef(server);
    self->loop = Py_NewRef(loop);
    self->policy = policy;
    rsec_status status = RSEC_NO_MEMORY;
    if (self->state == NULL || rsec_py_tasks_take(PyType_GetModule(type), self->state) < 0 ||
        (status = rsec_engine_new(&settings, &policy, tls, &self->engine)) != RSEC_OK) {
        if (PyErr_Occurred() == NULL) {
            PyErr_SetString(status == RSEC_NO_MEMORY ? PyExc_MemoryError : PyExc_RuntimeError,
                            rsec_status_text(status));
        }
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(start_doc,
             "start(fds)\n--\n\nTakes over listening sockets (descriptors) and starts the I/O thread. OSError.");

static PyObject *engine_start(PyObject *op, PyObject *fds) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    PyObject *fast = PySequence_Fast(fds, "fds: expected a sequence of descriptors");
    if (fast == NULL) {
        return NULL;
    }
    Py_ssize_t num = PySequence_Fast_GET_SIZE(fast);
    int *listeners = calloc(num > 0 ? (size_t)num : 1, sizeof *listeners);
    for (Py_ssize_t i = 0; listeners != NULL && i < num; i++) {
        listeners[i] = (int)PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));
    }
    Py_DECREF(fast);
    int err = listeners == NULL ? ENOMEM : 0;
    if (self->engine == NULL) {
        PyErr_SetString(PyExc_ValueError, "the engine is closed");
    }
    if (err == 0 && PyErr_Occurred() == NULL) {
        err = rsec_engine_start(self->engine, listeners, (size_t)num);
    }
    free(listeners);
    if (err != 0) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyErr_Occurred() != NULL ? NULL : Py_NewRef(Py_None);
}

static PyObject *engine_fileno(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_engine *self = (rsec_py_engine *)op;
    if (self->engine == NULL) {
        return PyErr_Format(PyExc_ValueError, "the engine is closed");
    }
    return PyLong_FromLong(rsec_engine_wake_fd(self->engine));
}

static PyObject *engine_set_policy(PyObject *op, PyObject *policy_dict) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    rsec_policy policy = {.raw = false};
    if (!PyDict_Check(policy_dict)) {
        return PyErr_Format(PyExc_TypeError, "policy: expected a dict");
    }
    if (rsec_py_policy_read(policy_dict, &policy) < 0) {
        return NULL;
    }
    self->policy = policy;
    if (self->engine != NULL) {
        rsec_engine_set_policy(self->engine, &policy);
    }
    Py_RETURN_NONE;
}

static PyObject *engine_stop(PyObject *op, PyObject *grace) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    double seconds = PyFloat_AsDouble(grace);
    if (PyErr_Occurred() != NULL) {
        return NULL;
    }
    if (self->engine != NULL) {
        double most = GRACE_MAX_S;
        seconds = seconds > most ? most : seconds;
        rsec_engine_stop(self->engine, seconds > 0 ? (int64_t)(seconds * (double)RSEC_NS_PER_S) : 0);
    }
    Py_RETURN_NONE;
}

static PyObject *engine_tasks(PyObject *op, PyObject *unused) {
    (void)unused;
    return rsec_py_flight_tasks((rsec_py_engine *)op);
}

static PyObject *engine_abandon(PyObject *op, PyObject *task) {
    int was_there = rsec_py_flight_abandon((rsec_py_engine *)op, task);
    rsec_py_engine_flush((rsec_py_engine *)op);
    return PyBool_FromLong(was_there);
}

static void shut_down(rsec_py_engine *self) {
    rsec_engine *engine = self->engine;
    if (engine == NULL || self->is_closing) {
        return; /* what is dropped below may have finalizers that close again */
    }
    self->is_closing = 1;
    rsec_py_engine_flush(self);
    /* The I/O thread looks at suspended handlers' requests as long as it runs. */
    Py_BEGIN_ALLOW_THREADS
    rsec_engine_join(engine);
    Py_END_ALLOW_THREADS
    self->engine = NULL;
    rsec_py_engine_flush(self); /* what came back meanwhile */
    rsec_py_flight_abandon_all(self);
    while (self->hosts != NULL) {
        rsec_py_host_free(self, self->hosts);
    }
    Py_BEGIN_ALLOW_THREADS
    rsec_engine_free(engine);
    Py_END_ALLOW_THREADS
}

static PyObject *engine_close(PyObject *op, PyObject *unused) {
    (void)unused;
    shut_down((rsec_py_engine *)op);
    rsec_py_standby_end((rsec_py_engine *)op);
    Py_RETURN_NONE;
}

static PyObject *engine_forked(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_engine *self = (rsec_py_engine *)op;
    if (self->engine != NULL) {
        rsec_engine_forked(self->engine);
        self->engine = NULL; /* dead here: its memory goes with the process */
        self->hosts = NULL;
        self->done_num = 0;
    }
    Py_RETURN_NONE;
}

static int add_counter(void *arg, const char *name, uint64_t value) {
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int rc = number != NULL ? PyDict_SetItemString(arg, name, number) : -1;
    Py_XDECREF(number);
    return rc;
}

int rsec_py_engine_visit_own(const rsec_py_engine *self, int (*visit)(void *arg, const char *name, uint64_t value),
                             void *arg) {
    int rc = visit(arg, "handler_errors", self != NULL ? self->handler_errors : 0);
    rc = rc == 0 ? visit(arg, "handler_no_replies", self != NULL ? self->handler_no_replies : 0) : rc;
    return rc == 0 ? visit(arg, "handlers_suspended", self != NULL ? self->handlers_suspended : 0) : rc;
}

static PyObject *engine_stats(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_engine *self = (rsec_py_engine *)op;
    PyObject *stats = PyDict_New();
    if (stats == NULL || self->engine == NULL) {
        return stats;
    }
    if (rsec_counters_visit(rsec_engine_counters(self->engine), add_counter, stats) != 0 ||
        rsec_py_engine_visit_own(self, add_counter, stats) != 0) {
        Py_CLEAR(stats);
    }
    return stats;
}

static PyObject *engine_is_running(PyObject *op, void *closure) {
    (void)closure;
    rsec_py_engine *self = (rsec_py_engine *)op;
    return PyBool_FromLong(self->engine != NULL && !self->is_stopped);
}

static int engine_traverse(PyObject *op, visitproc visit, void *arg) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->server);
    Py_VISIT(self->loop);
    Py_VISIT(self->batch.dictionary);
    Py_VISIT(self->batch.reply_type);
    Py_VISIT(self->standby.handler);
    Py_VISIT(self->standby.task);
    for (rsec_py_host *host = self->hosts; host != NULL; host = host->next) {
        Py_VISIT(host->host);
    }
    return rsec_py_flight_visit(self, visit, arg);
}

static int engine_clear(PyObject *op) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    shut_down(self);
    Py_CLEAR(self->server);
    Py_CLEAR(self->loop);
    batch_clear(&self->batch);
    if (self->standby.handler != NULL) {
        rsec_py_handler_end(self->standby.handler);
    }
    Py_CLEAR(self->standby.handler);
    Py_CLEAR(self->standby.task);
    return 0;
}

static void engine_finalize(PyObject *op) {
    rsec_py_engine *self = (rsec_py_engine *)op;
    if (self->engine == NULL) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!self->is_stopped && PyErr_ResourceWarning(op, 1, "RadSecServer was not stopped") < 0) {
        PyErr_WriteUnraisable(op);
    }
    PyErr_Restore(type, value, traceback);
}

static void engine_dealloc(PyObject *op) {
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    (void)engine_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef engine_methods[] = {
    {"start", engine_start, METH_O, start_doc},
    {"fileno", engine_fileno, METH_NOARGS, "fileno()\n--\n\nReadable when dispatch() has something to do."},
    {"dispatch", engine_dispatch, METH_NOARGS, dispatch_doc},
    {"set_policy", engine_set_policy, METH_O, "set_policy(policy)\n--\n\nFor packets read from now on."},
    {"stop", engine_stop, METH_O,
     "stop(grace)\n--\n\nStops accepting and reading; requests in flight have `grace` seconds. _on_stopped() follows."},
    {"tasks", engine_tasks, METH_NOARGS, "tasks()\n--\n\nThe tasks of handlers that are suspended."},
    {"abandon", engine_abandon, METH_O,
     "abandon(task)\n--\n\nGives the request of a suspended handler up: no reply. Whether `task` was such a handler."},
    {"close", engine_close, METH_NOARGS, "close()\n--\n\nEnds everything now and joins the I/O thread."},
    {"_flush", engine_flush, METH_NOARGS, "_flush()\n--\n\nHands finished requests back to the I/O thread."},
    {"_forked", engine_forked, METH_NOARGS, "_forked()\n--\n\nIn a child process: closes its copies of the sockets."},
    {"stats", engine_stats, METH_NOARGS, "stats()\n--\n\nA dict of counters; empty once closed."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef engine_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(rsec_py_engine, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef engine_getset[] = {
    {"is_running", engine_is_running, NULL, "Whether the I/O thread still serves.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot engine_slots[] = {
    {Py_tp_doc, (void *)engine_doc},   {Py_tp_new, engine_new},
    {Py_tp_dealloc, engine_dealloc},   {Py_tp_finalize, engine_finalize},
    {Py_tp_traverse, engine_traverse}, {Py_tp_clear, engine_clear},
    {Py_tp_methods, engine_methods},   {Py_tp_members, engine_members},
    {Py_tp_getset, engine_getset},     {0, NULL},
};

static PyType_Spec engine_spec = {
    .name = "pyradsec._core.Engine",
    .basicsize = sizeof(rsec_py_engine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = engine_slots,
};

int rsec_py_engine_register(PyObject *module, rsec_py_state *state) {
    state->engine_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &engine_spec, NULL);
    if (state->engine_type == NULL || PyModule_AddType(module, state->engine_type) < 0 ||
        rsec_py_flight_register(module, state) < 0 || rsec_py_handler_register(module, state) < 0) {
        return -1;
    }
    PyObject *name = PyModule_GetNameObject(module);
    PyObject *function = name != NULL ? PyCFunction_NewEx(&rsec_py_tls_function, module, name) : NULL;
    int rc = function != NULL ? PyModule_AddObjectRef(module, "TLS", function) : -1;
    Py_XDECREF(name);
    Py_XDECREF(function);
    return rc;
}
