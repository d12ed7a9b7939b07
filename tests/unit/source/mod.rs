mod formats;
mod official;
mod pickle;
mod table;
mod whole;
#[cfg(feature = "cli")]
mod writing;
