#include "py/handler.h"

static rsec_py_state *state_of(rsec_py_handler *self) {
    return PyType_GetModuleState(Py_TYPE(self));
}

PyObject *rsec_py_handler_new(rsec_py_state *state, PyObject *loop) {
    rsec_py_handler *self = (rsec_py_handler *)state->handler_type->tp_alloc(state->handler_type, 0);
    if (self != NULL) {
        self->loop = Py_NewRef(loop);
    }
    return (PyObject *)self;
}

bool rsec_py_handler_is_at_rest(const rsec_py_handler *self) {
    return self->coroutine == NULL && self->result == NULL && self->exception == NULL && !self->is_ended;
}

/* --- the coroutine's steps --- */

static void close_coroutine(rsec_py_state *state, PyObject *coroutine) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *closed = PyObject_CallMethodNoArgs(coroutine, state->name_close);
    if (closed == NULL) {
        PyErr_WriteUnraisable(coroutine);
    }
    Py_XDECREF(closed);
    PyErr_Restore(type, value, traceback);
}

void rsec_py_coroutine_close_unstarted(rsec_py_state *state, PyObject *coroutine) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *is_suspended = PyObject_GetAttr(coroutine, state->name_cr_suspended);
    if (is_suspended == NULL) {
        PyErr_WriteUnraisable(coroutine);
    } else if (is_suspended == Py_False) {
        close_coroutine(state, coroutine);
    }
    Py_XDECREF(is_suspended);
    PyErr_Restore(type, value, traceback);
}

static void leave(rsec_py_handler *self, bool is_error) {
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    if (is_error) {
        PyErr_Fetch(&type, &value, &traceback);
    }
    if (PyContext_Exit(self->context) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    if (is_error) {
        PyErr_Restore(type, value, traceback);
    }
}

static PySendResult step(rsec_py_handler *self, PyObject **result) {
    *result = NULL;
    if (PyContext_Enter(self->context) < 0) {
        return PYGEN_ERROR;
    }
    PySendResult how = PyIter_Send(self->coroutine, Py_None, result);
    leave(self, how == PYGEN_ERROR);
    return how;
}

PySendResult rsec_py_handler_start(rsec_py_handler *self, PyObject *coroutine, PyObject **result) {
    *result = NULL;
    self->context = PyContext_CopyCurrent();
    if (self->context == NULL) {
        rsec_py_coroutine_close_unstarted(state_of(self), coroutine);
        return PYGEN_ERROR;
    }
    self->coroutine = Py_NewRef(coroutine);
    PySendResult how = step(self, result);
    if (how == PYGEN_NEXT) {
        self->yielded = *result;
        *result = NULL;
    }
    return how;
}

void rsec_py_handler_reset(rsec_py_handler *self) {
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->context);
}

void rsec_py_handler_end_with(rsec_py_handler *self, PyObject *result) {
    if (result != NULL) {
        self->result = Py_NewRef(result);
    } else {
        self->exception = rsec_py_take_exception();
    }
}

int rsec_py_handler_wake(rsec_py_handler *self) {
    if (self->rest == NULL) {
        return 0; /* the task's first step is still to come */
    }
    rsec_py_state *state = state_of(self);
    PyObject *is_done = PyObject_CallMethodNoArgs(self->rest, state->name_done);
    if (is_done == NULL) {
        return -1;
    }
    /* Done already: the task was cancelled, and goes on without our help. */
    PyObject *set = is_done == Py_True ? Py_NewRef(Py_None)
                                       : PyObject_CallMethodOneArg(self->rest, state->name_set_result, Py_None);
    Py_DECREF(is_done);
    Py_XDECREF(set);
    return set != NULL ? 0 : -1;
}

