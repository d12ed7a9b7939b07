//! Floating-point operations of a score: what a fused pass has to do, from the formulas. A multiplication and an addition
//! count one each; look-ups, comparisons and exponentials count nothing.

use crate::model::options::{Convolution, Mask, ModelOptions};
use crate::graph::Graph;

/// Operations of one member's score of one graph. The first convolution's products are a look-up and not counted.
pub fn operations(options: &ModelOptions, graph: &Graph) -> u64 {
    let (nodes, edges, hidden) = (graph.len() as u64, graph.edges.len() as u64, options.hidden as u64);
    let layers = options.layers as u64;
    let products = 2 * nodes * hidden * options.convolution.terms() as u64 * hidden;
    // Along an edge: bias, weight and sum, both ways where there are both.
    let mixing = match options.convolution {
        Convolution::Both => nodes * hidden + 2 * 3 * edges * hidden,
        Convolution::Forward => 3 * edges * hidden,
    };
    // Mean; variance; difference, rate, gain and shift; the residual.
    let normalised = match options.convolution {
        Convolution::Both => (1 + 3 + 4 + 1) * nodes * hidden,
        Convolution::Forward => nodes * hidden,
    };
    let masks = match options.mask {
        Mask::Attention => 2 * 3 * nodes * hidden,
        Mask::None => 0,
    };
    let masked = 2 * nodes * hidden + 3 * edges;
    let readouts = options.readout.len() as u64;
    let head = 2 * readouts * hidden * hidden + 3 * hidden;
    // The critical part has a convolution of its own.
    let convolutions = layers + 1;
    let multiplied = convolutions - u64::from(layers > 0);
    multiplied * products + convolutions * (mixing + normalised) + masks + masked + readouts * nodes * hidden + head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::options::Readout;

    #[test]
    fn a_pair_of_nodes_by_hand() {
        let graph = Graph::new([(0, None), (1, None)], [(0, 1)]);
        let options = ModelOptions { hidden: 2, layers: 2, readout: vec![Readout::Output], ..ModelOptions::default() };
        // Two of three products of [2, 2] with [2, 6]; each of the three convolutions then starts 4 sums, adds 2 x 2 numbers
        // along the edge with 3 operations each, and normalises 4 with 9 each.
        let convolutions = 2 * 48 + 3 * (4 + 12 + 36);
        // Three logits for two nodes; masks on 4 numbers, twice, and on an edge; 4 sums; a head of 4 weights and 2 more.
        assert_eq!(operations(&options, &graph), convolutions + 24 + (8 + 3) + 4 + (8 + 6));
    }

    #[test]
    fn most_of_them_are_matrix_products() {
        let graph = Graph::new((0..8).map(|node| (node.min(1), None)), (0..7).map(|node| (node, node + 1)));
        let options = ModelOptions::default();
        let products = 2 * 8 * 64 * 192 * options.layers as u64;
        let all = operations(&options, &graph);
        assert!(all > products && all < products * 5 / 4, "{all} {products}");
    }
}
