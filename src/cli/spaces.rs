//! `carl spaces`: what can be searched.

use super::{Common, print, print_json, text_table};
use crate::error::Result;
use crate::graph::Vocabulary;
use crate::space;
use clap::Args;
use serde_json::json;

/// List search spaces, vocabularies and sizes
#[derive(Args)]
#[command(after_help = "Examples:
  carl spaces
  carl spaces --json")]
pub struct Spaces;

impl Spaces {
    pub fn run(&self, common: &Common) -> Result<()> {
        let spaces = space::names().into_iter().map(|name| {
            let vocabulary = (name == space::USER_SPACE).then(Vocabulary::default);
            space::open(name, vocabulary)
        });
        let spaces = spaces.collect::<Result<Vec<_>>>()?;
        if common.json {
            let list: Vec<_> = (spaces.iter())
                .map(|space| {
                    let operations = space.vocabulary().operations().iter();
                    let operations: Vec<_> = operations
                        .map(|operation| json!({"name": operation.name, "role": format!("{:?}", operation.role).to_lowercase()}))
                        .collect();
                    json!({"name": space.name(), "size": space.size(), "operations": operations})
                })
                .collect();
            return print_json(&json!({ "spaces": list }));
        }
        let rows: Vec<Vec<String>> = (spaces.iter())
            .map(|space| {
                let names: Vec<&str> =
                    space.vocabulary().operations().iter().map(|operation| operation.name.as_str()).collect();
                let names = if space.name() == space::USER_SPACE { "your own".to_string() } else { names.join(" ") };
                vec![
                    space.name().to_string(),
                    space.size().map_or("unbounded".to_string(), |size| size.to_string()),
                    names,
                ]
            })
            .collect();
        print(&text_table(&["space", "architectures", "operations"], &rows))
    }
}
