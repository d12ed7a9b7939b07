"""The same model in plain PyTorch, one member at a time: an independent reference for numbers and speed.

  python carl_reference.py golden OUTPUT.json                  golden numbers for tests/golden.rs
  python carl_reference.py time TABLE.csv.gz --members 5       seconds to train and to score NAS-Bench-201
  python carl_reference.py parts TABLE.csv.gz                  what loader, forward pass, step and scoring take

Needs torch and nothing else. Written from the formulas, in the way in which such programs are usually written: one module
a layer, one loss a batch, PyTorch's own AdamW and OneCycleLR, every row of the table encoded as it comes.
"""
import argparse
import json
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class GraphConvolution(nn.Module):
    """LayerNorm(H W_s + A^T H W_f + A H W_b), ReLU, dropout."""

    def __init__(self, hidden, dropout):
        super().__init__()
        self.linear = nn.Linear(hidden, 3 * hidden)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h, a, mask):
        own, forward, backward = self.linear(h).chunk(3, -1)
        x = (own + a.transpose(-1, -2) @ forward + a @ backward) * mask
        return self.dropout(F.relu(self.norm(x)))


class Head(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, 1)

    def forward(self, c):
        return self.output(F.relu(self.hidden(c))).squeeze(-1)


class Carl(nn.Module):
    def __init__(self, vocabulary, output, hidden=64, layers=3, dropout=0.1):
        super().__init__()
        self.output_id = output
        self.embedding = nn.Linear(vocabulary, hidden)
        self.layers = nn.ModuleList(GraphConvolution(hidden, dropout) for _ in range(layers))
        self.masks = nn.Linear(hidden, 3)
        self.critical = GraphConvolution(hidden, dropout)
        self.redundant = GraphConvolution(hidden, dropout)
        self.head = Head(2 * hidden, hidden)
        self.redundant_head = Head(2 * hidden, hidden)
        self.pair_critical = nn.Linear(2 * hidden, hidden)
        self.pair_redundant = nn.Linear(2 * hidden, hidden)
        self.pair_output = nn.Linear(hidden, 1)

    def part(self, layer, h, a, node_mask, edge_mask, operations, mask):
        h = h * node_mask
        z = h + layer(2 * h, 2 * a * edge_mask, mask) * mask
        output = (z * operations[..., self.output_id].unsqueeze(-1)).sum(-2)
        mean = z.sum(-2) / mask.sum(-2)
        return torch.cat([output, mean], -1)

    def encode(self, operations, adjacency, mask):
        h = self.embedding(operations) * mask
        for layer in self.layers:
            h = h + layer(h, adjacency, mask) * mask
        node, u, v = self.masks(h).unbind(-1)
        present = (adjacency > 0).to(h.dtype)
        node_mask = torch.sigmoid(node).unsqueeze(-1) * mask
        edge_mask = torch.sigmoid(u.unsqueeze(-1) + v.unsqueeze(-2)) * present
        return h, node_mask, edge_mask, present

    def critical_part(self, operations, adjacency, mask):
        h, node, edge, _ = self.encode(operations, adjacency, mask)
        return self.part(self.critical, h, adjacency, node, edge, operations, mask), node, edge

    def forward(self, operations, adjacency, mask):
        h, node, edge, present = self.encode(operations, adjacency, mask)
        c = self.part(self.critical, h, adjacency, node, edge, operations, mask)
        r = self.part(self.redundant, h, adjacency, mask - node, present - edge, operations, mask)
        return c, r

    def pairs(self, c, r):
        """[B, D], [K, D] -> [K, B]."""
        z = self.pair_critical(c).unsqueeze(0) + self.pair_redundant(r).unsqueeze(1)
        return self.pair_output(F.relu(z)).squeeze(-1)


def ranking(scores, labels):
    """Scores [K, B], labels [B]: log(1 + exp(-(s_i - s_j))) over y_i > y_j, mean over pairs and K."""
    better = (labels.unsqueeze(-1) > labels.unsqueeze(-2)).to(scores.dtype)
    losses = F.softplus(scores.unsqueeze(-2) - scores.unsqueeze(-1)) * better
    return (losses.sum((-1, -2)) / better.sum().clamp(min=1)).mean()


def losses(model, graphs, labels, options):
    c, r = model(*graphs)
    pairs = model.pairs(c, r[: options["partners"]])

    def objective(scores):
        return options["ranking"] * ranking(scores, labels) + options["regression"] * ((scores - labels) ** 2).mean()

    terms = {
        "critical": objective(model.head(c).unsqueeze(0)),
        "intervention": objective(pairs),
        "redundant": (model.redundant_head(r) ** 2).mean(),
        "variance": pairs.var(0, unbiased=False).mean(),
    }
    total = terms["critical"] + sum(options[name] * terms[name] for name in ("intervention", "redundant", "variance"))
    return {"loss": total, **terms}


