//! carl
pub mod error;
pub mod graph;
pub mod random;
pub mod source;
pub mod space;
pub use error::{Error, Result};
