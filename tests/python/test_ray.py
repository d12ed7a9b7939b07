"""A whole space on a local Ray with two workers, one of which is killed on the way."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import pyarrow.parquet
from common import REFERENCE, ROOT, carl, rows

PART = 200


def workers(root):
    """Processes of Ray's actors below process `root`."""
    parents, names = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat, name = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)], names[int(folder.name)] = int(stat.rsplit(")", 1)[1].split()[1]), name

    def below(process):
        while process in parents and process != root:
            process = parents[process]
        return process == root

    return [process for process, name in names.items() if name.startswith("ray::") and "Map" in name and below(process)]


class RayScore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        carl("export", REFERENCE, "--output", cls.folder / "model.pt")
        carl("predict", REFERENCE, "--all", "--output", cls.folder / "all.csv")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def start(self, folder, *arguments):
        command = [sys.executable, ROOT / "scripts/ray_score.py", self.folder / "model.pt", "nasbench201", folder]
        command += ["--part", PART, "--top", 20, *arguments]
        # Ray's workers are polite by default, and would wait for whatever else the machine does.
        surroundings = {**os.environ, "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
        command = [str(part) for part in command]
        return subprocess.Popen(
            command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self, process):
        output, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, output)
        return output

    def test_every_id_once_with_the_scores_of_predict_though_a_worker_dies(self):
        folder = self.folder / "killed"
        folder.mkdir()
        left = folder / ".part-00000000000000000000-00000000000000000200.parquet.1.partial"
        left.write_bytes(b"a worker died here")
        process = self.start(folder)
        killed = None
        while killed is None and process.poll() is None:
            time.sleep(0.02)
            if len(list(folder.glob("part-*.parquet"))) >= 5 and (found := workers(process.pid)):
                killed = found[0]
                os.kill(killed, signal.SIGKILL)
        self.assertIsNotNone(killed, "no worker was there to kill")
        self.assertIn("15625 architectures", self.finish(process))
        table = pyarrow.parquet.read_table(sorted(folder.glob("part-*.parquet"))).to_pydict()
        self.assertEqual(table["id"], list(range(15625)))
        known = rows(self.folder / "all.csv")
        for column in ("score", "std"):
            expected = np.array([float(row[column]) for row in known])
            self.assertLess(np.abs(np.array(table[column]) - expected).max(), 1e-6)
        best = rows(folder / "top.csv")
        self.assertEqual(len(best), 20)
        self.assertEqual([known[int(row["id"])]["arch"] for row in best], [row["arch"] for row in best])
        order = np.lexsort((table["id"], -np.array(table["score"])))[:20]
        self.assertEqual([int(row["id"]) for row in best], order.tolist())
        bins = rows(folder / "histogram.csv")
        self.assertEqual(sum(int(row["scores"]) for row in bins), 15625)

        # The same again from nothing, without a death: the same files.
        whole = self.folder / "whole"
        self.finish(self.start(whole))
        names = sorted(path.name for path in whole.iterdir())
        self.assertEqual(names, sorted(path.name for path in folder.iterdir()))
        for name in names:
            self.assertEqual((whole / name).read_bytes(), (folder / name).read_bytes(), name)

        # Again after two parts were lost: only these are made.
        parts = sorted(whole.glob("part-*.parquet"))
        stamps = {path: path.stat().st_mtime_ns for path in parts}
        for path in parts[3:5]:
            path.unlink()
        self.finish(self.start(whole))
        for path in parts:
            self.assertEqual(stamps[path] == path.stat().st_mtime_ns, path not in parts[3:5])
        self.assertEqual((whole / "top.csv").read_bytes(), (folder / "top.csv").read_bytes())

        other = self.start(whole, "--stop", "1000")
        output, _ = other.communicate(timeout=300)
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("holds another job", output)


if __name__ == "__main__":
    unittest.main()
