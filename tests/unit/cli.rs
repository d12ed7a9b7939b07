//! What the program prints.

use crate::cli::bordered_table;

#[test]
fn tables_fit_80_columns() {
    let names: Vec<String> = (0..40).map(|index| format!("operation_{index}")).collect();
    let rows = [["a_space", "18446744073709551615"].map(str::to_string).to_vec(), vec!["b".into(), "3".into()]];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| [row, vec![names.join(" ")]].concat()).collect();
    let figures = ["156", "0.8735 ±0.0123", "0.8721 ±0.0125", "0.72 ±0.08", "0.43 ±0.22", "123.4"].map(str::to_string);
    let header = ["train", "Kendall tau", "unseen", "prec.@10", "regret@10", "seconds"];
    let tables = [
        bordered_table(&["space", "architectures", "operations"], &rows),
        bordered_table(&header, &[figures.to_vec()]),
    ];
    for table in &tables {
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
    // Figures are not broken over lines.
    assert_eq!(tables[1].lines().count(), 5, "{}", tables[1]);
    assert!(names.iter().all(|name| tables[0].contains(name)));
}
