//! The micro space of TransNAS-Bench-101.

use super::space;

#[test]
fn text_is_read_and_printed_unchanged() {
    let space = space("transnas101-micro");
    let cell = space.parse("64-41414-0_12_301").unwrap();
    assert_eq!(space.print(&cell), "64-41414-0_12_301");
    assert_eq!(cell.operations, [2, 3, 4, 5, 2, 3]);
}

#[test]
fn texts_that_are_not_cells_are_refused() {
    for text in ["", "64-41414-", "64-41414-0_12_304", "64-41414-01_2_301", "64-4111-basic", "64-41414-0_12_30é"] {
        assert!(space("transnas101-micro").parse(text).is_err(), "{text}");
    }
}
