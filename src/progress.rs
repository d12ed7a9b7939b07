//! Progress of a long piece of work, reported by the library and shown by whoever calls it.

/// Receives the progress of a piece of work; called from worker threads.
pub trait Progress: Sync {
    /// Work begins: `total` units (bytes, files, epochs, graphs) are ahead.
    fn start(&self, total: u64);
    /// `done` further units are done.
    fn inc(&self, done: u64);
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _: u64) {}
    fn inc(&self, _: u64) {}
}
