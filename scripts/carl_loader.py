"""Architecture strings -> the input tensors of an exported program (`carl export`), in numpy.

The same canonical form as in the Rust loader: dead nodes go, identities become edges, nodes are put into the one order
that all isomorphic graphs share. Spaces: nasbench101, nasbench201, transnas101-micro, nasbench-macro.

    operations, adjacency, mask = load(["|nor_conv_3x3~0|+..."], "nasbench201")     # [B, N, V] [B, N, N] [B, N]
"""
import functools
import itertools

import numpy as np

COMPUTE, INPUT, OUTPUT, IDENTITY, ABSENT = range(5)
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
OPERATIONS_201 = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
# Roles by operation id, in the order of the Rust vocabularies.
ROLES = {
    "nasbench101": [INPUT, OUTPUT, COMPUTE, COMPUTE, COMPUTE],
    "nasbench201": [INPUT, OUTPUT, ABSENT, IDENTITY, COMPUTE, COMPUTE, COMPUTE],
    "transnas101-micro": [INPUT, OUTPUT, ABSENT, IDENTITY, COMPUTE, COMPUTE, COMPUTE],
    "nasbench-macro": [INPUT, OUTPUT, IDENTITY] + 6 * [COMPUTE],
}


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


PARSE = {
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


def refine(colours, around):
    """Splits colours by what is around their nodes; a colour is the number of nodes of lower colours."""
    while True:
        sight = [
            (colours[node], sorted((out, n, colours[other]) for out, n, other in edges))
            for node, edges in enumerate(around)
        ]
        ranked = sorted(sight)
        new = [ranked.index(value) for value in sight]
        if new == colours:
            return colours
        colours = new


def canonical(operations, links):
    """Operations and sorted (from, to, count) in canonical order, which is topological."""
    count = len(operations)
    depth = [0] * count
    for _ in range(count):
        for a, b in links:
            depth[b] = max(depth[b], depth[a] + 1)
    around = [[] for _ in range(count)]
    for (a, b), n in links.items():
        around[a].append((True, n, b))
        around[b].append((False, n, a))
    start = sorted(zip(depth, operations))
    best = None
    stack = [[start.index(value) for value in zip(depth, operations)]]
    while stack:
        colours = refine(stack.pop(), around)
        shared = next((c for c in sorted(colours) if colours.count(c) > 1), None)
        if shared is None:
            edges = sorted((colours[a], colours[b], n) for (a, b), n in links.items())
            if best is None or edges < best[1]:
                best = colours, edges
            continue
        nodes = [node for node in range(count) if colours[node] == shared]
        # Nodes with the very same neighbours can be swapped at will.
        twins = all(sorted(around[node]) == sorted(around[nodes[0]]) for node in nodes)
        for chosen in nodes[:1] if twins else nodes:
            stack.append([c + 1 if c == shared and node != chosen else c for node, c in enumerate(colours)])
    order = sorted(range(count), key=lambda node: best[0][node])
    return [operations[node] for node in order], best[1]


@functools.lru_cache(maxsize=1 << 18)
def _ordered(operations, links):
    return canonical(list(operations), dict(links))


def graph(text, space):
    """Canonical operations and edges of one architecture."""
    operations, links = reduce(*PARSE[space](text), ROLES[space])
    return _ordered(tuple(operations), tuple(sorted(links.items())))


def load(texts, space):
    """Input tensors of the architectures: operations [B, N, V], adjacency [B, N, N], mask [B, N], float32."""
    graphs = [graph(text, space) for text in texts]
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


# Spaces whose architectures are numbers with a digit a place: first digit slowest, as `carl predict --all` lists them.
CHOICES = {"nasbench201": (5, 6), "transnas101-micro": (4, 6), "nasbench-macro": (3, 8)}


def size(space):
    base, places = CHOICES[space]
    return base**places


def decode(number, space):
    """The architecture of an id, 0 <= id < size(space)."""
    base, places = CHOICES[space]
    digits = [number // base ** (places - 1 - place) % base for place in range(places)]
    if space == "nasbench201":
        a, b, c, d, e, f = (OPERATIONS_201[digit] for digit in digits)
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
    text = "".join(map(str, digits))
    return text if space == "nasbench-macro" else f"64-41414-{text[0]}_{text[1:3]}_{text[3:]}"
