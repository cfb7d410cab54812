"""A page without a server: a pad and live answers, for any host of static files; the network runs in the browser."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from hwr import Recognizer
from hwr.config import OTHER, UserError
from hwr.export import whole
from hwr.export.parity import Parity
from hwr.files import write_atomically

SITE = Path(__file__).parent / "site"
PAGE = ("index.html", "style.css", "app.js")
CDN = "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist"
RUNTIME = {  # ONNX Runtime Web for WebAssembly: its files and their sha384
    "script": ("ort.wasm.bundle.min.mjs", "PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG"),
    "wasm": ("ort-wasm-simd-threaded.wasm", "vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM"),
}


def write(folder: Path, out: Path, runtime: Path | None = None) -> Parity:
    """Write the page for a model directory into ``out``, after its graph answered as `Recognizer` does.

    ONNX Runtime Web comes from a CDN, by its digest, or from ``runtime``: an unpacked onnxruntime-web package, whose
    files are copied beside the page. Raises UserError for a model that cannot be exported, and for such a folder
    without those files.
    """
    files, found = proven(folder, runtime)
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_atomically(out / name, data)
    return found


def proven(folder: Path, runtime: Path | None = None) -> tuple[dict[str, bytes], Parity]:
    """The files of the page, name -> content, after its graph answered as `Recognizer` does."""
    beside = runtime_files(runtime)
    content, found = whole.proven(folder)
    return page(folder, content, runtime is not None) | beside, found


def page(folder: Path, graph: bytes, local: bool) -> dict[str, bytes]:
    """The files of the page: name -> content."""
    recognizer = Recognizer.from_pretrained(folder)
    config, digest = recognizer.config, integrity(graph)
    model = {
        "alphabets": config.alphabets(),
        "other": config.labels.index(OTHER) if OTHER in config.labels else None,
        "symbols": config.symbols(),
        "threshold": config.rejection_threshold,
        "graph": {"url": whole.NAME, "integrity": digest},
        "version": hashlib.sha256(graph + (SITE / "app.js").read_bytes()).hexdigest()[:12],
    }
    place = "." if local else CDN
    runtime = {key: {"url": f"{place}/{name}", "integrity": f"sha384-{sha}"} for key, (name, sha) in RUNTIME.items()}
    files = {name: (SITE / name).read_bytes() for name in PAGE} | {whole.NAME: graph}
    for key, value in {"model": model, "runtime": runtime}.items():
        files["app.js"] = files["app.js"].replace(b"{{%s}}" % key.encode(), _script(value))
    return files


def _script(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").encode()


def runtime_files(runtime: Path | None) -> dict[str, bytes]:
    """The two files of an onnxruntime-web package. Raises UserError where one is missing or of another version."""
    found = {}
    for name, sha in RUNTIME.values() if runtime else ():
        assert runtime is not None
        places = [path for path in (runtime / name, runtime / "dist" / name) if path.is_file()]
        if not places or integrity(places[0].read_bytes()) != f"sha384-{sha}":
            wanted = CDN.partition("/npm/")[2].partition("/")[0]
            raise UserError(f"{runtime} is not {wanted}: its {name} is missing or another; unpack `npm pack {wanted}`")
        found[name] = places[0].read_bytes()
    return found


def integrity(content: bytes) -> str:
    """A digest as browsers check it."""
    return f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
