mod formats;
mod official;
mod onnx;
mod pickle;
mod table;
mod whole;
#[cfg(feature = "cli")]
mod writing;
