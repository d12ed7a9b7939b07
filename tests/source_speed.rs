//! How fast the readers of the large formats are, on files of full size that are made here.
//!
//! `cargo test --release --no-default-features --features internals --test source_speed -- --ignored --nocapture
//! --test-threads 1`

use base64::{Engine, engine::general_purpose::STANDARD};
use carl::NoProgress;
use carl::internals::tfrecord::mask;
use carl::internals::{BenchmarkTable, read};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

/// Cells of NAS-Bench-101.
const CELLS: u32 = 423_624;

#[test]
#[ignore = "writes half a gigabyte"]
fn nasbench101_at_full_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nasbench_only108.tfrecord");
    write_nasbench101(&path, &[108]);
    let benchmark = report("nasbench101", &path);
    assert_eq!((benchmark.rows.len(), benchmark.columns.len()), (CELLS as usize, 1 + 9));
    let row = &benchmark.rows[1];
    assert!((row.values[1] - accuracy(3) * 100.0).abs() < 1e-4, "{:?}", row.values);
}

#[test]
#[ignore = "needs the official file named in CARL_NATS"]
fn nats_folder() {
    let source = std::env::var_os("CARL_NATS").expect("CARL_NATS=NATS-tss-v1_0-3ffb9-simple/000011.pickle.pbz2");
    let folder = tempfile::tempdir().unwrap();
    for index in 0..1000 {
        fs::copy(&source, folder.path().join(format!("{index:06}.pickle.pbz2"))).unwrap();
    }
    report("nasbench201", folder.path());
}

/// Any real file: `CARL_FILE=nasbench201:/data/NAS-Bench-201-v1_1-096897.pth`.
#[test]
#[ignore = "needs a file named in CARL_FILE"]
fn named_file() {
    let named = std::env::var("CARL_FILE").expect("CARL_FILE=<space>:<path>");
    let (space, path) = named.split_once(':').expect("CARL_FILE=<space>:<path>");
    report(space, Path::new(path));
}

fn report(space: &str, path: &Path) -> BenchmarkTable {
    let files = if path.is_dir() {
        fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect()
    } else {
        vec![path.to_path_buf()]
    };
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    let start = Instant::now();
    let benchmark = read(space, path, &NoProgress).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{space}: {} rows, {megabytes:.0} MB in {seconds:.2} s = {:.0} MB/s, {:.0} files/s; peak memory {}",
        benchmark.rows.len(),
        megabytes / seconds,
        files.len() as f64 / seconds,
        peak_memory(),
    );
    benchmark
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_string(), |size| size.trim().to_string())
}

/// A made-up accuracy for record `number`.
fn accuracy(number: u32) -> f64 {
    f64::from(f64::from(5000 + number % 4500) as f32 / 9984.0)
}

/// Writes a file of as many cells, and records as long, as the official one.
fn write_nasbench101(path: &Path, budgets: &[u32]) {
    let mut output = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    let mut number = 0;
    for cell in 0..CELLS {
        let hash = format!("{:032x}", u128::from(cell).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let edges = ["0100000", "0011000", "0001000", "0000100", "0000010", "0000001", "0000000"].concat();
        let names = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"];
        let inner: Vec<&str> = (0..5).map(|node| names[(cell / 3u32.pow(node) % 3) as usize]).collect();
        for &epochs in budgets {
            for _ in 0..3 {
                let metrics = python_base64(&model_metrics(epochs, number));
                let operations = inner.join(",");
                let row = format!(r#"["{hash}", {epochs}, "{edges}", "input,{operations},output", "{metrics}"]"#);
                let length = (row.len() as u64).to_le_bytes();
                output.write_all(&length).unwrap();
                output.write_all(&mask(crc32c::crc32c(&length)).to_le_bytes()).unwrap();
                output.write_all(row.as_bytes()).unwrap();
                output.write_all(&mask(crc32c::crc32c(row.as_bytes())).to_le_bytes()).unwrap();
                number += 1;
            }
        }
    }
    output.flush().unwrap();
}

fn model_metrics(epochs: u32, number: u32) -> Vec<u8> {
    let mut message = Vec::new();
    for share in [0.0, 0.5, 1.0] {
        let accuracy = accuracy(number) * share;
        let numbers = [f64::from(epochs) * share, 1000.0 * share, accuracy, accuracy, accuracy - 0.01];
        message.extend([0x0a, 45]);
        for (field, number) in numbers.into_iter().enumerate() {
            message.push(((field as u8 + 1) << 3) | 1);
            message.extend(number.to_le_bytes());
        }
    }
    message.extend([0x10, 0xc0, 0x84, 0x3d, 0x19]); // 1,000,000 parameters, total_time
    message.extend(1000f64.to_le_bytes());
    message
}

/// Base64 with a (JSON-escaped) line break every 76 characters.
fn python_base64(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(76).map(|at| &text[at..text.len().min(at + 76)]).collect();
    lines.join("\\n") + "\\n"
}