void rsec_py_handler_close(rsec_py_handler *self) {
    PyObject *coroutine = self->coroutine, *context = self->context;
    self->coroutine = NULL;
    self->is_ended = true;
    Py_CLEAR(self->yielded);
    Py_CLEAR(self->result);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->cancelled);
    if (coroutine != NULL && PyContext_Enter(context) == 0) {
        close_coroutine(state_of(self), coroutine);
        leave(self, PyErr_Occurred() != NULL);
    }
    Py_CLEAR(self->context);
    Py_XDECREF(coroutine);
}

/* --- as the task's coroutine --- */

/* The future that the task waits for until there is a handler. Without memory for it the task ends, and another is made when one
 * is needed. */
static PySendResult go_to_rest(rsec_py_handler *self, PyObject **result) {
    rsec_py_state *state = state_of(self);
    PyObject *rest = self->is_ended ? NULL : PyObject_CallMethodNoArgs(self->loop, state->name_create_future);
    if (rest != NULL && PyObject_SetAttr(rest, state->name__asyncio_future_blocking, Py_True) < 0) {
        Py_CLEAR(rest);
    }
    if (rest == NULL) {
        PyErr_Clear();
        self->is_ended = true;
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    self->rest = Py_NewRef(rest);
    *result = rest;
    return PYGEN_NEXT;
}

/* How the coroutine ended in its first step. */
static PySendResult end(rsec_py_handler *self, PyObject **result) {
    self->is_ended = true;
    *result = self->result;
    self->result = NULL;
    if (*result != NULL) {
        return PYGEN_RETURN;
    }
    PyObject *exception = self->exception;
    self->exception = NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
    return PYGEN_ERROR;
}

/* Has the coroutine meet an exception. NULL: it has ended with the exception that is set, which may be StopIteration. */
static PyObject *throw_into(rsec_py_handler *self, PyObject *exception) {
    PyObject *result = NULL;
    if (PyContext_Enter(self->context) == 0) {
        result = PyObject_CallMethodOneArg(self->coroutine, state_of(self)->name_throw, exception);
        leave(self, result == NULL);
    }
    self->is_ended = result == NULL;
    return result;
}

static PySendResult throw_cancelled(rsec_py_handler *self, PyObject **result) {
    PyObject *exception = self->cancelled;
    self->cancelled = NULL;
    *result = throw_into(self, exception);
    Py_DECREF(exception);
    if (*result != NULL || !PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return *result != NULL ? PYGEN_NEXT : PYGEN_ERROR;
    }
    PyObject *stop = rsec_py_take_exception();
    *result = PyObject_GetAttr(stop, state_of(self)->name_value);
    Py_DECREF(stop);
    return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

static PySendResult handler_next(PyObject *op, PyObject *value, PyObject **result) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    (void)value; /* a task sends None */
    bool was_at_rest = self->rest != NULL;
    Py_CLEAR(self->rest);
    if (self->result != NULL || self->exception != NULL) {
        return end(self, result);
    }
    if (self->coroutine == NULL) {
        return go_to_rest(self, result);
    }
    PyObject *yielded = self->yielded;
    self->yielded = NULL;
    if (yielded != NULL && (yielded != Py_None || !was_at_rest)) {
        *result = yielded;
        return PYGEN_NEXT;
    }
    Py_XDECREF(yielded); /* a bare yield: the turn that it was for is this one, to which the task was woken */
    if (self->cancelled != NULL) {
        return throw_cancelled(self, result);
    }
    PySendResult how = step(self, result);
    self->is_ended = how != PYGEN_NEXT;
    return how;
}

static PyObject *handler_send(PyObject *op, PyObject *value) {
    PyObject *result;
    switch (handler_next(op, value, &result)) {
    case PYGEN_NEXT:
        return result;
    case PYGEN_RETURN: {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
        }
        Py_XDECREF(stop);
        Py_DECREF(result);
        return NULL;
    }
    default:
        return NULL;
    }
}

