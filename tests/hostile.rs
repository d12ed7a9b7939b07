//! Files that were damaged, cut or made to do harm: the readers refuse them or read them, without a panic, a hang or more
//! than 64 MiB of memory. The samples are those of tests/fixtures.

#[path = "hostile/fuzz_targets.rs"]
mod fuzz_targets;

use carl::Random;
use carl::internals::USER_SPACE;
use carl::internals::pickle::{self, Limits};
use carl::internals::tfrecord::mask;
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Counts what is held, and the most that ever was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time: the counters are those of the process.
static TURN: Mutex<()> = Mutex::new(());

const MOST_MEMORY: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(10);

/// Runs `body` and checks what it took.
fn guarded(body: impl FnOnce()) {
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = Instant::now();
    body();
    let (memory, time) = (PEAK.load(Relaxed).saturating_sub(before), start.elapsed());
    drop(turn);
    assert!(memory < MOST_MEMORY, "{} MiB were held", memory >> 20);
    assert!(time < MOST_TIME, "it took {time:?}");
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/official")).join(name)
}

/// Pickles: one made by hand, two of NATS-Bench and one of NAS-Bench-Graph.
fn pickles() -> Vec<Vec<u8>> {
    let mut samples = vec![
        b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01ccollections\nOrderedDict\nq\x02)Rq\x03X\x01\x00\x00\x00bq\x04](K\x01G?\xf0\0\0\0\0\0\0eu.".to_vec(),
    ];
    for kind in ["tss-v1_0-3ffb9", "sss-v1_0-50262"] {
        let file = std::fs::File::open(fixture(&format!("NATS-{kind}-simple/000011.pickle.pbz2"))).unwrap();
        let mut bytes = Vec::new();
        bzip2::read::BzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        samples.push(bytes);
    }
    let wheel = std::fs::File::open(fixture("nas_bench_graph-1.4.0-py3-none-any.whl")).unwrap();
    let mut bytes = Vec::new();
    let mut zip = zip::ZipArchive::new(wheel).unwrap();
    zip.by_name("nas_bench_graph/light/proteins.bench").unwrap().read_to_end(&mut bytes).unwrap();
    samples.push(bytes);
    samples
}

/// Overwrites bytes and cuts; the positions are fractions of the length.
fn damage(bytes: &[u8], edits: &[(f64, u8)], cut: Option<f64>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(position, value) in edits {
        let position = (position * bytes.len() as f64) as usize;
        if let Some(byte) = bytes.get_mut(position) {
            *byte = value;
        }
    }
    if let Some(cut) = cut {
        bytes.truncate((cut * bytes.len() as f64) as usize);
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(f64, u8)>> {
    prop::collection::vec((0.0..1.0, any::<u8>()), 0..12)
}

fn cut() -> impl Strategy<Value = Option<f64>> {
    prop::option::weighted(0.3, 0.0..1.0)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u64).to_le_bytes().to_vec();
    bytes.extend(mask(crc32c::crc32c(&bytes)).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(mask(crc32c::crc32c(payload)).to_le_bytes());
    bytes
}

fn zipped(name: &str, bytes: &[u8], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

fn bzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Texts of every space: its number, then an architecture drawn at random.
fn architectures() -> Vec<Vec<u8>> {
    let mut random = Random::new(0, 0);
    let mut texts = Vec::new();
    for (number, space) in fuzz_targets::spaces().iter().enumerate() {
        let drawn = (0..4).filter_map(|_| space.sample(&mut random).ok()).map(|cell| space.print(&cell));
        let text = match space.name() {
            USER_SPACE => vec!["input conv3x3 skip output;0>1 0>2 1>3 2>3".to_string()],
            _ => drawn.collect(),
        };
        texts.extend(text.into_iter().map(|text| [&[number as u8], text.as_bytes()].concat()));
    }
    texts
}

/// Tables in both text formats; the first byte chooses format and space.
fn tables() -> Vec<Vec<u8>> {
    let mut tables = Vec::new();
    for text in architectures() {
        let (number, text) = (text[0], String::from_utf8(text[1..].to_vec()).unwrap());
        let quoted = text.replace('"', "\"\"");
        tables.push(
            [&[2 * number], format!("arch,val,test\n\"{quoted}\",90.5,91\n\"{quoted}\",,1e3\n").as_bytes()].concat(),
        );
        let line = serde_json::json!({"arch": text, "val": 90.5, "test": null}).to_string();
        tables.push([&[2 * number + 1], format!("{line}\n{line}\n").as_bytes()].concat());
    }
    tables
}

const JSON: [&str; 3] = [
    r#"{"00000000": {"test_acc": [1, 2, 3], "mean_acc": 2, "std": 0.8, "params": 1, "flops": 2}}"#,
    r#"{"recepie_id": 1, "recepie": "{\"f\": {}}", "val_losses": [NaN, 1], "test_losses": [2, 3], "status": "OK"}"#,
    r#"{"optimized_hyperparamater_config": {"NetworkSelectorDatasetInfo:darts:layers": 8}, "info": [{}]}"#,
];

fn records() -> Vec<u8> {
    std::fs::read(fixture("nasbench.tfrecord")).unwrap()
}

/// Small files of PyTorch: the zip container and the older one, pickles one behind another.
fn torch_files() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let pickle = &pickles()[0];
        let head = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
        vec![
            zipped("bench/data.pkl", pickle, zip::CompressionMethod::Stored),
            zipped("bench/data.pkl", pickle, zip::CompressionMethod::Deflated),
            [head.as_slice(), pickle, b"\x80\x02]."].concat(),
        ]
    })
}

