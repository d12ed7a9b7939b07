"""400 cells of NAS-Bench-201 as whole networks in ONNX files, to compare networks as files with cells as strings.

  python scripts/reference/nasbench201_networks.py nasbench201.csv.gz FOLDER
  python scripts/reference/nasbench201_networks.py nasbench201.csv.gz FOLDER IMPORTED.csv

Writes FOLDER/networks/*.onnx, of three stages of five cells, whose weights have shapes and no values; FOLDER/measured.csv, their
accuracies by name, and FOLDER/strings.csv, the same cells as strings. With what `carl import` made of them: compares parameters and
multiply-adds with a count from the string of each cell, and with the columns of the table, and fails where the count differs by
more than 1 %. All operations of a cell count, those included that `none` cuts off: they have weights, and they are run. Needs
nothing but Python.
"""
import csv
import gzip
import pathlib
import random
import sys


def number(value):
    """A number as protobuf writes it."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(key, value):
    """A field of a message: a number, a text or a message."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(value)) + value


class Model:
    """Operators and tensors, one after another."""

    def __init__(self):
        self.operators, self.tensors, self.values = [], [], 0

    def value(self):
        self.values += 1
        return f"v{self.values}"

    def tensor(self, *sizes, data=b""):
        name = self.value()
        message = b"".join(field(1, size) for size in sizes) + field(2, 1) + field(8, name)
        self.tensors.append(message + (field(9, data) if data else b""))
        return name

    def add(self, kind, inputs, **attributes):
        output = self.value()
        message = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
        for name, sizes in attributes.items():
            message += field(5, field(1, name) + b"".join(field(8, size) for size in sizes) + field(20, 7))
        self.operators.append(message)
        return output

    def conv(self, x, inputs, outputs, kernel, stride=1, relu=True):
        x = self.add("Relu", [x]) if relu else x
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        return self.norm(self.add("Conv", [x, self.tensor(outputs, inputs, kernel, kernel)], **sizes), outputs)

    def norm(self, x, channels):
        return self.add("BatchNormalization", [x, *(self.tensor(channels) for _ in range(4))])

    def operation(self, name, x, channels, zero):
        if name.startswith("nor_conv"):
            return self.conv(x, channels, channels, int(name[-1]))
        if name == "avg_pool_3x3":
            return self.add("AveragePool", [x], kernel_shape=[3, 3], pads=[1] * 4)
        return self.add("Mul", [x, zero]) if name == "none" else x

    def cell(self, arch, x, channels, zero):
        maps = [x]
        for node in arch.split("+"):
            terms = [edge.split("~") for edge in node.strip("|").split("|")]
            first, *others = [self.operation(name, maps[int(source)], channels, zero) for name, source in terms]
            for other in others:
                first = self.add("Add", [first, other])
            maps.append(first)
        return maps[-1]


def network(arch):
    """The bytes of an ONNX file."""
    model = Model()
    zero, x = model.tensor(data=bytes(4)), model.conv("image", 3, 16, 3, relu=False)
    for channels in (16, 32, 64):
        if channels > 16:
            pooled = model.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            short = model.add("Conv", [pooled, model.tensor(channels, channels // 2, 1, 1)], kernel_shape=[1, 1])
            x = model.add("Add", [short, model.conv(model.conv(x, channels // 2, channels, 3, 2), channels, channels, 3)])
        for _ in range(5):
            x = model.cell(arch, x, channels, zero)
    x = model.add("Flatten", [model.add("GlobalAveragePool", [model.add("Relu", [model.norm(x, 64)])])])
    x = model.add("Gemm", [x, model.tensor(64, 10), model.tensor(10)])
    sizes = lambda *sizes: field(2, b"".join(field(1, field(1, size)) for size in sizes))
    value = lambda name, shape: field(1, name) + field(2, field(1, field(1, 1) + shape))
    graph = b"".join(field(1, message) for message in model.operators) + b"".join(field(5, message) for message in model.tensors)
    graph += field(11, value("image", sizes(1, 3, 32, 32))) + field(12, value(x, sizes(1, 10)))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def count(arch):
    """Parameters and multiply-adds of the network, from the string of its cell alone."""
    kernels = [int(edge[9]) ** 2 for node in arch.split("+") for edge in node.strip("|").split("|") if edge.startswith("nor_conv")]
    parameters, products = 3 * 9 * 16 + 2 * 16 + 2 * 64 + 64 * 10 + 10, 3 * 9 * 16 * 32 * 32 + 64 * 10
    for channels, size in ((16, 32), (32, 16), (64, 8)):
        weights = [kernel * channels**2 for kernel in kernels] * 5
        norms = len(weights)
        if channels > 16:  # the block between stages: two 3x3 with a norm each, and a 1x1 without
            weights += [9 * channels**2 // 2, 9 * channels**2, channels**2 // 2]
            norms += 2
        parameters += sum(weights) + norms * 2 * channels
        products += sum(weights) * size**2
    return parameters, products


def check(rows, imported):
    """Whether what was imported has the counts of its cells; tells how far it is from the table as well."""
    with open(imported, newline="") as text:
        networks = {row["name"]: row for row in csv.DictReader(text)}
    off = lambda number, other: abs(number / other - 1) > 0.01
    wrong = 0
    for index, (name, column) in enumerate((("params", "params_m_c10"), ("madds", "flops_m_c100"))):
        own = [int(networks[f"n{number:03}"][name] or 0) for number in range(len(rows))]
        counted = [count(row["arch"])[index] for row in rows]
        table = [float(row[column]) * 1e6 for row in rows]
        largest = max(abs(number / other - 1) for number, other in zip(own, counted))
        mine, published, both = (sum(map(off, a, b)) for a, b in ((own, counted), (own, table), (counted, table)))
        wrong += mine
        print(f"{name}: {mine} of {len(rows)} are more than 1 % off the count (at most {largest:.2%});", end=" ")
        print(f"{published} are off the column {column}, and so is the count of {both}")
    return wrong == 0


def main():
    table, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    with gzip.open(table, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    random.Random(0).shuffle(rows)
    if len(sys.argv) > 3:
        sys.exit(not check(rows[:400], sys.argv[3]))
    measured, strings = ["name,c10_val,c10_test"], ["arch,c10_val,c10_test"]
    for index, row in enumerate(rows[:400]):
        (folder / "networks" / f"n{index:03}.onnx").write_bytes(network(row["arch"]))
        measured.append(f"n{index:03},{row['c10_val']},{row['c10_test']}")
        strings.append(f"{row['arch']},{row['c10_val']},{row['c10_test']}")
    (folder / "measured.csv").write_text("\n".join([*measured, ""]))
    (folder / "strings.csv").write_text("\n".join([*strings, ""]))


if __name__ == "__main__":
    main()
