//! Progress bars on standard error; hidden where it is no terminal.

use crate::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar for one piece of work.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar with a word in front.
    pub fn new(word: &'static str) -> Self {
        let style = ProgressStyle::with_template("{msg:>10} {wide_bar:.cyan/dim} {percent:>3} % {eta:>4} left")
            .expect("the template is valid");
        Bar(ProgressBar::no_length().with_style(style).with_message(word))
    }

    /// Work whose length is not known.
    pub fn waiting(word: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("the template is valid");
        let bar = ProgressBar::no_length().with_style(style).with_message(word);
        bar.enable_steady_tick(Duration::from_millis(100));
        Bar(bar)
    }

    /// A count of rows whose number may not be known.
    pub fn counting(word: &'static str) -> Self {
        let style =
            ProgressStyle::with_template("{msg:>10} {human_pos} rows, {per_sec}").expect("the template is valid");
        Bar(ProgressBar::no_length().with_style(style).with_message(word))
    }
}

impl Progress for Bar {
    fn start(&self, total: u64) {
        self.0.set_position(0);
        self.0.set_length(total);
    }

    fn inc(&self, done: u64) {
        self.0.inc(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
