#include "py/tasks.h"

#include <stdbool.h>
#include <string.h>

/* --- HandlerTask --- */

/* Behind the fields of asyncio.Task, whose size only asyncio knows. */
typedef struct {
    size_t is_known; /* a char would do, were it not for the alignment of what follows */
} handler_task;

static handler_task *of(PyObject *task) {
    return (handler_task *)((char *)task + Py_TYPE(task)->tp_basicsize - (Py_ssize_t)sizeof(handler_task));
}

static PyObject *task_getattro(PyObject *task, PyObject *name) {
    of(task)->is_known = 1;
    return PyObject_GenericGetAttr(task, name);
}

static int task_setattro(PyObject *task, PyObject *name, PyObject *value) {
    of(task)->is_known = 1;
    return PyObject_GenericSetAttr(task, name, value);
}

rsec_py_handler *rsec_py_handler_of(rsec_py_state *state, PyObject *object) {
    if (!Py_IS_TYPE(object, state->asyncio.handler_task_type)) {
        return NULL;
    }
    PyObject *coroutine = PyObject_GenericGetAttr(object, state->name__coro);
    if (coroutine == NULL) {
        PyErr_Clear();
        return NULL;
    }
    Py_DECREF(coroutine); /* the task has it */
    return Py_IS_TYPE(coroutine, state->handler_type) ? (rsec_py_handler *)coroutine : NULL;
}

static PyObject *task_done(PyObject *task, PyObject *unused) {
    (void)unused;
    rsec_py_state *state = PyType_GetModuleState(Py_TYPE(task));
    rsec_py_handler *handler = rsec_py_handler_of(state, task);
    if (handler != NULL && handler->coroutine == NULL) {
        Py_RETURN_TRUE;
    }
    return PyObject_CallOneArg(state->asyncio.task_done, task);
}

/* What asyncio.Task's own method gives, for a task that was made by somebody else, of a coroutine of his. */
static PyObject *ask_task(rsec_py_state *state, PyObject *task, const char *name) {
    PyObject *method = PyObject_GetAttrString((PyObject *)state->asyncio.task_type, name);
    PyObject *answer = method != NULL ? PyObject_CallOneArg(method, task) : NULL;
    Py_XDECREF(method);
    return answer;
}

static PyObject *task_get_coro(PyObject *task, PyObject *unused) {
    (void)unused;
    rsec_py_state *state = PyType_GetModuleState(Py_TYPE(task));
    rsec_py_handler *handler = rsec_py_handler_of(state, task);
    if (handler == NULL) {
        return ask_task(state, task, "get_coro");
    }
    return Py_NewRef(handler->coroutine != NULL ? handler->coroutine : Py_None);
}

static PyObject *task_get_context(PyObject *task, PyObject *unused) {
    (void)unused;
    rsec_py_state *state = PyType_GetModuleState(Py_TYPE(task));
    rsec_py_handler *handler = rsec_py_handler_of(state, task);
    if (handler == NULL) {
        return ask_task(state, task, "get_context");
    }
    return Py_NewRef(handler->context != NULL ? handler->context : Py_None);
}

static PyMethodDef task_methods[] = {
    {"done", task_done, METH_NOARGS,
     "done()\n--\n\nWhether the handler has ended. True also of a task that has no handler yet: there is nothing to wait for."},
    {"get_coro", task_get_coro, METH_NOARGS, "get_coro()\n--\n\nThe handler's coroutine."},
    {"get_context", task_get_context, METH_NOARGS,
     "get_context()\n--\n\nThe contextvars.Context that the handler runs in."},
    {NULL, NULL, 0, NULL},
};

/* asyncio.Task's own traverse, clear and dealloc do: nothing is owned here. */
static PyType_Slot task_slots[] = {
    {Py_tp_doc, "The asyncio.Task of a handler."},
    {Py_tp_methods, task_methods},
    {Py_tp_getattro, task_getattro},
    {Py_tp_setattro, task_setattro},
    {0, NULL},
};

static PyTypeObject *make_type(PyObject *module, PyTypeObject *task_type) {
    PyType_Spec spec = {
        .name = "pyradsec._core.HandlerTask",
        .basicsize = (int)task_type->tp_basicsize + (int)sizeof(handler_task),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = task_slots,
    };
    PyObject *bases = PyTuple_Pack(1, task_type);
    PyObject *type = bases != NULL ? PyType_FromModuleAndSpec(module, &spec, bases) : NULL;
    Py_XDECREF(bases);
    return (PyTypeObject *)type;
}

