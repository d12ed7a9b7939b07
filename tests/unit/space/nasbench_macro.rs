//! NAS-Bench-Macro.

use super::{keys, space};

#[test]
fn codes_are_3969_networks() {
    let space = space("nasbench-macro");
    let codes: Vec<String> = space.enumerate().unwrap().map(|code| space.print(&code)).collect();
    assert_eq!((codes.len(), keys(&*space, &codes).len()), (6_561, 3_969));
}

#[test]
fn text_is_read_and_printed_unchanged() {
    let space = space("nasbench-macro");
    assert_eq!(space.print(&space.parse("01201201").unwrap()), "01201201");
    for text in ["", "0120120", "012012012", "01201203", "0120120é"] {
        assert!(space.parse(text).is_err(), "{text}");
    }
}
