"""A family of small networks for the digits of scikit-learn: trains those of a table, one after another.

    python family.py next.csv >> trained.csv

Reads the column `arch`, such as `input conv3x3 skip output;0>1 1>2 2>3`, and prints `arch,accuracy`: percent of images that were not
trained on. Every node sums what it reads, applies its operation to eight channels, and passes them on."""
import csv
import hashlib
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

CHANNELS, TRAIN, EPOCHS, BATCH = 8, 600, 5, 50


def convolution(kernel, separable=False):
    first = nn.Conv2d(CHANNELS, CHANNELS, kernel, padding=kernel // 2, groups=CHANNELS if separable else 1, bias=False)
    layers = [first, nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False)] if separable else [first]
    return nn.Sequential(*layers, nn.BatchNorm2d(CHANNELS), nn.ReLU())


# What a node does; any other one passes on what it reads.
OPERATIONS = {
    "conv3x3": lambda: convolution(3),
    "conv1x1": lambda: convolution(1),
    "sep3x3": lambda: convolution(3, separable=True),
    "maxpool": lambda: nn.MaxPool2d(3, 1, 1),
    "avgpool": lambda: nn.AvgPool2d(3, 1, 1),
}


class Network(nn.Module):
    """The network that an `arch` spells."""

    def __init__(self, arch):
        super().__init__()
        names, edges = arch.split(";")
        self.edges = [tuple(int(node) for node in edge.split(">")) for edge in edges.split()]
        self.stem = nn.Conv2d(1, CHANNELS, 1)
        self.nodes = nn.ModuleList(OPERATIONS.get(name, nn.Identity)() for name in names.split())
        self.head = nn.Linear(4 * CHANNELS, 10)

    def forward(self, images):
        values = [self.stem(images)]
        for node in range(1, len(self.nodes)):
            values.append(self.nodes[node](sum(values[source] for source, target in self.edges if target == node)))
        return self.head(nn.functional.adaptive_avg_pool2d(values[-1], 2).flatten(1))


def accuracy(arch):
    """Trains the network and returns its accuracy; the same network has the same."""
    torch.manual_seed(int(hashlib.sha256(arch.encode()).hexdigest()[:8], 16))
    digits = load_digits()
    images, labels = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8 - 1, torch.tensor(digits.target)
    model = Network(arch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.03, total_steps=EPOCHS * TRAIN // BATCH)
    for _ in range(EPOCHS):
        for rows in torch.randperm(TRAIN).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        right = model.eval()(images[TRAIN:]).argmax(1) == labels[TRAIN:]
    return 100 * right.float().mean().item()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with open(sys.argv[1], newline="") as table:
        for row in csv.DictReader(table):
            print(f"{row['arch']},{accuracy(row['arch']):.2f}", flush=True)
