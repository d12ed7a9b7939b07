use crate::split::{Split, SplitOptions};

#[test]
fn a_split_never_changes() {
    let rows: Vec<usize> = (0..15_625).collect();
    let split = Split::draw(&rows, 78, 10, 3).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (78, 10));
    assert_eq!(split.train[..3], [1493, 11_935, 14_523]);
    assert_eq!(split.hash(), "abef68d6e7ff9ea4");
}

#[test]
fn parts_do_not_overlap_and_every_row_can_be_drawn() {
    let rows: Vec<usize> = (0..20).map(|row| 3 * row).collect();
    let mut seen = std::collections::HashSet::new();
    for seed in 0..50 {
        let split = Split::draw(&rows, 5, 5, seed).unwrap();
        let both: std::collections::HashSet<_> = split.train.iter().chain(&split.validation).copied().collect();
        assert_eq!(both.len(), 10);
        seen.extend(both);
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn sizes_are_checked() {
    assert!(Split::draw(&[1, 2, 3], 1, 0, 0).is_err());
    assert!(Split::draw(&[1, 2, 3], 3, 1, 0).is_err());
}

#[test]
fn all_rows_or_the_usual_number() {
    let rows = |text: &str| serde_yaml::from_str::<SplitOptions>(text).unwrap().train_rows(300);
    assert_eq!(["{}", "{train: auto}", "{train: all}", "{train: 7}"].map(rows), [156, 156, 300, 7]);
    assert_eq!(rows("{train: all, validation: 10}"), 290);
    let few = |text: &str| serde_yaml::from_str::<SplitOptions>(text).unwrap().train_rows(60);
    assert_eq!(["{}", "{validation: 10}", "{train: 7}"].map(few), [60, 50, 7]);
    let refusal = serde_yaml::from_str::<SplitOptions>("{train: many}").unwrap_err().to_string();
    assert!(refusal.contains("`all` or a number of rows"), "{refusal}");
    assert_eq!(serde_json::to_string(&SplitOptions::default().train).unwrap(), "\"auto\"");
}
