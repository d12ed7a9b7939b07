//! `carl doctor`: what was found, loaded, and why not.

use super::{Common, counted, data_folders, print, print_json};
use crate::device;
use crate::error::{Error, Result, Stage};
use crate::train::gradient_check::gradient_error;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Version of LibTorch that the bindings are made for.
const LIBTORCH: &str = "2.11.0";

/// Say what was found of LibTorch, CUDA and data
#[derive(Args)]
#[command(after_help = "Examples:
  carl doctor
  CARL_DATA=~/tables:data carl doctor --json")]
pub struct Doctor;

impl Doctor {
    pub fn run(&self, common: &Common) -> Result<()> {
        let (folder, version) = (device::libtorch_folder(), libtorch());
        let cuda = device::probe();
        let reason = cuda.library.clone().err();
        let device = device::select(&common.device);
        if let Err(error) = &device
            && error.stage() == Stage::Usage
        {
            return device.map(drop);
        }
        // What is wrong with a device is a finding, not the end.
        let name = device.as_ref().map_or(common.device.clone(), |&device| device::name(device));
        let text = |error: Error| error.message().to_string();
        let (products, gradients) = match device.map_err(text) {
            Ok(device) => (device::product_errors(device).map_err(text), gradient_error(device).map_err(text)),
            Err(reason) => (Err(reason.clone()), Err(reason)),
        };
        let data = tables();
        if common.json {
            return print_json(&json!({
                "carl": env!("CARGO_PKG_VERSION"),
                "libtorch": {"version": version, "wanted": LIBTORCH, "folder": folder},
                "cuda": {"driver": cuda.driver, "loaded": cuda.library.is_ok(), "reason": reason, "devices": cuda.devices},
                "products": {
                    "device": name,
                    "error": products.as_ref().ok().map(|errors| errors.0),
                    "tf32_error": products.as_ref().ok().map(|errors| errors.1),
                    "reason": products.as_ref().err(),
                },
                "gradients": {
                    "device": name,
                    "error": gradients.as_ref().ok(),
                    "reason": gradients.as_ref().err(),
                },
                "threads": rayon::current_num_threads(),
                "data": data,
            }));
        }
        let folder = folder.map_or("not found in the memory map".to_string(), |folder| folder.display().to_string());
        let driver = if cuda.driver { "found" } else { "none" };
        let library = reason.unwrap_or_else(|| "loaded".to_string());
        let products = match &products {
            Ok((error, short)) => {
                format!("relative error {error:.1e} on {name} ({short:.1e} with factors of ten bits, TF32)")
            }
            Err(reason) => format!("none: {reason}"),
        };
        let gradients = match &gradients {
            Ok(error) => format!("relative error {error:.1e} on {name}, autograd beside the engine of the CPU"),
            Err(reason) => format!("none: {reason}"),
        };
        let list = |paths: &[PathBuf]| match paths {
            [] => "none in data/ or the folders of CARL_DATA; scripts/setup.sh fetches some".to_string(),
            paths => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("\n           "),
        };
        print(&format!(
            "carl       {}\n\
             LibTorch   {version} (made for {LIBTORCH}), {folder}\n\
             CUDA       driver {driver}, LibTorch's part {library}, {}\n\
             products   {products}\n\
             gradients  {gradients}\n\
             threads    {}\n\
             data       {}",
            env!("CARGO_PKG_VERSION"),
            counted(cuda.devices as usize, "device"),
            rayon::current_num_threads(),
            list(&data),
        ))
    }
}

/// The version of LibTorch that is loaded.
pub(super) fn libtorch() -> String {
    device::libtorch_folder().as_deref().and_then(libtorch_version).unwrap_or_else(|| "unknown".to_string())
}

/// The version of the torch package that the library lies in.
fn libtorch_version(lib: &Path) -> Option<String> {
    let package = lib.parent()?;
    if let Ok(version) = std::fs::read_to_string(package.join("build-version")) {
        return Some(version.trim().to_string());
    }
    let text = std::fs::read_to_string(package.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split('\'').nth(1).map(str::to_string)
}

/// Tables and wheels in the folders that are searched for data.
fn tables() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = data_folders()
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| {
            let name = path.to_string_lossy();
            [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".whl"].iter().any(|ending| name.ends_with(ending))
        })
        .collect();
    found.sort();
    found
}
