//! Built-in spaces with names of one's own.

use super::space;
use crate::graph::Vocabulary;
use crate::random::Random;
use std::collections::BTreeMap;

fn vocabulary(names: &[(&str, &str)]) -> Vocabulary {
    let names: BTreeMap<String, String> = names.iter().map(|(own, name)| (own.to_string(), name.to_string())).collect();
    Vocabulary::default().with_names(names)
}

#[test]
fn own_names_are_read_printed_and_shown() {
    let names = [("skip", "skip_connect"), ("conv3", "nor_conv_3x3"), ("zero", "none")];
    let (own, built_in) = (space::open("nasbench201", Some(vocabulary(&names))).unwrap(), space("nasbench201"));
    let text = "|conv3~0|+|zero~0|skip~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip~2|";
    let canonical = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|";
    let cell = own.parse(text).unwrap();
    assert_eq!((own.print(&cell), built_in.print(&cell)), (text.to_string(), canonical.to_string()));
    assert_eq!(own.parse(canonical).unwrap(), cell);
    assert_eq!(own.vocabulary().names(&cell.operations)[..3], ["conv3", "zero", "skip"]);
    assert_eq!(own.graph(&cell), built_in.graph(&cell));
    let mutant = own.mutate(&cell, &mut Random::new(0, 0)).unwrap();
    assert_eq!(own.parse(&own.print(&mutant)).unwrap(), mutant);
}

#[test]
fn names_of_nothing_are_refused() {
    let refusal =
        |names: &[(&str, &str)]| space::open("nasbench201", Some(vocabulary(names))).err().unwrap().to_string();
    assert!(refusal(&[("skip", "skip_conect")]).contains("did you mean `skip_connect`"));
    assert!(refusal(&[("sk ip", "skip_connect")]).contains("cannot name an operation"));
}
