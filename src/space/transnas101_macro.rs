//! The macro space of TransNAS-Bench-101 (Duan et al., CVPR 2021): a chain of four to six modules of residual blocks. Text:
//! `64-1234-basic`, one digit per module: 1 keeps size and channels, 2 doubles the channels, 3 halves the resolution, 4 does both.
//! A network halves the resolution one to four times and doubles the channels one to three times.

use super::{Architecture, Space, not_a};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};
use crate::random::Random;

/// What stands before and after the digits.
const ENDS: [&str; 2] = ["64-", "-basic"];
/// Id of the module that is written as 1.
const FIRST: u16 = 2;

/// The space of 3,256 networks.
pub struct TransNas101Macro {
    vocabulary: Vocabulary,
}

impl Default for TransNas101Macro {
    fn default() -> Self {
        let names = ["input", "output", "basic", "basic_channels", "basic_resolution", "basic_both"];
        TransNas101Macro { vocabulary: Vocabulary::by_convention(names) }
    }
}

/// Whether modules are as many, and change size and channels as often, as in a network of the space.
fn is_network(modules: &[u16]) -> bool {
    let count = |ids: [u16; 2]| modules.iter().filter(|id| ids.contains(id)).count();
    let (channels, resolution) = (count([FIRST + 1, FIRST + 3]), count([FIRST + 2, FIRST + 3]));
    (4..=6).contains(&modules.len()) && (1..=3).contains(&channels) && (1..=4).contains(&resolution)
}

/// All networks: by number of modules, then in the order of their texts.
fn networks() -> impl Iterator<Item = Architecture> + Send {
    let of_length = |length: u32| {
        (0..4u32.pow(length)).map(move |code| {
            (0..length).rev().map(|digit| FIRST + (code / 4u32.pow(digit) % 4) as u16).collect::<Vec<u16>>()
        })
    };
    (4..=6)
        .flat_map(of_length)
        .filter(|modules| is_network(modules))
        .map(|modules| Architecture::new(modules, Vec::new()))
}

impl Space for TransNas101Macro {
    fn name(&self) -> &str {
        "transnas101-macro"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let digits = text.strip_prefix(ENDS[0]).and_then(|rest| rest.strip_suffix(ENDS[1]));
        let module =
            |digit: u8| digit.checked_sub(b'1').filter(|&digit| digit < 4).map(|digit| FIRST + u16::from(digit));
        let modules: Option<Vec<u16>> = digits.and_then(|digits| digits.bytes().map(module).collect());
        let modules = modules.filter(|modules| is_network(modules)).ok_or_else(|| {
            not_a("a TransNAS-Bench-101 macro network", text).hint(
                "a network reads 64-1234-basic: four to six modules, 1 as it is, 2 channels doubled (one to three times), \
                 3 resolution halved (one to four times), 4 both",
            )
        })?;
        Ok(Architecture::new(modules, Vec::new()))
    }

    fn print(&self, architecture: &Architecture) -> String {
        let digits: String = architecture.operations.iter().map(|id| (id - FIRST + 1).to_string()).collect();
        format!("{}{digits}{}", ENDS[0], ENDS[1])
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        Graph::chain(architecture.nodes_between_ends())
    }

    fn size(&self) -> Option<u64> {
        Some(networks().count() as u64)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        Some(Box::new(networks()))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        loop {
            // Six places, of which the last two may be empty: every network is as likely as any other.
            let digits: Vec<usize> = [4, 4, 4, 4, 5, 5].map(|options| random.below(options)).to_vec();
            let full = digits.iter().take_while(|&&digit| digit < 4).count();
            let modules: Vec<u16> = digits[..full].iter().map(|&digit| FIRST + digit as u16).collect();
            // An empty place is followed by none, and is drawn in one way.
            if digits[full..].iter().all(|&digit| digit == 4) && is_network(&modules) {
                return Ok(Architecture::new(modules, Vec::new()));
            }
        }
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        loop {
            let mut mutant = architecture.clone();
            let (place, module) = (random.below(mutant.operations.len() + 1), FIRST + random.below(4) as u16);
            match random.below(4) {
                0 => mutant.operations.insert(place, module),
                1 if place < mutant.operations.len() => drop(mutant.operations.remove(place)),
                _ if place < mutant.operations.len() => mutant.operations[place] = module,
                _ => {}
            }
            if is_network(&mutant.operations) && mutant != *architecture {
                return Ok(mutant);
            }
        }
    }
}
