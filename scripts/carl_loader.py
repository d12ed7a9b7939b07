"""Architecture strings -> the input tensors of an exported program (`carl export`), in numpy.

The same canonical form as in the Rust loader: dead nodes go, identities become edges (but not for programs that read cells
as they are written), and nodes are put into the one order that all isomorphic graphs share. Spaces: all but nats-size and dag.

    operations, adjacency, mask = load(["|nor_conv_3x3~0|+..."], "nasbench201")     # [B, N, V] [B, N, N] [B, N]

Graphs and keys need nothing but Python.

    python carl_loader.py SPACE < TEXTS         the key of every line, numbers joined by spaces
"""
import collections
import functools
import itertools
import json
import re
import sys

COMPUTE, INPUT, OUTPUT, IDENTITY, ABSENT = range(5)
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
OPERATIONS_201 = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
# Roles by operation id, in the order of the Rust vocabularies.
ROLES = {
    "nasbench101": [INPUT, OUTPUT, COMPUTE, COMPUTE, COMPUTE],
    "nasbench201": [INPUT, OUTPUT, ABSENT, IDENTITY, COMPUTE, COMPUTE, COMPUTE],
    "transnas101-micro": [INPUT, OUTPUT, ABSENT, IDENTITY, COMPUTE, COMPUTE, COMPUTE],
    "nasbench-macro": [INPUT, OUTPUT, IDENTITY] + 6 * [COMPUTE],
    "darts": [INPUT, OUTPUT, ABSENT, IDENTITY] + 8 * [COMPUTE] + 3 * [INPUT] + 2 * [COMPUTE],
    "nasbench-graph": [INPUT, OUTPUT] + 8 * [COMPUTE] + [IDENTITY],
    "nasbench-nlp": [INPUT, OUTPUT] + 9 * [COMPUTE] + 3 * [INPUT] + 3 * [COMPUTE],
}
OPERATIONS_DARTS = (
    "none skip_connect max_pool_3x3 avg_pool_3x3 sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5".split()
)
OPERATIONS_GRAPH = "gat gcn gin cheb sage arma graph fc skip".split()
OPERATIONS_NLP = (
    "linear blend elementwise_prod elementwise_sum activation_tanh activation_sigm activation_leaky_relu".split()
)
# DARTS: a skip that halves the map, a node's part in a cell's output, the inputs and the end of both cells.
FACTORIZED, PART, DARTS_INPUTS, DARTS_ENDS = 10, 11, [[0, 12], [13, 14]], [15, 16]


def line_graph(ids):
    """Six operations on the edges of a cell of four feature maps -> operations on nodes."""
    operations = [0, *ids, 1]
    givers = [(0, 0)] + [(k + 1, to) for k, (_, to) in enumerate(EDGES)]
    takers = [(k + 1, start) for k, (start, _) in enumerate(EDGES)] + [(7, 3)]
    return operations, [(a, b) for a, at in givers for b, of in takers if at == of]


def parse_201(text):
    tokens = [token.split("~") for group in text.split("+") for token in group.strip("|").split("|")]
    if [int(place) for _, place in tokens] != [0, 0, 1, 0, 1, 2]:
        raise ValueError(f"not a NAS-Bench-201 cell: {text!r}")
    return line_graph([2 + OPERATIONS_201.index(name) for name, _ in tokens])


def parse_transnas(text):
    digits = text.removeprefix("64-41414-").replace("_", "")
    if len(digits) != 6 or set(digits) - set("0123"):
        raise ValueError(f"not a TransNAS-Bench-101 micro cell: {text!r}")
    # A skip from the cell's input halves the feature map: it computes.
    return line_graph([6 if d == "1" and edge[0] == 0 else 2 + int(d) for d, edge in zip(digits, EDGES)])


def parse_macro(text):
    if len(text) != 8 or set(text) - set("012"):
        raise ValueError(f"not a NAS-Bench-Macro network: {text!r}")
    operations = [0]
    for layer, digit in enumerate(text):
        first = {0: 6, 2: 7, 5: 8}.get(layer)
        if first is not None:
            operations.append(first)
        operations.append(5 if first is not None and digit == "0" else 2 + int(digit))
    operations.append(1)
    return operations, [(k, k + 1) for k in range(len(operations) - 1)]


def parse_101(text):
    letters, bits = text.split(":")
    pairs = list(itertools.combinations(range(len(letters)), 2))
    if len(bits) != len(pairs):
        raise ValueError(f"not a NAS-Bench-101 cell: {text!r}")
    return ["IO31M".index(letter) for letter in letters], [p for p, bit in zip(pairs, bits) if bit == "1"]