/// Networks in ONNX files.
fn networks() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx"));
        let read = |name| std::fs::read(folder.join(name)).unwrap();
        ["cell.onnx", "mobile.onnx", "residual.onnx", "text.onnx"].map(read).to_vec()
    })
}

/// Writes the fuzz targets' first inputs, see scripts/fuzz.sh.
#[test]
#[ignore = "writes tests/fuzz/corpus"]
fn corpus() {
    let zips = pickles().iter().map(|bytes| zipped("bench/data.pkl", bytes, zip::CompressionMethod::Stored)).collect();
    let json: Vec<Vec<u8>> = JSON.iter().map(|text| text.as_bytes().to_vec()).collect();
    let small = |inputs: Vec<Vec<u8>>| inputs.into_iter().filter(|input| input.len() < 1 << 16).collect();
    let targets: [(&str, Vec<Vec<u8>>); 8] = [
        ("pickle", pickles()),
        ("tfrecord", vec![records()]),
        ("architecture", architectures()),
        ("table", tables()),
        ("json", json),
        ("onnx", networks().to_vec()),
        ("torch_file", zips),
        ("file", [small(pickles()), vec![records()]].concat()),
    ];
    for (target, inputs) in targets {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus")).join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, input) in inputs.iter().enumerate() {
            std::fs::write(folder.join(format!("start-{number}")), input).unwrap();
        }
    }
}

/// Number of inputs a test; more by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(64, |text| text.parse().expect("PROPTEST_CASES is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_pickles(which in any::<prop::sample::Index>(), edits in edits(), cut in cut()) {
        let samples = pickles();
        let bytes = damage(&samples[which.index(samples.len())], &edits, cut);
        guarded(|| fuzz_targets::pickle(&bytes));
    }

    #[test]
    fn damaged_pickles_as_files(which in any::<prop::sample::Index>(), edits in edits(), container in 0..5) {
        let samples = pickles();
        let bytes = damage(&samples[which.index(samples.len())], &edits, None);
        guarded(|| match container {
            0 => fuzz_targets::named_file("000000", ".pickle.pbz2", &bzipped(&bytes)),
            1 => fuzz_targets::named_file("proteins", ".bench", &bytes),
            2 => fuzz_targets::named_file("data", ".anb", &bytes),
            3 => fuzz_targets::named_file("bench", ".pth", &zipped("bench/data.pkl", &bytes, zip::CompressionMethod::Stored)),
            _ => fuzz_targets::named_file("HW-NAS-Bench", ".pickle", &bytes),
        });
    }

    #[test]
    fn opcode_soup(bytes in prop::collection::vec(
        prop::sample::select(b"(.0125FGIJKLMNPQRSTUVX]abcdeghjlpqrstu})BC\n01AZ\x00\x01\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\xff".to_vec()),
        0..2000,
    )) {
        guarded(|| fuzz_targets::pickle(&bytes));
    }

    #[test]
    fn damaged_records(edits in edits(), cut in cut(), honest in any::<bool>()) {
        let bytes = records();
        let bytes = if honest {
            // Damage inside of a frame whose checksums are right.
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            frame(&damage(&bytes[12..12 + length], &edits, cut))
        } else {
            damage(&bytes, &edits, cut)
        };
        guarded(|| {
            fuzz_targets::tfrecord(&bytes);
            fuzz_targets::named_file("bench", ".tfrecord", &bytes);
        });
    }

    #[test]
    fn arbitrary_files(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        guarded(|| fuzz_targets::file(&bytes));
    }

    #[test]
    fn damaged_json(edits in edits(), cut in cut()) {
        for text in JSON {
            let bytes = damage(text.as_bytes(), &edits, cut);
            guarded(|| fuzz_targets::json(&bytes));
        }
    }

    #[test]
    fn damaged_torch_files(which in 0..3usize, edits in edits(), cut in cut()) {
        let bytes = damage(&torch_files()[which], &edits, cut);
        guarded(|| fuzz_targets::torch_file(&bytes));
    }

    #[test]
    fn damaged_networks(which in 0..4usize, edits in edits(), cut in cut()) {
        let bytes = damage(&networks()[which], &edits, cut);
        guarded(|| fuzz_targets::onnx(&bytes));
    }

    #[test]
    fn damaged_architectures(which in any::<prop::sample::Index>(), edits in edits(), cut in cut()) {
        let samples = architectures();
        let bytes = damage(&samples[which.index(samples.len())], &edits, cut);
        guarded(|| fuzz_targets::architecture(&bytes));
    }

    #[test]
    fn damaged_tables(which in any::<prop::sample::Index>(), edits in edits(), cut in cut()) {
        let samples = tables();
        let bytes = damage(&samples[which.index(samples.len())], &edits, cut);
        guarded(|| fuzz_targets::table(&bytes));
    }
}

