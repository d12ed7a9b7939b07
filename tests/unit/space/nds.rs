//! The families of NDS: published genotypes, loose ends, vocabularies.

use super::space;
use crate::graph::Role;
use crate::random::Random;
use crate::space::{Space, nds};

/// AmoebaNet of the official genotypes.
const AMOEBA: &str = "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2), \
    ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), ('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], \
    normal_concat=[4, 5, 6], reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2), \
    ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], \
    reduce_concat=[3, 4, 6])";

#[test]
fn published_genotypes_are_read_and_printed() {
    let space = nds::amoeba();
    let cells = space.parse(AMOEBA).unwrap();
    assert_eq!(space.genotype(&cells), AMOEBA);
    assert_eq!(space.parse(&space.print(&cells)).unwrap(), cells);
    // The nodes 4, 5 and 6 of one cell and 3, 4 and 6 of the other have a part of the output.
    let (graph, part) = (space.graph(&cells), space.vocabulary().id("part").unwrap());
    assert_eq!(graph.operations.iter().filter(|&&id| id == part).count(), 6);
    let message = space.parse(&AMOEBA.replace("[4, 5, 6]", "[2, 3, 4, 5, 6]")).unwrap_err().to_string();
    assert!(message.contains("[4, 5, 6]"), "{message}");
    // A list of any length is no message of any length.
    let many = [2u16; 100_000];
    let empty: Vec<(&str, &str)> = vec![("skip_connect", "0"); 10];
    let message = space.of_cells([&empty, &empty], [&many, &many]).unwrap_err().to_string();
    assert!(message.len() < 300, "{} characters", message.len());
}

#[test]
fn every_family_has_its_operations() {
    let mut random = Random::new(0, 0);
    for (name, operations) in [("nds-nasnet", 13), ("nds-amoeba", 8), ("nds-pnas", 8), ("nds-enas", 5)] {
        let space = space(name);
        let vocabulary = space.vocabulary();
        assert_eq!((vocabulary.role(2), vocabulary.role(3)), (Role::Absent, Role::Identity));
        let mut seen: Vec<u16> = Vec::new();
        let mut cells = space.sample(&mut random).unwrap();
        for _ in 0..300 {
            let other = space.mutate(&cells, &mut random).unwrap();
            assert_ne!(other, cells);
            assert_eq!(space.parse(&space.print(&other)).unwrap(), other, "{name}");
            assert_eq!(space.graph(&other).origin.iter().flatten().count(), 20, "{name}");
            seen.extend(&other.operations);
            cells = other;
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), operations, "{name}");
        assert_eq!((space.size(), space.decode(0)), (None, None), "{name}");
    }
}
