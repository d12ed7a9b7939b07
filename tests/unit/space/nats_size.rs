//! The size space of NATS-Bench.

use super::space;

#[test]
fn text_is_read_and_printed_unchanged() {
    let space = space("nats-size");
    assert_eq!(space.print(&space.parse("8:16:24:64:8").unwrap()), "8:16:24:64:8");
    assert_eq!(space.enumerate().unwrap().count(), 32_768);
    for text in ["", "8:8:8:8", "8:8:8:8:8:8", "8:8:8:8:72", "8:8:8:8:0", "8:8:8:8:08", "8:8:8:8:+8"] {
        assert!(space.parse(text).is_err(), "{text}");
    }
}