def darts_tokens(text):
    """Names and inputs of the eight operations of both cells."""
    if text.lstrip().startswith("Genotype"):
        tokens = re.findall(r"[(]\s*['\"](\w+)['\"]\s*,\s*(\d)\s*[)]", text)
        cells = [tokens[:8], tokens[8:]]
    else:
        cells = [[token.split("~") for token in cell.split(":")[1].split(" ")] for cell in text.split(";")]
    if [len(cell) for cell in cells] != [8, 8]:
        raise ValueError(f"not a pair of DARTS cells: {text!r}")
    return [[(name, int(place)) for name, place in cell] for cell in cells]


def parse_darts(text):
    operations, pairs, ends = [], [], []
    for cell, tokens in enumerate(darts_tokens(text)):
        first = len(operations)
        # What gives to each feature map: an input, or the two operations of a node.
        givers = [[first], [first + 1]] + [[first + 2 + 2 * node, first + 3 + 2 * node] for node in range(4)]
        operations += DARTS_INPUTS[cell]
        for place, (name, source) in enumerate(tokens):
            halves = cell == 1 and source < 2 and name == "skip_connect"
            operations.append(FACTORIZED if halves else 2 + OPERATIONS_DARTS.index(name))
            pairs += [(giver, first + 2 + place) for giver in givers[source]]
        for node in range(4):
            pairs += [(giver, len(operations)) for giver in givers[2 + node]] + [(len(operations), first + 14)]
            operations.append(PART)
        ends.append(len(operations))
        operations.append(DARTS_ENDS[cell])
    return operations + [1], pairs + [(end, len(operations)) for end in ends]


def parse_graph(text):
    topology, names = text.split(":")
    operations = [2 + OPERATIONS_GRAPH.index(name) for name in names.split(" ")]
    if len(operations) != 4 or len(topology) != 4:
        raise ValueError(f"not a NAS-Bench-Graph architecture: {text!r}")
    pairs = [(int(digit), node) for node, digit in enumerate(topology, 1)]
    return [0, *operations, 1], pairs + [(node, 5) for node in range(1, 5) if str(node) not in topology]


def parse_nlp(text):
    recipe = json.loads(text)
    place = {name: k for k, name in enumerate([*recipe, "x", "h_prev_0", "h_prev_1", "h_prev_2"])}
    operations = [2 + OPERATIONS_NLP.index(node["op"]) for node in recipe.values()] + [0, 11, 12, 13]
    pairs = []
    for name, node in recipe.items():
        for argument, source in enumerate(node["input"]):
            # A node tells which input of a blend it is: gate, first, second.
            between = {0: 9, 2: 10}.get(argument) if node["op"] == "blend" else None
            if between:
                pairs += [(place[source], len(operations)), (len(operations), place[name])]
                operations.append(between)
            else:
                pairs.append((place[source], place[name]))
    output = len(operations)
    operations.append(1)
    for state in range(3):
        if f"h_new_{state}" in recipe:
            pairs += [(place[f"h_new_{state}"], len(operations)), (len(operations), output)]
            operations.append(14 + state)
    return operations, pairs


PARSE = {
    "darts": parse_darts,
    "nasbench-graph": parse_graph,
    "nasbench-nlp": parse_nlp,
    "nasbench101": parse_101,
    "nasbench201": parse_201,
    "transnas101-micro": parse_transnas,
    "nasbench-macro": parse_macro,
}


def reduce(operations, pairs, roles):
    """Without dead nodes and identities: operations and {(from, to): count}."""
    role = [roles[operation] for operation in operations]
    count = len(operations)

    def reach(start, forward):
        seen = [r == start for r in role]
        stack = [node for node in range(count) if seen[node]]
        while stack:
            node = stack.pop()
            for a, b in pairs:
                here, there = (a, b) if forward else (b, a)
                if here == node and not seen[there] and role[there] != ABSENT:
                    seen[there] = True
                    stack.append(there)
        return seen

    forth, back = reach(INPUT, True), reach(OUTPUT, False)
    live = [(forth[node] and back[node]) or role[node] == OUTPUT for node in range(count)]
    links = {}
    for a, b in pairs:
        if live[a] and live[b]:
            links[a, b] = links.get((a, b), 0) + 1
    for node in range(count):
        if live[node] and role[node] == IDENTITY:
            before = {a: links.pop((a, b)) for a, b in list(links) if b == node}
            after = {b: links.pop((a, b)) for a, b in list(links) if a == node}
            for (a, first), (b, second) in itertools.product(before.items(), after.items()):
                links[a, b] = links.get((a, b), 0) + first * second
            live[node] = False
    place = {node: k for k, node in enumerate(node for node in range(count) if live[node])}
    return [operations[node] for node in place], {(place[a], place[b]): n for (a, b), n in links.items()}


