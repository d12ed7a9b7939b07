//! Calls from Python: the interpreter is free while the work is done, Ctrl-C stops it, and errors and panics become exceptions.

use crate::device;
use crate::error::{Error, Result, Stage};
use crate::progress::Progress;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Time between two looks at Python's signals.
const PATIENCE: Duration = Duration::from_millis(50);

/// Ends the work that reports its progress here once Python has a signal to handle.
#[derive(Default)]
pub struct StopRequest(AtomicBool);

/// What a worker thread panics with in order to end.
struct Stopped;

impl Progress for StopRequest {
    fn start(&self, _: u64) {
        self.inc(0);
    }

    fn inc(&self, _: u64) {
        if self.0.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Stopped));
        }
    }
}

/// Runs `work` in a thread of its own.
///
/// # Errors
/// What `work` fails or panics with, or what a signal handler raises.
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce(&StopRequest) -> Result<T> + Send) -> PyResult<T> {
    let own = std::process::id();
    if *PROCESS.get_or_init(|| own) != own {
        let error = Error::new(Stage::Training, "this process was forked from one that had used carl_nas before");
        return Err(exception(py, &error.hint("threads do not survive that: start processes by `spawn`")));
    }
    let _threads = TorchThreads::keep();
    let request = &StopRequest::default();
    let mut signal = None;
    let outcome = std::thread::scope(|scope| {
        let (sender, mut receiver) = sync_channel(1);
        let worker = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| device::worker(|| work(request))));
            // The receiver waits for this.
            let _ = sender.send(outcome);
        };
        scope.spawn(worker);
        loop {
            let received;
            (received, receiver) = py.detach(move || (receiver.recv_timeout(PATIENCE), receiver));
            match received {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Disconnected) => return Ok(Err(fault("its thread ended"))),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(raised) = py.check_signals() {
                request.0.store(true, Ordering::Relaxed);
                signal = Some(raised);
            }
        }
    });
    match (signal, outcome) {
        (Some(raised), _) => Err(raised),
        (None, Ok(outcome)) => outcome.map_err(|error| exception(py, &error)),
        (None, Err(panic)) => Err(exception(py, &panic_error(panic.as_ref()))),
    }
}

/// The process that made the worker threads.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// The number of LibTorch's threads, which belongs to the program that calls and is put back once no call is under way.
struct TorchThreads;

/// Calls under way, and the number before the first of them.
static CALLS: Mutex<(usize, i32)> = Mutex::new((0, 0));

impl TorchThreads {
    fn keep() -> Self {
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.0 == 0 {
            calls.1 = tch::get_num_threads();
        }
        calls.0 += 1;
        TorchThreads
    }
}

impl Drop for TorchThreads {
    fn drop(&mut self) {
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        calls.0 -= 1;
        if calls.0 == 0 {
            tch::set_num_threads(calls.1);
        }
    }
}

/// A fault of this package as an error.
pub fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    fault(text.and_then(|text| text.lines().next()).unwrap_or("unknown"))
}

fn fault(text: &str) -> Error {
    Error::new(Stage::Training, format!("internal fault: {text}")).hint("report what you did")
}

/// The exception of the package that `error` is.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error.stage() {
        Stage::Interrupted => return PyKeyboardInterrupt::new_err(error.to_string()),
        Stage::Io | Stage::Device | Stage::Training => "CarlError",
        _ => "InputError",
    };
    raise(py, class, error)
}

/// The same as an exception of another class of `carl_nas`.
pub fn raise(py: Python<'_>, class: &str, error: &Error) -> PyErr {
    let made = py
        .import("carl_nas._errors")
        .and_then(|module| module.getattr(class)?.call1((error.to_string(), error.code(), error.advice())));
    made.map_or_else(|failed| failed, PyErr::from_value)
}
