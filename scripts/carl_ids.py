"""Architectures by number: id -> architecture string, and many ids -> the input tensors of an exported program, in numpy.

Ids count in the order of `carl predict --all`. DARTS, which cannot be listed, has an order of its own: cells normal and
reduce, nodes 2 to 5, for each the pair of inputs and two operations, first digit slowest; 1.1 x 10^18 cells.

Tensors are reduced as in carl_loader.py (no dead nodes, no identities), all at once; only the order of nodes is as it
comes, on which no score depends.
"""
import functools
import itertools

import numpy as np

from carl_loader import (
    ABSENT,
    DARTS_ENDS,
    DARTS_INPUTS,
    EDGES,
    FACTORIZED,
    IDENTITY,
    INPUT,
    OPERATIONS_201,
    OPERATIONS_DARTS,
    OPERATIONS_GRAPH,
    OUTPUT,
    PART,
    ROLES,
    line_graph,
)

# Inputs of the nodes 2 to 5 of a DARTS cell.
INPUT_PAIRS = [list(itertools.combinations(range(node), 2)) for node in range(2, 6)]
TOPOLOGIES = ["0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123"]
# The base of every digit, slowest first.
BASES = {
    "nasbench201": [5] * 6,
    "transnas101-micro": [4] * 6,
    "nasbench-macro": [3] * 8,
    "nasbench-graph": [9] * 5,
    "darts": 2 * [base for pairs in INPUT_PAIRS for base in (len(pairs), 7, 7)],
}
SKIP = 8  # of NAS-Bench-Graph


def is_representative(digits):
    """Whether NAS-Bench-Graph holds this one of the texts that mean the same; as in src/space/nasbench_graph.rs."""
    inputs, operations = [int(digit) for digit in TOPOLOGIES[digits[0]]], digits[1:]
    chain = 0
    while chain < 4 and operations[chain] == SKIP and inputs[chain] == chain and min(inputs[chain + 1 :], default=9) > chain:
        chain += 1
    children = [[k + 1 for k in range(4) if inputs[k] == node] for node in range(5)]

    def keeps(k):
        return not children[k + 1] and len(children[inputs[k]]) > 1 and inputs[k] > chain

    def subtree(node):
        members = [node]
        for member in members:
            members.extend(children[member])
        return [len(children[member]) for member in members], [operations[member - 1] for member in members]

    if chain == 4 or any(operations[k] == SKIP and not keeps(k) for k in range(chain, 4)):
        return False
    for brothers in children:
        trees = [subtree(node) for node in brothers]
        if any(a[0] == b[0] and a[1] > b[1] for a, b in zip(trees, trees[1:])):
            return False
    return True


@functools.cache
def representatives():
    """The codes of NAS-Bench-Graph's 26,206 architectures."""
    return np.array([code for code, digits in enumerate(itertools.product(range(9), repeat=5)) if is_representative(digits)])


def size(space):
    """Number of ids of the space."""
    return len(representatives()) if space == "nasbench-graph" else int(np.prod(BASES[space], dtype=object))


def digits_of(ids, space):
    """Digits [B, places] of ids [B]."""
    rest = np.asarray(ids, np.int64)
    if space == "nasbench-graph":
        rest = representatives()[rest]
    digits = []
    for base in reversed(BASES[space]):
        digits.append(rest % base)
        rest = rest // base
    return np.stack(digits[::-1], 1)


def decode(number, space):
    """The architecture of an id, 0 <= id < size(space)."""
    digits = digits_of([number], space)[0].tolist()
    if space == "nasbench201":
        a, b, c, d, e, f = (OPERATIONS_201[digit] for digit in digits)
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
    if space == "nasbench-graph":
        return TOPOLOGIES[digits[0]] + ":" + " ".join(OPERATIONS_GRAPH[digit] for digit in digits[1:])
    if space == "darts":
        cells = []
        for cell in (digits[:12], digits[12:]):
            tokens = []
            for node in range(4):
                pair, *names = cell[3 * node : 3 * node + 3]
                sources = INPUT_PAIRS[node][pair]
                tokens += [f"{OPERATIONS_DARTS[1 + name]}~{source}" for name, source in zip(names, sources)]
            cells.append(" ".join(tokens))
        return f"normal:{cells[0]};reduce:{cells[1]}"
    text = "".join(map(str, digits))
    return text if space == "nasbench-macro" else f"64-41414-{text[0]}_{text[1:3]}_{text[3:]}"


def matrix(pairs, nodes):
    """Numbers of edges [nodes, nodes]."""
    adjacency = np.zeros((nodes, nodes), np.float32)
    np.add.at(adjacency, tuple(np.array(pairs).T), 1)
    return adjacency


