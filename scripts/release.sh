#!/usr/bin/env bash
# Makes target/dist/carl-VERSION-PLATFORM.tar.gz: the program, its manual page and completions, and all licences. It runs on any
# machine of the platform that has torch 2.11.0; INSTALL inside says how.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cargo build --release --locked
version=$(target/release/carl --version | cut -d' ' -f2)
name=carl-$version-$(uname -m)-$(uname -s | tr '[:upper:]' '[:lower:]')
folder=target/dist/$name
rm -rf "$folder"
mkdir -p "$folder"/{bin,share/man/man1,share/bash-completion/completions,share/zsh/site-functions,share/fish/vendor_completions.d}
cp target/release/carl "$folder/bin/carl"
strip --strip-debug "$folder/bin/carl"
carl="target/release/carl"
"$carl" man > "$folder/share/man/man1/carl.1"
"$carl" completions bash > "$folder/share/bash-completion/completions/carl"
"$carl" completions zsh > "$folder/share/zsh/site-functions/_carl"
"$carl" completions fish > "$folder/share/fish/vendor_completions.d/carl.fish"
cp LICENSE README.md CHANGELOG.md "$folder"
cp -r configs "$folder/configs"
cat > "$folder/INSTALL" <<'TEXT'
carl needs the libraries of torch 2.11.0 (`pip install torch==2.11.0`). Link them beside bin, once:

    ln -s "$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')/lib" lib
    bin/carl doctor

Without the link, name the folder: LD_LIBRARY_PATH=.../torch/lib bin/carl doctor
share/ has the manual page and completions for bash, zsh and fish: copy it to /usr/local/share or ~/.local/share.
TEXT
python3 - "$folder/LICENSES-OF-OTHERS" <<'P'
# The licence of every crate that is part of the program, with its text.
import json, pathlib, subprocess, sys
command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform"]
host = next(line.split()[1] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if line.startswith("host"))
data = json.loads(subprocess.check_output([*command, host], text=True))
nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
reached, open_ = set(), [data["resolve"]["root"]]
while open_:
    node = open_.pop()
    if node not in reached:
        reached.add(node)
        kinds = ((dep["pkg"], [kind["kind"] for kind in dep["dep_kinds"]]) for dep in nodes[node]["deps"])
        open_ += [package for package, kind in kinds if None in kind]
with open(sys.argv[1], "w") as out:
    for package in sorted(data["packages"], key=lambda package: package["name"]):
        if package["id"] in reached and package["source"]:
            out.write(f"{'=' * 80}\n{package['name']} {package['version']}: {package['license']}\n")
            folder = pathlib.Path(package["manifest_path"]).parent
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE")):
                    out.write(f"{'-' * 80}\n{path.read_text(errors='replace')}\n")
P
tar -czf "target/dist/$name.tar.gz" -C target/dist "$name"
echo "target/dist/$name.tar.gz"
