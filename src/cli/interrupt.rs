//! What Ctrl-C does: it ends the program with a message, unless work is under way that stops by itself.

use super::talk;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Exit code after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// What the next Ctrl-C does.
static ACTION: Mutex<fn()> = Mutex::new(end);

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C end the program, until it is told otherwise.
pub fn watch() {
    // Where no handler can be installed, the system's behaviour stays: the program ends.
    let _ = ctrlc::set_handler(|| {
        let act = *ACTION.lock().unwrap_or_else(PoisonError::into_inner);
        act();
    });
}

/// From now on Ctrl-C does `act`.
pub fn on_interrupt(act: fn()) {
    *ACTION.lock().unwrap_or_else(PoisonError::into_inner) = act;
}

/// From now on the first Ctrl-C is a request to stop soon; the second one ends the program.
pub fn stop_on_interrupt() -> &'static AtomicBool {
    on_interrupt(|| match STOP.swap(true, Ordering::SeqCst) {
        true => end(),
        false => talk("stopping; press Ctrl-C again to stop at once"),
    });
    &STOP
}

/// From now on the first Ctrl-C ends the program: all that has been done is saved.
pub fn end_on_interrupt() {
    on_interrupt(end);
}

fn end() {
    talk("error: interrupted");
    // Not `std::process::exit`: the destructors of LibTorch would run under its threads, which are still at work.
    // SAFETY: it takes no pointer and does not return.
    unsafe { libc::_exit(INTERRUPTED.into()) }
}
