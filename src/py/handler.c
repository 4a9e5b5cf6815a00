#include "py/handler.h"

#include "py/tasks.h"

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
    return self->wakeup != NULL && self->coroutine == NULL && !self->is_ended;
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
    self->is_running = true;
    PySendResult how = PyIter_Send(self->coroutine, Py_None, result);
    self->is_running = false;
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

void rsec_py_handler_end(rsec_py_handler *self) {
    self->is_ended = true;
    Py_CLEAR(self->wakeup); /* which has the task */
}

void rsec_py_handler_close(rsec_py_handler *self) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *coroutine = self->coroutine;
    self->coroutine = NULL;
    rsec_py_handler_end(self);
    Py_CLEAR(self->yielded);
    Py_CLEAR(self->cancelled);
    if (coroutine != NULL) {
        bool is_entered = PyContext_Enter(self->context) == 0;
        if (!is_entered) {
            PyErr_WriteUnraisable(coroutine); /* and is closed here, as when its last reference goes */
        }
        self->is_running = true; /* its cleaning up may come back here */
        close_coroutine(state_of(self), coroutine);
        self->is_running = false;
        if (is_entered) {
            leave(self, false);
        }
    }
    Py_CLEAR(self->context);
    Py_XDECREF(coroutine);
    PyErr_Restore(type, value, traceback);
}

/* --- as the task's coroutine --- */

static int refuse_while_running(const rsec_py_handler *self) {
    if (self->is_running) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    return 0;
}

/* Whether the first step waits for a future that the task does not know yet, and which is not the task itself. */
static bool waits_for_another(rsec_py_handler *self) {
    rsec_py_state *state = state_of(self);
    if (self->yielded == NULL || rsec_py_handler_of(state, self->yielded) == self) {
        return false;
    }
    PyObject *blocking = PyObject_GetAttr(self->yielded, state->name__asyncio_future_blocking);
    bool is_future = blocking != NULL && blocking != Py_None;
    PyErr_Clear(); /* no future: the task will say so */
    Py_XDECREF(blocking);
    return is_future;
}

/* Cancels what the first step waits for. What its cancel() gave: new reference; NULL with an exception. */
static PyObject *cancel_yielded(rsec_py_handler *self, PyObject *message) {
    rsec_py_state *state = state_of(self);
    PyObject *yielded = Py_NewRef(self->yielded); /* which its cancel() may make us forget */
    PyObject *args[] = {yielded, message};
    PyObject *done = PyObject_VectorcallMethod(state->name_cancel, args, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                               state->asyncio.msg_names);
    Py_DECREF(yielded);
    return done;
}