/* Cancels what the coroutine's first step waits for, as its task would. */
static void cancel_yielded(rsec_py_handler *self, PyObject *exception) {
    rsec_py_state *state = state_of(self);
    PyObject *cancel = PyObject_GetAttr(self->yielded, state->name_cancel);
    PyObject *args = cancel != NULL ? PyObject_GetAttr(exception, state->name_args) : NULL, *done = NULL;
    if (args != NULL) {
        bool has_message = PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0;
        PyObject *given[] = {has_message ? PyTuple_GET_ITEM(args, 0) : Py_None};
        done = PyObject_Vectorcall(cancel, given, 0, state->asyncio.msg_names);
    }
    PyErr_Clear(); /* whatever the reason: it is not cancelled, or no future, which the task will say */
    if (done != Py_True) {
        self->cancelled = Py_NewRef(exception);
    }
    Py_XDECREF(done);
    Py_XDECREF(args);
    Py_XDECREF(cancel);
}

static PyObject *handler_throw(PyObject *op, PyObject *exception) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    PyObject *result = NULL;
    Py_CLEAR(self->rest);
    if (self->exception != NULL) {
        (void)end(self, &result);
        return NULL;
    }
    if (self->result != NULL || self->coroutine == NULL) {
        /* Cancelled at rest, or in the only step: then the task is cancelled although the coroutine ended well. */
        self->is_ended = true;
        Py_CLEAR(self->result);
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        return NULL;
    }
    if (self->yielded != NULL && self->yielded != Py_None) {
        cancel_yielded(self, exception);
        result = self->yielded;
        self->yielded = NULL;
        return result;
    }
    Py_CLEAR(self->yielded);
    PyObject *thrown = self->cancelled != NULL ? self->cancelled : Py_NewRef(exception);
    self->cancelled = NULL;
    result = throw_into(self, thrown);
    Py_DECREF(thrown);
    return result;
}

static PyObject *handler_close(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_handler_close((rsec_py_handler *)op);
    Py_RETURN_NONE;
}

/* What else a coroutine has (cr_frame, cr_code, __qualname__, …) is that of the handler's. */
static PyObject *handler_getattro(PyObject *op, PyObject *name) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    PyObject *value = PyObject_GenericGetAttr(op, name);
    if (value == NULL && self->coroutine != NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        value = PyObject_GetAttr(self->coroutine, name);
    }
    return value;
}

/* --- the type --- */

static int handler_traverse(PyObject *op, visitproc visit, void *arg) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->loop);
    Py_VISIT(self->rest);
    Py_VISIT(self->coroutine);
    Py_VISIT(self->context);
    Py_VISIT(self->yielded);
    Py_VISIT(self->result);
    Py_VISIT(self->exception);
    Py_VISIT(self->cancelled);
    return 0;
}

static int handler_clear(PyObject *op) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->rest);
    rsec_py_handler_reset(self);
    Py_CLEAR(self->yielded);
    Py_CLEAR(self->result);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->cancelled);
    return 0;
}

static void handler_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)handler_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef handler_methods[] = {
    {"send", handler_send, METH_O, "send(value)\n--\n\nAs a coroutine's."},
    {"throw", handler_throw, METH_O, "throw(exception)\n--\n\nAs a coroutine's."},
    {"close", handler_close, METH_NOARGS, "close()\n--\n\nAs a coroutine's."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot handler_slots[] = {
    {Py_tp_doc, "What a HandlerTask runs: the coroutine of a handler."},
    {Py_tp_methods, handler_methods},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, handler_next},
    {Py_tp_getattro, handler_getattro},
    {Py_tp_dealloc, handler_dealloc},
    {Py_tp_traverse, handler_traverse},
    {Py_tp_clear, handler_clear},
    {0, NULL},
};

static PyType_Spec handler_spec = {
    .name = "pyradsec._core.Handler",
    .basicsize = sizeof(rsec_py_handler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = handler_slots,
};

int rsec_py_handler_register(PyObject *module, rsec_py_state *state) {
    state->handler_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &handler_spec, NULL);
    return state->handler_type != NULL ? 0 : -1;
}
