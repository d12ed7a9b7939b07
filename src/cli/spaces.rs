//! `carl spaces`: what can be searched.

use super::{Common, print, print_json, text_table};
use crate::dataset::open_table;
use crate::error::Result;
use crate::graph::Operation;
use crate::space::{self, CHOICE_SPACE, Space, USER_SPACE};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// List search spaces, vocabularies and sizes
#[derive(Args)]
#[command(after_help = "Examples:
  carl spaces
  carl spaces networks.yaml
  carl spaces --json")]
pub struct Spaces {
    /// A configuration, whose space alone is shown
    config: Option<PathBuf>,
}

/// What is shown of a space.
struct ListedSpace {
    name: String,
    size: Option<u64>,
    /// None where users name their own.
    operations: Option<Vec<Operation>>,
}

impl Spaces {
    pub fn run(&self, common: &Common) -> Result<()> {
        let spaces = match &self.config {
            Some(path) => {
                let config = common.config(path, &[])?;
                let vocabulary = config.vocabulary()?;
                let collected = config.space == USER_SPACE && vocabulary.is_none();
                vec![ListedSpace::new(match collected {
                    true => open_table(&config.space, vocabulary, &config.data)?.0,
                    false => space::open(&config.space, vocabulary)?,
                })]
            }
            None => space::names().into_iter().map(ListedSpace::named).collect::<Result<_>>()?,
        };
        if common.json {
            let role = |operation: &Operation| format!("{:?}", operation.role).to_lowercase();
            let operation = |operation: &Operation| json!({"name": operation.name, "role": role(operation)});
            let list: Vec<_> = (spaces.iter())
                .map(|space| {
                    let operations: Vec<_> = space.operations.iter().flatten().map(operation).collect();
                    json!({"name": space.name, "size": space.size, "operations": operations})
                })
                .collect();
            return print_json(&json!({ "spaces": list }));
        }
        let row = |space: &ListedSpace| {
            let names = space.operations.as_ref().map(|operations| {
                operations.iter().map(|operation| operation.name.as_str()).collect::<Vec<_>>().join(" ")
            });
            let size = space.size.map_or("not counted".to_string(), |size| size.to_string());
            vec![space.name.clone(), size, names.unwrap_or("your own".to_string())]
        };
        print(&text_table(&["space", "architectures", "operations"], &spaces.iter().map(row).collect::<Vec<_>>()))
    }
}

impl ListedSpace {
    fn new(space: Box<dyn Space>) -> Self {
        let operations = Some(space.vocabulary().operations().to_vec());
        ListedSpace { name: space.name().to_string(), size: space.size(), operations }
    }

    /// The space called `name`, as far as it is known without a configuration.
    fn named(name: &str) -> Result<Self> {
        match name {
            USER_SPACE | CHOICE_SPACE => Ok(ListedSpace { name: name.to_string(), size: None, operations: None }),
            _ => space::open(name, None).map(ListedSpace::new),
        }
    }
}