#[test]
fn every_cut_of_a_pickle_is_refused() {
    for bytes in pickles() {
        let step = 1 + bytes.len() / 100;
        for end in (0..bytes.len()).step_by(step) {
            let read = pickle::read(&bytes[..end], Limits::default());
            assert!(read.is_err(), "{end} of {} bytes were taken for whole", bytes.len());
        }
    }
}

#[test]
fn claimed_lengths_reserve_no_memory() {
    // Every opcode with a length, which claims all that it can.
    for (opcode, width) in
        [(b'T', 4), (b'B', 4), (b'X', 4), (0x8b, 4), (0x8d, 8), (0x8e, 8), (0x96, 8), (b'r', 4), (b'j', 4)]
    {
        for byte in [0xff, 0x7f, 0x00, 0x01] {
            let mut bytes = vec![b']', opcode];
            bytes.extend(vec![byte; width]);
            bytes.extend(b"short.");
            guarded(|| fuzz_targets::pickle(&bytes));
        }
    }
    let mut record = u64::MAX.to_le_bytes().to_vec();
    record.extend(mask(crc32c::crc32c(&record)).to_le_bytes());
    guarded(|| fuzz_targets::tfrecord(&record));
}

#[test]
fn bombs() {
    let mut billion = b"]q\x00".to_vec();
    for level in 0..200u8 {
        billion.extend([b']', b'q', level + 1, b'(', b'h', level, b'h', level, b'e']);
    }
    billion.push(b'.');
    let repeat = |part: &[u8], times: usize| [part.repeat(times), b".".to_vec()].concat();
    let mut copies = b"](".to_vec();
    copies.extend(vec![b'N'; 50_000]);
    copies.extend(b"e\x85q\x00ccollections\nOrderedDict\nq\x01");
    copies.extend(b"h\x01h\x00R".repeat(50_000));
    let mut texts = b"X\x50\xc3\x00\x00".to_vec();
    texts.extend(vec![b'a'; 50_000]);
    texts.extend(b"\x85q\x00c_codecs\nencode\nq\x01");
    texts.extend(b"h\x01h\x00R".repeat(50_000));
    // A thousand fields, looked up by fifty thousand networks.
    let mut shared = b"}(".to_vec();
    for field in 0..1000 {
        shared.extend(format!("V{field}\nN").bytes());
    }
    shared.extend(b"uq\x000(K\x00K\x00K\x00K\x00K\x00K\x00tq\x01}(");
    shared.extend(b"h\x01h\x00".repeat(50_000));
    shared.extend(b"u.");
    let bombs = [
        billion,
        copies,
        texts,
        shared,
        repeat(b"(", 400_000),
        repeat(b"]", 400_000),
        repeat(b"]0", 200_000),
        repeat(b"N", 400_000),
        repeat(b"2", 400_000),
        repeat(b"](", 200_000),
        [b"]".to_vec(), repeat(b"\x94", 400_000)].concat(),
        [vec![b']'; 200_000], vec![b'a'; 199_999], b".".to_vec()].concat(),
        // A list that holds itself.
        b"]q\x00h\x00a.".to_vec(),
        b"}q\x00X\x0b\x00\x00\x00all_resultsh\x00s.".to_vec(),
    ];
    for bomb in &bombs {
        guarded(|| fuzz_targets::pickle(bomb));
        guarded(|| fuzz_targets::named_file("data", ".anb", bomb));
        guarded(|| fuzz_targets::named_file("cora", ".bench", bomb));
    }
}