def clip(parameters, most):
    norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
    if norm > most:
        for p in parameters:
            p.grad.mul_(most / norm)


# Names of the parameters in a checkpoint of carl; weights there are [in, out].
def names(layers):
    table = {"encoder.embedding": "embedding"}
    for k in range(layers):
        table[f"encoder.layers.{k}"] = f"layers.{k}"
    table.update({"extractor.masks": "masks", "extractor.critical": "critical", "extractor.redundant": "redundant"})
    table.update({"head.hidden": "head.hidden", "head.output": "head.output"})
    table.update({"redundant_head.hidden": "redundant_head.hidden", "redundant_head.output": "redundant_head.output"})
    table.update({f"intervention.{part}": f"pair_{part}" for part in ("critical", "redundant", "output")})
    return table


def parameters_by_name(model, layers, values):
    """{name in carl: list}, of parameters or of anything with their names."""
    found = {}
    for theirs, ours in names(layers).items():
        module = model.get_submodule(ours)
        if isinstance(module, GraphConvolution):
            found[f"{theirs}.linear.weight"] = values[f"{ours}.linear.weight"].T
            found[f"{theirs}.linear.bias"] = values[f"{ours}.linear.bias"]
            found[f"{theirs}.gain"] = values[f"{ours}.norm.weight"]
            found[f"{theirs}.shift"] = values[f"{ours}.norm.bias"]
        else:
            found[f"{theirs}.weight"] = values[f"{ours}.weight"].T
            found[f"{theirs}.bias"] = values[f"{ours}.bias"]
    return {name: tensor.detach().flatten().tolist() for name, tensor in found.items()}


def random_graphs(count, nodes, vocabulary, output):
    """Chains with random forward edges of multiplicity 1 or 2 and random padding; the last live node is the output."""
    operations, adjacency = torch.zeros(count, nodes, vocabulary), torch.zeros(count, nodes, nodes)
    mask = torch.zeros(count, nodes, 1)
    for b in range(count):
        live = int(torch.randint(3, nodes + 1, ()))
        mask[b, :live] = 1
        operations[b, 0, 0] = 1
        operations[b, live - 1, output] = 1
        for i in range(live - 1):
            if i > 0:
                operations[b, i, int(torch.randint(2, vocabulary, ()))] = 1
            adjacency[b, i, i + 1] = 1
            for j in range(i + 2, live):
                adjacency[b, i, j] = float(torch.randint(0, 3, ()))
    return operations, adjacency, mask


def golden(path):
    shape = {"vocabulary": 5, "output": 1, "hidden": 6, "layers": 2}
    options = {"ranking": 1.0, "regression": 0.3, "intervention": 0.5, "redundant": 0.1, "variance": 0.2, "partners": 4}
    train = {"learning_rate": 3e-3, "weight_decay": 1e-2, "gradient_clip": 0.5, "momentum": 0.9}
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    model = Carl(**shape, dropout=0.0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.4)
    graphs, labels = random_graphs(7, 6, shape["vocabulary"], shape["output"]), torch.randn(7)
    before = parameters_by_name(model, shape["layers"], dict(model.named_parameters()))
    c, node, edge = model.critical_part(*graphs)
    forward = {"score": model.head(c), "node_mask": node.squeeze(-1), "edge_mask": edge}
    terms = losses(model, graphs, labels, options)
    terms["loss"].backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    clip(list(model.parameters()), train["gradient_clip"])
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=train["learning_rate"],
        betas=(train["momentum"], 0.999),
        weight_decay=train["weight_decay"],
    )
    optimizer.step()
    record = {
        "shape": shape,
        "loss_options": options,
        "train_options": train,
        "operations": graphs[0].tolist(),
        "adjacency": graphs[1].tolist(),
        "mask": graphs[2].squeeze(-1).tolist(),
        "labels": labels.tolist(),
        "parameters": before,
        "forward": {name: value.detach().flatten().tolist() for name, value in forward.items()},
        "terms": {name: float(value.detach()) for name, value in terms.items()},
        "gradients": parameters_by_name(model, shape["layers"], gradients),
        "after_step": parameters_by_name(model, shape["layers"], dict(model.named_parameters())),
    }
    with open(path, "w") as file:
        json.dump(record, file)