def ends(count, first, middle, last):
    """Operations [B, N] that stand before and behind those of `middle` [B, n]."""
    column = lambda operation: np.full((count, 1), operation)  # noqa: E731
    return np.concatenate([column(first), middle, column(last)], 1)


def raw_graphs(digits, space):
    """Operations [B, N] and adjacency [B or 1, N, N] as the space spells them."""
    count = len(digits)
    if space in ("nasbench201", "transnas101-micro"):
        operations = 2 + digits
        if space == "transnas101-micro":
            # A skip from the cell's input halves the feature map: it computes.
            operations = np.where((digits == 1) & (np.array(EDGES)[:, 0] == 0), 6, operations)
        return ends(count, 0, operations, 1), matrix(line_graph([0] * 6)[1], 8)[None]
    if space == "nasbench-macro":
        first = np.isin(np.arange(8), (0, 2, 5))
        operations = np.where((digits == 0) & first, 5, 2 + digits)
        operations = np.insert(operations, [0, 2, 5], [6, 7, 8], axis=1)
        return ends(count, 0, operations, 1), matrix([(k, k + 1) for k in range(12)], 13)[None]
    if space == "nasbench-graph":
        known = []
        for text in TOPOLOGIES:
            leaves = [(node, 5) for node in range(1, 5) if str(node) not in text]
            known.append(matrix([(int(digit), node) for node, digit in enumerate(text, 1)] + leaves, 6))
        return ends(count, 0, 2 + digits[:, 1:], 1), np.stack(known)[digits[:, 0]]
    return raw_darts(digits)


def raw_darts(digits):
    count = len(digits)
    operations = np.zeros((count, 31), np.int64)
    adjacency = np.zeros((count, 31, 31), np.float32)
    operations[:, 30] = 1
    # Nodes of a cell: two inputs, eight operations, four parts, the end. A map is given by an input or by two operations.
    givers = np.zeros((6, 15), np.float32)
    givers[0, 0] = givers[1, 1] = 1
    for node in range(4):
        givers[2 + node, 2 + 2 * node : 4 + 2 * node] = 1
    for cell in range(2):
        first = 15 * cell
        within = slice(first, first + 15)
        operations[:, first : first + 2] = DARTS_INPUTS[cell]
        operations[:, first + 10 : first + 14] = PART
        operations[:, first + 14] = DARTS_ENDS[cell]
        for node in range(4):
            pair, *names = digits[:, 12 * cell + 3 * node :][:, :3].T
            for side in range(2):
                at = first + 2 + 2 * node + side
                source = np.array(INPUT_PAIRS[node])[pair, side]
                halves = (cell == 1) & (names[side] == 0) & (source < 2)
                operations[:, at] = np.where(halves, FACTORIZED, 3 + names[side])
                adjacency[:, within, at] = givers[source]
            adjacency[:, within, first + 10 + node] = givers[2 + node]
            adjacency[:, first + 10 + node, first + 14] = 1
        adjacency[:, first + 14, 30] = 1
    return operations, adjacency


def reach(start, adjacency, present):
    """Which nodes [B, N] can be reached from `start` over present nodes."""
    seen = start
    while True:
        more = seen | ((np.einsum("bi,bij->bj", seen.astype(np.float32), adjacency) > 0) & present)
        if (more == seen).all():
            return seen
        seen = more


def tensors(ids, space):
    """Operations [B, N, V], adjacency [B, N, N] and mask [B, N] of the architectures with these ids, float32."""
    operations, adjacency = raw_graphs(digits_of(ids, space), space)
    count, nodes = operations.shape
    adjacency = np.broadcast_to(adjacency, (count, nodes, nodes)).copy()
    roles = np.array(ROLES[space])
    role = roles[operations]
    present = role != ABSENT
    forth = reach(role == INPUT, adjacency, present)
    back = reach(role == OUTPUT, adjacency.transpose(0, 2, 1), present)
    live = (forth & back) | (role == OUTPUT)
    adjacency *= live[:, :, None] * live[:, None, :]
    for node in range(nodes):
        gone = live[:, node] & (role[:, node] == IDENTITY)
        if gone.any():
            some = adjacency[gone]
            some += some[:, :, node, None] * some[:, node, None, :]
            some[:, node] = some[:, :, node] = 0
            adjacency[gone] = some
            live[gone, node] = False
    order = np.argsort(~live, axis=1, kind="stable")[:, : live.sum(1).max()]
    rows = np.arange(count)[:, None]
    mask = live[rows, order].astype(np.float32)
    adjacency = adjacency[rows[:, :, None], order[:, :, None], order[:, None, :]]
    one_hot = (operations[rows, order][:, :, None] == np.arange(len(roles))) * mask[:, :, None]
    return one_hot.astype(np.float32), adjacency, mask
