//! Where tensors live. CUDA is loaded at run time, so that one binary serves machines with and without it.
//!
//! No symbol of libtorch_cuda.so is referenced, so the linker drops it; loading it registers its kernels with LibTorch.

use crate::error::{Error, Result, Stage};
use std::any::Any;
use std::path::PathBuf;
use tch::Device;

/// How the encoder and the extractor are computed in training and scoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Both passes are written out, without padding; on the CPU only.
    Cpu,
    /// LibTorch's autograd over padded batches; on any device.
    Autograd,
}

/// Where tensors live, and who works on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Device of the tensors.
    pub device: Device,
    /// Worker threads on the CPU.
    pub threads: usize,
    /// How the model is computed.
    pub engine: Engine,
}

impl Machine {
    /// With the engine that is fastest on `device`.
    pub fn new(device: Device, threads: usize) -> Self {
        let engine = if device == Device::Cpu { Engine::Cpu } else { Engine::Autograd };
        Machine { device, threads: threads.max(1), engine }
    }

    /// The same with a single worker thread, for callers that are one of several workers themselves.
    pub fn single_threaded(self) -> Self {
        Machine { threads: 1, ..self }
    }
}

/// Runs `work` in a thread that is one of several workers: LibTorch then uses this thread alone.
pub fn worker<T>(work: impl FnOnce() -> T) -> T {
    tch::set_num_threads(1);
    work()
}

/// Runs `work` in `count` worker threads, which it gets the number of, and waits for them.
///
/// # Errors
/// What the first of them panicked with.
pub fn run_workers(count: usize, work: impl Fn(usize) + Sync) -> std::thread::Result<()> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || worker(|| work(index)))).collect();
        threads.into_iter().map(|thread| thread.join()).fold(Ok(()), std::thread::Result::and)
    })
}

/// The text of a panic.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or_default()
}

/// Whether LibTorch panicked because a device has too little memory.
pub fn is_out_of_memory(panic: &(dyn Any + Send)) -> bool {
    panic_text(panic).contains("out of memory")
}

/// What a worker panicked with as an error where a device has too little memory; any other panic goes on.
pub fn memory_error(panic: Box<dyn Any + Send>) -> Error {
    if !is_out_of_memory(panic.as_ref()) {
        std::panic::resume_unwind(panic);
    }
    let text = panic_text(panic.as_ref());
    let reason = text.split_once("Torch(\"").map_or(text, |(_, reason)| reason);
    let first = reason.split("\\n").next().unwrap_or(reason).lines().next().unwrap_or_default();
    Error::new(Stage::Device, format!("the device has too little memory: {first}"))
        .hint("use fewer members (model.members), smaller batches (train.batch), or --device cpu")
}

/// What was found of CUDA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuda {
    /// The driver's library was found.
    pub driver: bool,
    /// LibTorch's CUDA part: loaded, or why not.
    pub library: Result<(), String>,
    /// Number of devices.
    pub devices: i64,
}

/// Loads a shared library for good.
fn load(name: &str) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the initialisers of these libraries are those that LibTorch programs run when linked to them.
    match unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Loads CUDA where there is a driver and says what was found.
pub fn probe() -> Cuda {
    let driver = load("libcuda.so.1").is_ok();
    if !driver {
        return Cuda { driver, library: Err("not tried: there is no NVIDIA driver".to_string()), devices: 0 };
    }
    let library = load("libtorch_cuda.so");
    let devices = if library.is_ok() { tch::Cuda::device_count() } else { 0 };
    Cuda { driver, library, devices }
}

/// The device called `auto`, `cpu`, `cuda` or `cuda:N`.
///
/// # Errors
/// An unknown name; CUDA asked for and not to be had.
pub fn select(name: &str) -> Result<Device> {
    let wanted = match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" => None,
        "cuda" => Some(0),
        _ => Some(name.strip_prefix("cuda:").and_then(|number| number.parse::<usize>().ok()).ok_or_else(|| {
            Error::new(Stage::Usage, format!("unknown device `{name}`")).hint("use auto, cpu, cuda or cuda:N")
        })?),
    };
    let cuda = probe();
    let Some(index) = wanted else {
        return Ok(if cuda.devices > 0 { Device::Cuda(0) } else { Device::Cpu });
    };
    if (index as i64) < cuda.devices {
        return Ok(Device::Cuda(index));
    }
    let fail =
        |message: &str, hint: &str| Err(Error::new(Stage::Device, format!("--device {name}: {message}")).hint(hint));
    match (cuda.driver, cuda.library, cuda.devices) {
        (false, ..) => fail("there is no NVIDIA driver (libcuda.so.1) on this machine", "use --device cpu"),
        (true, Err(reason), _) => fail(
            &format!("LibTorch's CUDA part cannot be loaded: {reason}"),
            "run scripts/setup.sh --full, or use --device cpu",
        ),
        (true, Ok(()), 0) => fail("CUDA is loaded but sees no device", "check nvidia-smi, or use --device cpu"),
        (true, Ok(()), count) => fail(&format!("there are only {count} devices"), "use a lower number"),
    }
}

/// The folder that LibTorch was loaded from, read from this process's memory map.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().filter_map(|line| line.split_once('/')).map(|(_, rest)| format!("/{rest}"));
    path.map(PathBuf::from).find(|path| path.ends_with("libtorch_cpu.so"))?.parent().map(Into::into)
}

/// `cpu` or `cuda:N`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_string(),
    }
}