def train_member(graphs, labels, options, epochs, batch, seed):
    torch.manual_seed(seed)
    operations, adjacency, mask = graphs
    model = Carl(operations.shape[-1], 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    count = len(labels)
    steps = max(1, round(count / batch))
    size = count // steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * steps, pct_start=0.1)
    for _ in range(epochs):
        order = torch.randperm(count)
        for step in range(steps):
            rows = order[step * size : (step + 1) * size]
            loss = losses(model, (operations[rows], adjacency[rows], mask[rows]), labels[rows], options)["loss"]
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def score(models, graphs, batch=2048):
    """Mean score of every row; every row is encoded, as it comes."""
    operations, adjacency, mask = graphs
    sums = torch.zeros(len(operations))
    for model in models:
        for k in range(0, len(operations), batch):
            part = operations[k : k + batch], adjacency[k : k + batch], mask[k : k + batch]
            sums[k : k + batch] += model.head(model.critical_part(*part)[0])
    return sums / len(models)


def read_table(path, target):
    """NAS-Bench-201 cells as raw line graphs [n, 8, ...] without any reduction, beside their labels."""
    import csv
    import gzip

    operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    rows = list(csv.DictReader(gzip.open(path, "rt")))
    one_hot, base = torch.zeros(len(rows), 8, 7), torch.zeros(8, 8)
    one_hot[:, 0, 0] = one_hot[:, 7, 1] = 1
    for k, row in enumerate(rows):
        tokens = [token.split("~")[0] for group in row["arch"].split("+") for token in group.strip("|").split("|")]
        for i, name in enumerate(tokens):
            one_hot[k, i + 1, 2 + operations.index(name)] = 1
    for i, (a, b) in enumerate(edges):
        base[0, i + 1], base[i + 1, 7] = float(a == 0), float(b == 3)
        for j, (c, _) in enumerate(edges):
            base[i + 1, j + 1] = float(b == c)
    adjacency = base.expand(len(rows), 8, 8).contiguous()
    return (one_hot, adjacency, torch.ones(len(rows), 8, 1)), torch.tensor([float(row[target]) for row in rows])


def timing(arguments):
    torch.set_num_threads(arguments.threads)
    graphs, values = read_table(arguments.table, arguments.target)
    rows = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))[: arguments.rows]
    labels = (values[rows] - values[rows].mean()) / values[rows].std()
    options = {"ranking": 1.0, "regression": 0.0, "intervention": 0.5, "redundant": 0.1, "variance": 0.0}
    options["partners"] = arguments.partners
    chosen = tuple(part[rows] for part in graphs)
    started = time.perf_counter()
    models = [train_member(chosen, labels, options, arguments.epochs, 64, seed) for seed in range(arguments.members)]
    trained = time.perf_counter()
    score(models, graphs)
    scored = time.perf_counter()
    print(json.dumps({"train_seconds": trained - started, "score_seconds": scored - trained}))


def parts(arguments):
    """One line a part, the parts of tests/bench/parts.rs that a plain program has; medians."""
    torch.set_num_threads(arguments.threads)

    def report(what, unit, count, repeats, run):
        run()
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        middle = sorted(times)[repeats // 2]
        print(f"reference {what}: {middle / count * 1e6:.2f} microseconds a {unit}", flush=True)

    graphs, values = read_table(arguments.table, arguments.target)
    count = len(values)
    report("texts to tensors", "cell", count, 3, lambda: read_table(arguments.table, arguments.target))
    model = Carl(graphs[0].shape[-1], 1).eval()
    with torch.no_grad():
        report("forward", "cell and member", count, 5, lambda: model.head(model.critical_part(*graphs)[0]))
    report("scoring", "cell and member", count, 5, lambda: score([model], graphs))
    options = {"ranking": 1.0, "regression": 0.0, "intervention": 0.5, "redundant": 0.1, "variance": 0.0, "partners": 8}
    labels = (values[:64] - values[:64].mean()) / values[:64].std()
    chosen = tuple(part[:64] for part in graphs)
    report("step of 64 cells", "step and member", 20, 5, lambda: train_member(chosen, labels, options, 20, 64, 0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("golden")
    one.add_argument("output")
    two = commands.add_parser("time")
    two.add_argument("table")
    two.add_argument("--target", default="c10_val")
    two.add_argument("--rows", type=int, default=156)
    two.add_argument("--members", type=int, default=5)
    two.add_argument("--epochs", type=int, default=200)
    two.add_argument("--partners", type=int, default=8)
    two.add_argument("--threads", type=int, default=2)
    three = commands.add_parser("parts")
    three.add_argument("table")
    three.add_argument("--target", default="c10_val")
    three.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.command == "golden":
        golden(arguments.output)
    elif arguments.command == "parts":
        parts(arguments)
    else:
        timing(arguments)
