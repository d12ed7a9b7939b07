"""400 cells of NAS-Bench-201 as whole networks in ONNX files, to compare networks as files with cells as strings.

  python scripts/nasbench201_networks.py nasbench201.csv.gz FOLDER

Writes FOLDER/networks/*.onnx, of three stages of five cells, whose weights have shapes and no values; FOLDER/measured.csv, their accuracies
by name, and FOLDER/strings.csv, the same cells as strings. Needs nothing but Python.
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
        self.tensors.append(b"".join(field(1, size) for size in sizes) + field(2, 1) + field(8, name) + (field(9, data) if data else b""))
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


def main():
    table, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    with gzip.open(table, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    random.Random(0).shuffle(rows)
    measured, strings = ["name,c10_val,c10_test"], ["arch,c10_val,c10_test"]
    for index, row in enumerate(rows[:400]):
        (folder / "networks" / f"n{index:03}.onnx").write_bytes(network(row["arch"]))
        measured.append(f"n{index:03},{row['c10_val']},{row['c10_test']}")
        strings.append(f"{row['arch']},{row['c10_val']},{row['c10_test']}")
    (folder / "measured.csv").write_text("\n".join([*measured, ""]))
    (folder / "strings.csv").write_text("\n".join([*strings, ""]))


if __name__ == "__main__":
    main()
