//! The reader of pickles against hand-made ones.

use crate::error::{Position, Result};
use crate::source::pickle::{Limits, Pickle, Retention, Summarize, Value, read, summarize};

fn load(bytes: &[u8]) -> Result<Pickle> {
    read(bytes, Limits::default())
}

#[test]
fn protocols_agree() {
    // pickle.dumps({'a': [1, -2, 2.5, None, True], 'é': (b'x', 1 << 40)}, p) for p in 0, 2, 4.
    let zero = b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naF2.5\naNaI01\nasV\\xe9\np3\n(c_codecs\nencode\np4\n(Vx\np5\nVlatin1\np6\ntp7\nRp8\nL1099511627776L\ntp9\ns.";
    let two = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00N\x88eX\x02\x00\x00\x00\xc3\xa9q\x03c_codecs\nencode\nq\x04X\x01\x00\x00\x00xq\x05X\x06\x00\x00\x00latin1q\x06\x86q\x07Rq\x08\x8a\x06\x00\x00\x00\x00\x00\x01\x86q\tu.";
    let four = b"\x80\x04\x95+\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00N\x88e\x8c\x02\xc3\xa9\x94C\x01x\x94\x8a\x06\x00\x00\x00\x00\x00\x01\x86\x94u.";
    for bytes in [&zero[..], two, four] {
        let pickle = load(bytes).unwrap();
        let list: Vec<_> = pickle.root().get("a").unwrap().items().unwrap().collect();
        assert_eq!(list[0].integer(), Some(1));
        assert_eq!(list[1].number(), Some(-2.0));
        assert_eq!(list[2].number(), Some(2.5));
        assert_eq!(list[3].kind(), "None");
        assert_eq!(list[4].kind(), "a truth value");
        let tuple: Vec<_> = pickle.root().field("é").unwrap().items().unwrap().collect();
        assert_eq!((tuple[0].bytes(), tuple[1].integer()), (Some(&b"x"[..]), Some(1 << 40)));
    }
}

#[test]
fn foreign_globals_are_refused_by_name() {
    let error = load(b"cos\nsystem\n(S'true'\ntR.").unwrap_err();
    assert!(error.to_string().contains("`os.system` is refused"), "{error}");
    assert_eq!(error.position(), Some(Position::Byte(0)));
    let error = load(b"\x80\x04\x8c\x08builtins\x94\x8c\x04eval\x94\x93.").unwrap_err();
    assert!(error.message().contains("`builtins.eval`"));
}

#[test]
fn lengths_do_not_reserve() {
    for bytes in
        [&b"X\xff\xff\xff\x03a"[..], b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", b"\x8b\xff\xff\xff\x7f", b"B\0\0\0\x04"]
    {
        assert!(load(bytes).is_err());
    }
}

#[test]
fn bombs_stay_small() {
    // Each list holds the one before twice: 2^100 leaves as a tree.
    let mut bomb = b"]q\0".to_vec();
    for _ in 0..100 {
        bomb.extend(b"]q\0(h\0h\0e");
    }
    bomb[0] = b']';
    bomb.push(b'.');
    assert!(load(&bomb).is_ok());
    let mut deep = vec![b']'; 1 << 17];
    deep.extend(vec![b'a'; (1 << 17) - 1]);
    deep.push(b'.');
    assert!(load(&deep).is_ok());
    // One list, copied into ten thousand sets.
    let mut copies = b"](".to_vec();
    copies.extend(vec![b'N'; 10_000]);
    copies.extend(b"e\x85q\x00cbuiltins\nset\nq\x01");
    copies.extend(b"h\x01h\x00R".repeat(10_000));
    copies.push(b'.');
    assert!(load(&copies).unwrap_err().message().contains("copies"));
    assert!(load(b"Nr\xff\xff\xff\xff.").unwrap_err().message().contains("memo"));
    let limits = Limits { values: 10, ..Limits::default() };
    assert!(read(&vec![b']'; 100][..], limits).unwrap_err().message().contains("more than 10 values"));
}

#[test]
fn values_are_replaced_by_summaries() {
    struct Sum;
    impl Summarize for Sum {
        fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Retention> {
            match (key, value.numbers()) {
                ("curve", Some(numbers)) => Ok(Retention::Replace(numbers.iter().sum::<f64>() as i64)),
                _ => Ok(Retention::Keep),
            }
        }
    }
    let bytes = b"}(\x8c\x05curve](K\x01K\x02e\x8c\x04restK\x05u.";
    let pickle = summarize(&bytes[..], Limits::default(), &mut Sum).unwrap();
    assert_eq!(pickle.root().get("curve").unwrap().integer(), Some(3));
    assert_eq!(pickle.root().get("rest").unwrap().integer(), Some(5));
}