PyObject *rsec_py_handler_task_new(rsec_py_state *state, PyObject *handler, PyObject *loop) {
    bool is_eager = PY_VERSION_HEX >= 0x030c0000;
    PyObject *args[] = {handler, loop, Py_True};
    PyObject *task = PyObject_Vectorcall((PyObject *)state->asyncio.handler_task_type, args, 1,
                                         is_eager ? state->asyncio.eager_names : state->asyncio.loop_names);
    /* At rest it is nothing that anybody forgot. */
    if (task != NULL && PyObject_GenericSetAttr(task, state->name__log_destroy_pending, Py_False) < 0) {
        Py_CLEAR(task);
    }
    return task;
}

/* The references to a task that nobody knows: its maker's, its handler's in the wake-up, and the loop's, whose current one it is. Where
 * that may be otherwise, the least that any has had tell. */
#define ALONE (PY_VERSION_HEX < 0x030e0000 ? 3 : PY_SSIZE_T_MAX)

static PyObject *weakrefs_of(PyObject *task) {
    return *(PyObject **)((char *)task + Py_TYPE(task)->tp_weaklistoffset);
}

rsec_py_task_look rsec_py_handler_task_look(rsec_py_state *state, PyObject *task) {
    rsec_py_asyncio *asyncio = &state->asyncio;
    of(task)->is_known = 0;
    /* Not its own count: somebody may hold this one already. */
    if (Py_REFCNT(task) < asyncio->least_refs) {
        asyncio->least_refs = Py_REFCNT(task);
    }
    return (rsec_py_task_look){.refs = asyncio->least_refs, .weakrefs = weakrefs_of(task)};
}

bool rsec_py_handler_task_is_known(PyObject *task, const rsec_py_task_look *look) {
    /* A new weak reference is the first one: all that there was before is the one of asyncio's own set, which has a callback, and
     * of those the last one comes first. */
    return of(task)->is_known != 0 || Py_REFCNT(task) != look->refs || weakrefs_of(task) != look->weakrefs;
}

/* --- its end --- */

