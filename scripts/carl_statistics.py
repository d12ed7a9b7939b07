"""Path statistics of a canonical graph, as `src/graph/statistics.rs` computes them: what the heads of a checkpoint with
`graph.statistics` read beside the graph."""
import functools
from math import log1p

INPUT, OUTPUT = 1, 2


@functools.lru_cache(maxsize=1 << 16)
def statistics(operations, edges, roles):
    """Numbers of one graph: operations, (from, to, count) sorted, and the role of every operation id."""
    nodes = range(len(operations))
    starts = [float(roles[operation] == INPUT) for operation in operations]
    ends = [float(roles[operation] == OUTPUT) for operation in operations]
    computes = [1.0 - start - end for start, end in zip(starts, ends)]

    def count(keep):
        """Paths from an input to each node over nodes that `keep` keeps."""
        paths = list(starts)
        for a, b, n in edges:
            paths[b] += paths[a] * n * keep[b]
        return paths

    def at_outputs(values):
        return sum(value for value, end in zip(values, ends) if end)

    def extreme(values, sign):
        """Largest (sign 1) or smallest (-1) sum of `values` along a path; -1 where there is none."""
        best = [0.0 if start else None for start in starts]
        for a, b, _ in edges:
            if best[a] is not None:
                there = best[a] + sign * values[b]
                best[b] = there if best[b] is None else max(best[b], there)
        found = [value for value, end in zip(best, ends) if end and value is not None]
        return sign * max(found) if found else -1.0

    def avoiding(marked):
        return at_outputs(count([1.0 - mark for mark in marked])) / max(total, 1.0)

    def between(first, second):
        return sum(n * first[a] * second[b] for a, b, n in edges)

    before, after = count([1.0 for _ in nodes]), list(ends)
    for a, b, n in reversed(edges):
        after[a] += after[b] * n
    total, direct = at_outputs(before), between(starts, ends)
    values = [log1p(total), log1p(direct), float(direct > 0), sum(computes), len(edges)]
    values += [sum(bool(starts[a]) for a, _, _ in edges), sum(bool(ends[b]) for _, b, _ in edges)]
    values += [sum(log1p(n) for _, _, n in edges), extreme(computes, 1), extreme(computes, -1)]
    known = [operation for operation, role in enumerate(roles) if role not in (INPUT, OUTPUT)]
    marks = [[float(operation == other) for operation in operations] for other in known]
    for place, first in enumerate(marks):
        only = [mark if compute else 1.0 for mark, compute in zip(first, computes)]
        values += [sum(first), sum(before[k] * after[k] * first[k] for k in nodes) / max(total, 1.0)]
        values += [extreme(first, 1), extreme(first, -1), avoiding(first), log1p(at_outputs(count(only)))]
        values += [log1p(between(starts, first)), log1p(between(first, ends))]
        for other, second in enumerate(marks):
            values.append(log1p(between(first, second)))
            if other > place:
                both = [a + b for a, b in zip(first, second)]
                values += [extreme(both, 1), extreme(both, -1), avoiding(both)]
    return values