def split(order, colours, start, end, sight):
    """Gives the nodes at start..end of `order` new colours wherever `sight` differs from the node before."""
    colour = start
    for place in range(start, end):
        if place > start and sight[order[place - 1]] != sight[order[place]]:
            colour = place
        colours[order[place]] = colour
    return colour > start


def groups(order, colours):
    """Start and end of every run of one colour; what is split behind the current run is seen as split."""
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and colours[order[end]] == start:
            end += 1
        yield start, end
        start = end


def refine(order, colours, around):
    """Splits colours by what is around their nodes; a colour is the place in `order` at which it starts."""
    changed = True
    while changed:
        changed = False
        for start, end in groups(order, colours):
            if end - start > 1:
                nodes = order[start:end]
                sight = {a: sorted((out, n, colours[b]) for out, n, b in around[a]) for a in nodes}
                order[start:end] = sorted(nodes, key=sight.__getitem__)
                changed |= split(order, colours, start, end, sight)


def canonical(operations, links):
    """Operations and sorted (from, to, count) in canonical order, which is topological."""
    count = len(operations)
    depth = [0] * count
    for _ in range(count):
        before = list(depth)
        for a, b in links:
            depth[b] = max(depth[b], depth[a] + 1)
        if depth == before:
            break
    around = [[] for _ in range(count)]
    for (a, b), n in links.items():
        around[a].append((True, n, b))
        around[b].append((False, n, a))
    around = [sorted(edges) for edges in around]
    start = list(zip(depth, operations))
    order, colours = sorted(range(count), key=start.__getitem__), [0] * count
    split(order, colours, 0, count, start)
    best = None
    stack = [(order, colours)]
    while stack:
        order, colours = stack.pop()
        refine(order, colours, around)
        shared = next(((a, b) for a, b in groups(order, colours) if b - a > 1), None)
        if shared is None:
            edges = sorted((colours[a], colours[b], n) for (a, b), n in links.items())
            if best is None or edges < best[1]:
                best = order, edges
            continue
        nodes = order[slice(*shared)]
        # Nodes with the very same neighbours can be swapped at will.
        twins = all(around[node] == around[nodes[0]] for node in nodes)
        for chosen in nodes[:1] if twins else nodes:
            ordered, coloured = list(order), list(colours)
            ordered[slice(*shared)] = [chosen] + [node for node in nodes if node != chosen]
            for node in nodes:
                coloured[node] = shared[0] + (node != chosen)
            stack.append((ordered, coloured))
    return [operations[node] for node in best[0]], best[1]


@functools.lru_cache(maxsize=1 << 18)
def _ordered(operations, links):
    return canonical(list(operations), dict(links))


def multiplicities(operations, pairs):
    """The graph as it is written: operations and {(from, to): count}."""
    return operations, dict(collections.Counter(pairs))


def graph(text, space, form="function"):
    """Canonical operations and edges of one architecture, of what it computes or of how it is `written`."""
    operations, pairs = PARSE[space](text)
    operations, links = reduce(operations, pairs, ROLES[space]) if form == "function" else multiplicities(operations, pairs)
    return _ordered(tuple(operations), tuple(sorted(links.items())))


def key(text, space):
    """Equal for two architectures exactly when they compute the same function; the key of the Rust loader."""
    operations, edges = graph(text, space)
    return [len(operations), *operations, *(x for a, b, n in edges for x in (a, b, n & 0xFFFF, n >> 16))]


def load(texts, space, form="function"):
    """Input tensors of the architectures: operations [B, N, V], adjacency [B, N, N], mask [B, N]; float32. `form` is what the
    checkpoint reads: `graph_form` under `chosen` in its metrics.json, where "both" is read as it is written."""
    import numpy as np

    graphs = [graph(text, space, form) for text in texts]
    nodes = max(len(operations) for operations, _ in graphs)
    one_hot = np.zeros((len(graphs), nodes, len(ROLES[space])), np.float32)
    adjacency = np.zeros((len(graphs), nodes, nodes), np.float32)
    mask = np.zeros((len(graphs), nodes), np.float32)
    for row, (operations, edges) in enumerate(graphs):
        one_hot[row, range(len(operations)), operations] = 1
        mask[row, : len(operations)] = 1
        for a, b, n in edges:
            adjacency[row, a, b] = n
    return one_hot, adjacency, mask


if __name__ == "__main__":
    for line in sys.stdin:
        print(*key(line.rstrip("\n"), sys.argv[1]))
