#include "py/standby.h"

#include "py/tasks.h"

bool rsec_py_standby_is_free(const rsec_py_engine *self) {
    return self->state->asyncio.handler_task_type != NULL && !self->standby.is_busy;
}

/* The handler at rest, or a new one with its task. */
static rsec_py_handler *ready(rsec_py_engine *self) {
    rsec_py_standby *standby = &self->standby;
    if (standby->handler != NULL && rsec_py_handler_is_at_rest(standby->handler)) {
        return standby->handler;
    }
    Py_CLEAR(standby->handler);
    Py_CLEAR(standby->task);
    PyObject *handler = rsec_py_handler_new(self->state, self->loop);
    PyObject *task = handler != NULL ? rsec_py_handler_task_new(self->state, handler, self->loop) : NULL;
    if (task == NULL) {
        if (handler != NULL) {
            ((rsec_py_handler *)handler)->is_ended = true; /* in case that the loop has a task of it all the same */
            Py_DECREF(handler);
        }
        return NULL;
    }
    standby->handler = (rsec_py_handler *)handler;
    standby->task = task;
    return standby->handler;
}

/* The task is its coroutine's from here on. */
static rsec_py_outcome keep(rsec_py_engine *self, rsec_py_handler *handler, PyObject *task, PyObject **kept) {
    Py_CLEAR(self->standby.handler);
    Py_CLEAR(self->standby.task);
    if (rsec_py_handler_wake(handler) < 0) {
        rsec_py_handler_close(handler);
        return RSEC_PY_ENDED;
    }
    if (PyObject_GenericSetAttr(task, self->state->name__log_destroy_pending, Py_True) < 0) {
        PyErr_WriteUnraisable(task);
    }
    *kept = Py_NewRef(task);
    return RSEC_PY_KEPT;
}

rsec_py_outcome rsec_py_standby_run(rsec_py_engine *self, PyObject *coroutine, PyObject **task, PyObject **result) {
    rsec_py_state *state = self->state;
    PyObject *previous;
    rsec_py_handler *handler = ready(self);
    *task = *result = NULL;
    if (handler == NULL || rsec_py_task_enter(state, self->loop, self->standby.task, &previous) < 0) {
        rsec_py_coroutine_close_unstarted(state, coroutine);
        return RSEC_PY_ENDED;
    }
    /* The engine may be closed meanwhile. */
    PyObject *own = Py_NewRef(self->standby.task);
    Py_INCREF(handler);
    self->standby.is_busy = true;
    rsec_py_task_look look = rsec_py_handler_task_look(own);
    PySendResult how = rsec_py_handler_start(handler, coroutine, result);
    self->standby.is_busy = false;
    bool is_known = rsec_py_handler_task_is_known(own, &look);
    rsec_py_task_leave(state, self->loop, own, previous);

    bool is_fatal = how == PYGEN_ERROR && rsec_py_is_fatal();
    rsec_py_outcome outcome = RSEC_PY_ENDED;
    if (how != PYGEN_NEXT && (!is_known || is_fatal)) {
        rsec_py_handler_reset(handler);
    } else {
        if (how != PYGEN_NEXT) {
            rsec_py_handler_end_with(handler, *result);
            Py_CLEAR(*result);
        }
        outcome = keep(self, handler, own, task);
    }
    if (self->standby.is_ending || (is_known && is_fatal)) {
        rsec_py_standby_end(self);
    }
    Py_DECREF(handler);
    Py_DECREF(own);
    return outcome;
}

void rsec_py_standby_end(rsec_py_engine *self) {
    self->standby.is_ending = self->standby.is_busy;
    if (self->standby.is_busy) {
        return; /* rsec_py_standby_run() comes back to it */
    }
    rsec_py_handler *handler = self->standby.handler;
    PyObject *task = self->standby.task;
    self->standby.handler = NULL;
    self->standby.task = NULL;
    if (handler != NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        handler->is_ended = true;
        (void)rsec_py_handler_wake(handler); /* fails on a closed loop: then the garbage collector finds both */
        PyErr_Restore(type, value, traceback);
    }
    Py_XDECREF(handler);
    Py_XDECREF(task);
}