/// Many operators, many names, long lists: what a file may hold in memory is bounded.
#[test]
fn large_networks() {
    let field = |number: u8, bytes: &[u8]| {
        let mut all = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length > 127 {
            all.push(length as u8 | 128);
            length >>= 7;
        }
        all.push(length as u8);
        all.extend(bytes);
        all
    };
    let name = |number: u8, index: usize| field(number, format!("{index:>0200}").as_bytes());
    let node = |kind: &str, inputs: &[usize], output: usize, attribute: &[u8]| {
        let inputs = inputs.iter().flat_map(|&input| name(1, input)).collect::<Vec<u8>>();
        field(1, &[inputs, name(2, output), field(4, kind.as_bytes()), attribute.to_vec()].concat())
    };
    let axes = field(5, &[field(1, b"axes"), [8 << 3, 0].repeat(60)].concat());
    for (kind, attribute) in [("Relu", &[][..]), ("Unsqueeze", &axes[..]), ("Concat", &[][..]), ("Add", &[][..])] {
        let inputs = |index: usize| if kind == "Relu" { vec![index] } else { vec![index; 3] };
        let nodes = (0..70_000).flat_map(|index| node(kind, &inputs(index), index + 1, attribute));
        let graph: Vec<u8> = field(11, &name(1, 0)).into_iter().chain(nodes).collect();
        let file = field(7, &graph);
        drop(graph);
        guarded(|| fuzz_targets::onnx(&file));
    }
}

/// Small files that unfold into large ones.
#[test]
fn compressed_bombs() {
    for part in [&b"]"[..], b"]0", b"N0", b"\x8c\x00\x940", b"("] {
        let large = part.repeat((32 << 20) / part.len());
        let pressed = bzipped(&large);
        let zip = zipped("analognasbench/data.anb", &large, zip::CompressionMethod::Deflated);
        let torch = zipped("bench/data.pkl", &large, zip::CompressionMethod::Deflated);
        drop(large);
        guarded(|| fuzz_targets::named_file("000000", ".pickle.pbz2", &pressed));
        guarded(|| fuzz_targets::named_file("wheel", ".whl", &zip));
        guarded(|| fuzz_targets::named_file("bench", ".pth", &torch));
    }
}

#[test]
fn foreign_globals_are_named_and_refused() {
    let globals = [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "scalar.__reduce__"),
        ("torch", "load"),
        ("torch", "hub.Storage"),
        ("torch.storage", "_load_from_bytes"),
        ("collections", "OrderedDict.update"),
        ("analognasbench.data", "os"),
    ];
    for (module, name) in globals {
        let line = format!("c{module}\n{name}\n(VX\ntR.").into_bytes();
        let mut stack = b"\x80\x04".to_vec();
        for text in [module, name] {
            stack.extend([0x8c, text.len() as u8]);
            stack.extend(text.bytes());
        }
        stack.extend(b"\x93)R.");
        for bytes in [line, stack] {
            let error = pickle::read(&bytes[..], Limits::default()).unwrap_err();
            assert!(error.message().contains(&format!("`{module}.{name}` is refused")), "{error}");
            assert!(error.position().is_some());
        }
    }
    // Opcodes that make objects in other ways, or reach outside.
    for bytes in [
        &b"(ios\nsystem\n."[..],
        b"(cos\nsystem\no.",
        b"\x82\x01.",
        b"\x83\x01\x01.",
        b"\x84\x01\x01\x01\x01.",
        b"\x97.",
    ] {
        assert!(pickle::read(bytes, Limits::default()).is_err());
    }
}
