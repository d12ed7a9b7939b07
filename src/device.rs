//! Where tensors live. CUDA is loaded at run time, so that one binary serves machines with and without it.
//!
//! No symbol of libtorch_cuda.so is referenced, so the linker drops it; loading it registers its kernels with LibTorch.

use crate::error::{Error, Result, Stage};
use std::any::Any;
use std::path::PathBuf;
use tch::kind::Element;
use tch::{Device, Kind, Tensor};

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

/// The device of what must be the same on every machine.
pub const HOST: Device = Device::Cpu;

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

/// The first line of what LibTorch panicked with.
fn panic_line(panic: &(dyn Any + Send)) -> &str {
    let text = panic_text(panic);
    let reason = text.split_once("Torch(\"").map_or(text, |(_, reason)| reason);
    reason.split("\\n").next().unwrap_or(reason).lines().next().unwrap_or_default()
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
    let first = panic_line(panic.as_ref());
    Error::new(Stage::Device, format!("the device has too little memory: {first}"))
        .hint("use fewer members (model.members), smaller batches (train.batch), or --device cpu")
}

#[cfg(test)]
thread_local! {
    static READ_BACKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How often this thread has read a tensor back.
#[cfg(test)]
pub fn read_backs() -> u64 {
    READ_BACKS.get()
}

/// `tensor` in host memory. The host waits here until the device has computed it: whatever reads a tensor back passes this line.
pub fn to_host(tensor: &Tensor) -> Tensor {
    #[cfg(test)]
    READ_BACKS.set(READ_BACKS.get() + 1);
    tensor.detach().to_device(Device::Cpu)
}

/// The values of `tensor`, which holds numbers of this type, row by row.
pub fn read<T: Element>(tensor: &Tensor) -> Vec<T> {
    let host = to_host(tensor).contiguous();
    let mut values = vec![T::ZERO; host.numel()];
    host.copy_data(&mut values, host.numel());
    values
}

/// The largest error of a product of matrices of floats on `device`, relative to its largest value, and the error that it has where
/// factors are rounded to ten bits, as a GPU does in TF32.
///
/// # Errors
/// What LibTorch says where the device computes no product.
pub fn product_errors(device: Device) -> Result<(f64, f64)> {
    attempt("no product is computed", || errors_of_products(device))
}

/// What `work` gives; what LibTorch panics with becomes an error that starts with `failure`.
///
/// # Errors
/// LibTorch panics.
pub fn attempt<T>(failure: &str, work: impl FnOnce() -> T) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .map_err(|panic| Error::new(Stage::Device, format!("{failure}: {}", panic_line(panic.as_ref()))))
}

fn errors_of_products(device: Device) -> (f64, f64) {
    const ROWS: i64 = 512;
    let squares = Tensor::arange(ROWS * ROWS, (Kind::Double, device)).square();
    let matrix = |step: f64| (&squares * step).sin().view([ROWS, ROWS]).to_kind(Kind::Float);
    let (a, b) = (matrix(0.7), matrix(1.3));
    let product = |kind: Kind| a.to_kind(kind).to_kind(Kind::Double).matmul(&b.to_kind(kind).to_kind(Kind::Double));
    let exact = product(Kind::Float);
    let error = |product: Tensor| (product - &exact).abs().max() / exact.abs().max();
    let errors = [error(a.matmul(&b).to_kind(Kind::Double)), error(product(Kind::Half))];
    let errors: Vec<f64> = read(&Tensor::stack(&errors, 0));
    (errors[0], errors[1])
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

impl Cuda {
    /// Why a machine with a driver computes on the CPU; none where there is no driver, or a device to use.
    pub fn fallback(&self) -> Option<String> {
        match &self.library {
            _ if !self.driver || self.devices > 0 => None,
            Err(reason) => Some(format!("LibTorch's CUDA part cannot be loaded: {reason}")),
            Ok(()) => Some("CUDA is loaded but sees no device".to_string()),
        }
    }
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
    let (message, hint) = match (cuda.driver, cuda.fallback()) {
        (false, _) => ("there is no NVIDIA driver (libcuda.so.1) on this machine".to_string(), "use --device cpu"),
        (true, Some(reason)) => (reason, "run scripts/setup.sh --full and check nvidia-smi, or use --device cpu"),
        (true, None) => (format!("there are only {} devices", cuda.devices), "use a lower number"),
    };
    Err(Error::new(Stage::Device, format!("--device {name}: {message}")).hint(hint))
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