/* asyncio.Task does not let itself be given a result; the Future that it is does. */
static int set_cancelled(rsec_py_state *state, PyObject *task, PyObject *message) {
    PyObject *args[] = {task, message};
    PyObject *done = PyObject_Vectorcall(state->asyncio.future_cancel, args, 1, state->asyncio.msg_names);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int set_outcome(PyObject *method, PyObject *task, PyObject *outcome) {
    PyObject *args[] = {task, outcome};
    PyObject *done = PyObject_Vectorcall(method, args, 2, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

int rsec_py_handler_task_must_cancel(rsec_py_state *state, PyObject *task, PyObject **message) {
    PyObject *must_cancel = PyObject_GenericGetAttr(task, state->name__must_cancel);
    int rc = must_cancel != NULL ? PyObject_IsTrue(must_cancel) : -1;
    Py_XDECREF(must_cancel);
    *message = rc > 0 ? PyObject_GenericGetAttr(task, state->name__cancel_message) : NULL;
    return rc > 0 && *message == NULL ? -1 : rc;
}

/* Its coroutine returned. Whether it is cancelled all the same; -1 with an exception. */
static int end_well(rsec_py_state *state, PyObject *task, PyObject *result) {
    PyObject *message;
    int is_cancelled = rsec_py_handler_task_must_cancel(state, task, &message), rc = is_cancelled;
    if (is_cancelled == 0) {
        rc = set_outcome(state->asyncio.future_set_result, task, result);
    } else if (is_cancelled > 0) {
        rc = set_cancelled(state, task, message);
    }
    Py_XDECREF(message);
    return rc < 0 ? -1 : is_cancelled;
}

/* What a CancelledError says, None if nothing. New reference; NULL with an exception. */
static PyObject *message_of(rsec_py_state *state, PyObject *exception) {
    PyObject *args = PyObject_GetAttr(exception, state->name_args);
    bool has_message = args != NULL && PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0;
    PyObject *message = args != NULL ? Py_NewRef(has_message ? PyTuple_GET_ITEM(args, 0) : Py_None) : NULL;
    Py_XDECREF(args);
    return message;
}

static int end_badly(rsec_py_state *state, PyObject *task, PyObject *exception) {
    if (PyErr_GivenExceptionMatches(exception, state->asyncio.cancelled_error)) {
        PyObject *message = message_of(state, exception);
        int rc = message != NULL ? set_cancelled(state, task, message) : -1;
        Py_XDECREF(message);
        return rc;
    }
    /* The engine logs it. */
    return set_outcome(state->asyncio.future_set_exception, task, exception) < 0
               ? -1
               : PyObject_GenericSetAttr(task, state->name__log_traceback, Py_False);
}

PyObject *rsec_py_handler_task_end(rsec_py_state *state, PyObject *task, PyObject *result) {
    if (result != NULL) {
        int is_cancelled = end_well(state, task, result);
        if (is_cancelled < 0) {
            PyErr_WriteUnraisable(task); /* who waits for the task may do so for ever; the handler's result is good */
        }
        return is_cancelled > 0 ? PyObject_CallMethodNoArgs(task, state->name_result) : Py_NewRef(result);
    }
    PyObject *exception = rsec_py_take_exception();
    if (end_badly(state, task, exception) < 0) {
        PyErr_WriteUnraisable(task);
    }
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
    return NULL;
}

/* --- the current task --- */

int rsec_py_task_enter(rsec_py_state *state, PyObject *loop, PyObject *task, PyObject **previous) {
    PyObject *args[] = {loop, task};
    PyObject *function = state->asyncio.swap_current_task != NULL ? state->asyncio.swap_current_task
                                                                  : state->asyncio.enter_task;
    *previous = PyObject_Vectorcall(function, args, 2, NULL);
    return *previous != NULL ? 0 : -1;
}

void rsec_py_task_leave(rsec_py_state *state, PyObject *loop, PyObject *task, PyObject *previous) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bool is_swapped = state->asyncio.swap_current_task != NULL;
    PyObject *args[] = {loop, is_swapped ? previous : task};
    PyObject *function = is_swapped ? state->asyncio.swap_current_task : state->asyncio.leave_task;
    PyObject *done = PyObject_Vectorcall(function, args, 2, NULL);
    if (done == NULL) {
        PyErr_WriteUnraisable(task);
    }
    Py_XDECREF(done);
    Py_DECREF(previous);
    PyErr_Restore(type, value, traceback);
}

/* --- asyncio --- */

static int take(PyObject *from, const char *name, PyObject **to) {
    Py_XSETREF(*to, PyObject_GetAttrString(from, name));
    return *to != NULL ? 0 : -1;
}

/* How the current task is set. CPython 3.13.0's _enter_task() leaves its dict of current tasks unusable when it finds no memory;
 * swapping, which 3.12 began, does not. */
static int take_current(rsec_py_asyncio *self, PyObject *tasks) {
    if (PY_VERSION_HEX >= 0x030c0000) {
        return take(tasks, "_swap_current_task", &self->swap_current_task);
    }
    return take(tasks, "_enter_task", &self->enter_task) < 0 ? -1 : take(tasks, "_leave_task", &self->leave_task);
}

static int take_cancelled_error(rsec_py_asyncio *self) {
    PyObject *exceptions = PyImport_ImportModule("asyncio.exceptions");
    int rc = exceptions != NULL ? take(exceptions, "CancelledError", &self->cancelled_error) : -1;
    Py_XDECREF(exceptions);
    return rc;
}

/* HandlerTask, and what ends it. */
static int take_handler_task(PyObject *module, rsec_py_asyncio *self) {
    PyObject *future = (PyObject *)self->task_type->tp_base;
    if (take(future, "set_result", &self->future_set_result) < 0 ||
        take(future, "set_exception", &self->future_set_exception) < 0 ||
        take(future, "cancel", &self->future_cancel) < 0) {
        return -1;
    }
    self->least_refs = ALONE;
    Py_XSETREF(self->handler_task_type, make_type(module, self->task_type));
    return self->handler_task_type != NULL ? 0 : -1;
}

int rsec_py_tasks_take(PyObject *module, rsec_py_state *state) {
    rsec_py_asyncio *self = &state->asyncio;
    if (self->msg_names != NULL) {
        return 0; /* the last one that is set */
    }
    PyObject *tasks = PyImport_ImportModule("asyncio.tasks"), *type = NULL;
    int rc = tasks == NULL || take(tasks, "Task", &type) < 0 ||
                     take(tasks, "ensure_future", &self->ensure_future) < 0 || take_current(self, tasks) < 0 ||
                     take_cancelled_error(self) < 0
                 ? -1
                 : 0;
    Py_XDECREF(tasks);
    if (rc < 0) {
        Py_XDECREF(type);
        return -1;
    }
    Py_XSETREF(self->task_type, (PyTypeObject *)type);
    Py_XSETREF(self->task_done, PyObject_GetAttr(type, state->name_done));
    Py_XSETREF(self->loop_names, Py_BuildValue("(s)", "loop"));
    Py_XSETREF(self->eager_names, Py_BuildValue("(ss)", "loop", "eager_start"));
    if (self->task_done == NULL || self->loop_names == NULL || self->eager_names == NULL) {
        return -1;
    }
    /* asyncio's tasks in Python, which some tools put in the place of those in C, ask themselves whether they are done. */
    if (strcmp(self->task_type->tp_name, "_asyncio.Task") == 0 && take_handler_task(module, self) < 0) {
        return -1;
    }
    self->msg_names = Py_BuildValue("(s)", "msg");
    return self->msg_names != NULL ? 0 : -1;
}
