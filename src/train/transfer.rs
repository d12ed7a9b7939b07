//! Transfer: members of a trained ensemble as the start of another one, for another target, or another space whose operations
//! all are among those of the first.

use crate::config::ModelOptions;
use crate::error::{Error, Result, Stage};
use crate::graph::Vocabulary;
use crate::model::Carl;
use crate::score::Weights;
use tch::Tensor;

/// The parameter with a row an operation.
const EMBEDDING: &str = "encoder.embedding.weight";

/// Parameters [E, P] of `options.members` models over `vocabulary` from the members of `weights`, in turn, whose operations
/// have the names `names`, by id.
///
/// # Errors
/// A model of another shape; an operation that the weights do not know.
pub fn transfer(
    weights: &Weights,
    names: &[String],
    options: &ModelOptions,
    vocabulary: &Vocabulary,
) -> Result<Tensor> {
    same_shape(&weights.options, options)?;
    let own: Vec<&String> = vocabulary.operations().iter().map(|operation| &operation.name).collect();
    if options.statistics > 0 && own != names.iter().collect::<Vec<_>>() {
        let message = "statistics of the weights are of other operations than those of this space";
        return Err(Error::new(Stage::Checkpoint, message).hint("train both with --set graph.statistics=false"));
    }
    let row = |name: &String| {
        let place = names.iter().position(|known| known == name).ok_or_else(|| {
            let message = format!("operation `{name}` is not among those of the weights, {}", names.join(" "));
            Error::new(Stage::Checkpoint, message).hint("start from a checkpoint of a space with the same operations")
        })?;
        Ok(place as i64)
    };
    let rows: Vec<i64> = vocabulary.operations().iter().map(|operation| row(&operation.name)).collect::<Result<_>>()?;
    let rows = Tensor::from_slice(&rows);
    let turns: Vec<i64> = (0..options.members).map(|member| (member % weights.members()) as i64).collect();
    let flat = weights.parameters.index_select(0, &Tensor::from_slice(&turns));
    let parts: Vec<Tensor> = Carl::slots(&weights.options, weights.vocabulary as i64)
        .iter()
        .map(|slot| {
            let part = slot.view(&flat);
            let part = if slot.name == EMBEDDING { part.index_select(1, &rows) } else { part };
            part.flatten(1, -1)
        })
        .collect();
    Ok(Tensor::cat(&parts, 1))
}

/// All that decides the shapes of parameters.
fn same_shape(there: &ModelOptions, here: &ModelOptions) -> Result<()> {
    let shape = |options: &ModelOptions| {
        let ModelOptions { hidden, layers, convolution, readout, attributes, statistics, .. } = options;
        let attributes: Vec<&str> = attributes.iter().map(|attribute| attribute.column.as_str()).collect();
        format!(
            "hidden: {hidden}, layers: {layers}, convolution: {convolution:?}, readout: {readout:?}, attributes: {attributes:?}, \
             statistics: {statistics}"
        )
    };
    if shape(there) == shape(here) {
        return Ok(());
    }
    let message = format!("the model of the weights has {}, this one {}", shape(there), shape(here));
    Err(Error::new(Stage::Checkpoint, message).hint("use the same `model` in both configurations"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Role;
    use crate::model::ensemble::Calibration;
    use crate::model::parameters::initial_values;
    use crate::random::Random;
    use crate::space;

    #[test]
    fn rows_of_operations_follow_their_names() {
        let options = ModelOptions { hidden: 4, layers: 1, members: 2, ..ModelOptions::default() };
        let from = space::open("nasbench201", None).unwrap();
        let names: Vec<String> = from.vocabulary().operations().iter().map(|known| known.name.clone()).collect();
        let slots = Carl::slots(&options, names.len() as i64);
        let values: Vec<f64> = (0..2).flat_map(|seed| initial_values(&slots, &mut Random::new(seed, 0))).collect();
        let weights = Weights {
            options: options.clone(),
            vocabulary: names.len(),
            output: from.vocabulary().output().unwrap(),
            parameters: Tensor::from_slice(&values).view([2, -1]),
            calibration: Calibration::identity(2),
        };
        let three = ModelOptions { members: 3, ..options.clone() };
        let fewer = Vocabulary::new([("nor_conv_3x3", Role::Compute), ("output", Role::Output)]);
        let moved = transfer(&weights, &names, &three, &fewer).unwrap();
        let row = |of: &Tensor, place: i64| of.get(0).narrow(0, place * 4, 4);
        assert_eq!(row(&moved, 0), row(&weights.parameters, 5));
        assert_eq!(row(&moved, 1), row(&weights.parameters, 1));
        let other = Vocabulary::new([("nor_conv_5x5", Role::Compute)]);
        let message = transfer(&weights, &names, &three, &other).unwrap_err().to_string();
        assert!(message.contains("nor_conv_5x5"), "{message}");
        let moved = transfer(&weights, &names, &three, from.vocabulary()).unwrap();
        assert_eq!(moved.get(2), weights.parameters.get(0));
        assert_eq!(moved.get(1), weights.parameters.get(1));
        let wide = ModelOptions { hidden: 8, ..options };
        let message = transfer(&weights, &names, &wide, from.vocabulary()).unwrap_err().to_string();
        assert!(message.contains("hidden: 4") && message.contains("hidden: 8"), "{message}");
    }
}
