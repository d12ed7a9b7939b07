use crate::train::trainer::balanced;

#[test]
fn groups_differ_by_one_member_at_most() {
    for (members, sizes) in [(1, vec![1]), (4, vec![2, 2]), (5, vec![3, 2]), (10, vec![3, 3, 2, 2])] {
        let groups = balanced(members, 3);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        assert_eq!(groups.concat(), (0..members).collect::<Vec<_>>());
    }
}