bool rsec_py_handler_cancel(rsec_py_handler *self, PyObject *message) {
    PyObject *done = waits_for_another(self) ? cancel_yielded(self, message) : Py_NewRef(Py_False);
    int is_cancelled = done != NULL ? PyObject_IsTrue(done) : -1;
    if (is_cancelled < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    self->is_cancelled = is_cancelled > 0;
    Py_XDECREF(done);
    return self->is_cancelled;
}

/* Somebody waits for `yielded`, or, while the task does not know it yet, nobody does: others that do would be told off else. */
static void mark_blocking(rsec_py_handler *self, PyObject *is_blocking) {
    if (waits_for_another(self) &&
        PyObject_SetAttr(self->yielded, state_of(self)->name__asyncio_future_blocking, is_blocking) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
}

int rsec_py_handler_wake(rsec_py_handler *self, bool is_later) {
    PyObject *wakeup = self->wakeup, *done;
    if (wakeup == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the coroutine was closed while what it waits for was cancelled");
        return -1;
    }
    self->wakeup = NULL;
    self->is_later = is_later;
    if (is_later) {
        mark_blocking(self, Py_False);
        PyObject *args[] = {self->loop, wakeup, (PyObject *)self};
        done = PyObject_VectorcallMethod(state_of(self)->name_call_soon, args, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                         NULL);
    } else {
        done = PyObject_CallOneArg(wakeup, (PyObject *)self);
    }
    Py_DECREF(wakeup);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* What the first step waits for, which the task is told of now. */
static PyObject *take_yielded(rsec_py_handler *self) {
    if (self->is_later) {
        mark_blocking(self, Py_True);
    }
    PyObject *yielded = self->yielded;
    self->yielded = NULL;
    return yielded;
}

/* Has the coroutine meet an exception. NULL: it has ended with the exception that is set, which may be StopIteration. */
static PyObject *throw_into(rsec_py_handler *self, PyObject *exception) {
    PyObject *result = NULL;
    if (PyContext_Enter(self->context) == 0) {
        self->is_running = true;
        result = PyObject_CallMethodOneArg(self->coroutine, state_of(self)->name_throw, exception);
        self->is_running = false;
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
    if (refuse_while_running(self) < 0) {
        return PYGEN_ERROR;
    }
    self->is_begun = true;
    if (self->coroutine == NULL) {
        *result = Py_NewRef(self->is_ended ? Py_None : op);
        return self->is_ended ? PYGEN_RETURN : PYGEN_NEXT;
    }
    if (self->yielded != NULL && !(self->is_later && self->yielded == Py_None)) {
        *result = take_yielded(self);
        return PYGEN_NEXT;
    }
    Py_CLEAR(self->yielded); /* a bare yield: the turn that it was for is this one */
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

static PyObject *handler_throw(PyObject *op, PyObject *exception) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    if (refuse_while_running(self) < 0) {
        return NULL;
    }
    if (self->coroutine == NULL) {
        self->is_begun = self->is_ended = true; /* before there was anything to throw it into */
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        return NULL;
    }
    if (waits_for_another(self)) {
        if (!self->is_cancelled) {
            self->cancelled = Py_NewRef(exception);
        }
        return take_yielded(self);
    }
    Py_CLEAR(self->yielded);
    bool is_cancelled = PyErr_GivenExceptionMatches(exception, state_of(self)->asyncio.cancelled_error);
    PyObject *thrown = Py_NewRef(self->cancelled != NULL && !is_cancelled ? self->cancelled : exception);
    Py_CLEAR(self->cancelled);
    PyObject *result = throw_into(self, thrown);
    Py_DECREF(thrown);
    return result;
}

static PyObject *handler_close(PyObject *op, PyObject *unused) {
    (void)unused;
    if (refuse_while_running((rsec_py_handler *)op) < 0) {
        return NULL;
    }
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

/* --- as the future that its task waits for at rest, and until it is woken --- */

static PyObject *handler_get_loop(PyObject *op, PyObject *unused) {
    (void)unused;
    return Py_NewRef(((rsec_py_handler *)op)->loop);
}

static PyObject *handler_result(PyObject *op, PyObject *unused) {
    (void)op;
    (void)unused;
    Py_RETURN_NONE;
}

static PyObject *handler_add_done_callback(PyObject *op, PyObject *args, PyObject *kwargs) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    PyObject *wakeup, *context = NULL;
    static char *names[] = {"callback", "context", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:add_done_callback", names, &wakeup, &context)) {
        return NULL;
    }
    if (!self->is_begun || self->wakeup != NULL || self->coroutine != NULL || self->is_ended) {
        PyErr_SetString(PyExc_RuntimeError, "only its task waits for a handler that rests");
        return NULL;
    }
    self->wakeup = Py_NewRef(wakeup); /* without the context: steps have the coroutine's */
    Py_RETURN_NONE;
}

/* False: the task notes that it is cancelled, and throws CancelledError when it is woken. */
static PyObject *handler_cancel(PyObject *op, PyObject *args, PyObject *kwargs) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    PyObject *message = Py_None;
    static char *names[] = {"msg", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &message)) {
        return NULL;
    }
    if (self->coroutine == NULL) {
        self->is_touched = true;
        Py_RETURN_TRUE; /* a task at rest is done: there is nothing to cancel */
    }
    if (self->is_running || !waits_for_another(self)) {
        self->is_touched = true;
        Py_RETURN_FALSE;
    }
    return cancel_yielded(self, message);
}

static PyObject *handler_get_blocking(PyObject *op, void *closure) {
    (void)closure;
    return PyBool_FromLong(((rsec_py_handler *)op)->coroutine == NULL);
}

static int handler_set_blocking(PyObject *op, PyObject *value, void *closure) {
    (void)op;
    (void)value;
    (void)closure;
    return 0; /* it follows from the rest */
}

/* --- the type --- */

static int handler_traverse(PyObject *op, visitproc visit, void *arg) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->loop);
    Py_VISIT(self->wakeup);
    Py_VISIT(self->coroutine);
    Py_VISIT(self->context);
    Py_VISIT(self->yielded);
    Py_VISIT(self->cancelled);
    return 0;
}

static int handler_clear(PyObject *op) {
    rsec_py_handler *self = (rsec_py_handler *)op;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->wakeup);
    rsec_py_handler_reset(self);
    Py_CLEAR(self->yielded);
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
    {"get_loop", handler_get_loop, METH_NOARGS, "get_loop()\n--\n\nAs a future's."},
    {"result", handler_result, METH_NOARGS, "result()\n--\n\nAs a future's: None."},
    {"add_done_callback", (PyCFunction)(void (*)(void))handler_add_done_callback, METH_VARARGS | METH_KEYWORDS,
     "add_done_callback(callback, *, context=None)\n--\n\nAs a future's."},
    {"cancel", (PyCFunction)(void (*)(void))handler_cancel, METH_VARARGS | METH_KEYWORDS,
     "cancel(msg=None)\n--\n\nAs a future's: cancels what the handler waits for."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef handler_getset[] = {
    {"_asyncio_future_blocking", handler_get_blocking, handler_set_blocking, "As a future's.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot handler_slots[] = {
    {Py_tp_doc, "What a HandlerTask runs: the coroutine of a handler."},
    {Py_tp_methods, handler_methods},
    {Py_tp_getset, handler_getset},
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
