"""The command `wse-sim`: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from wse_sim.mapping import cli
from wse_sim.mapping.model import checkpoint as checkpoint_module

SHIPPED = Path(checkpoint_module.__file__).parent / "shipped"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["wse-sim", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped checkpoint to break."""
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(SHIPPED / name, tmp_path / name)
    return tmp_path


def test_json_has_what_is_promised(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "run", "--tokens", "3", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {
        "text", "token_ids", "cycles", "cycles_per_token", "grid", "wafer", "pe_states", "links", "sram",
        "max_abs_error", "provenance",
    } <= set(found)  # fmt: skip
    assert len(found["token_ids"]) == 3
    assert found["text"].startswith("Alice was beginning to")
    assert sum(found["cycles_per_token"]) == found["cycles"]
    assert sum(found["pe_states"].values()) == found["cycles"] * found["grid"][0] * found["grid"][1]
    assert 0 < found["links"]["busiest_share"] <= 1
    assert found["sram"]["peak_bytes"] <= found["sram"]["limit_bytes"]
    assert found["max_abs_error"] < 1e-3


def test_text_and_files(monkeypatch, capsys, tmp_path) -> None:
    out = tmp_path / "results"
    assert call(monkeypatch, "run", "--tokens", "2", "--grid", "13x11", "--wafer", "wse3", "--out", str(out)) == 0
    printed = capsys.readouterr().out
    expected = ("Alice was beginning to", "WSE-3, 13 x 11 PEs, f32", "tokens/s", "busiest links", "SRAM", "logit error")
    for part in expected:
        assert part in printed
    report = json.loads((out / "report.json").read_text())
    assert report["width"] == 13
    assert np.load(out / "logits.npy").shape[1] == 509
    for picture in ("utilisation.png", "links.png"):
        assert (out / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_ids_need_no_tokenizer(monkeypatch, capsys, folder) -> None:
    (folder / "tokenizer.json").unlink()
    assert call(monkeypatch, "run", "--checkpoint", str(folder), "--ids", "5,17,9", "--tokens", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["text"] is None
    assert call(monkeypatch, "run", "--checkpoint", str(folder), "--prompt", "Alice") == 2
    assert "has no tokenizer" in capsys.readouterr().err


def test_show(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "show", "wse2") == 0
    printed = capsys.readouterr().out
    assert "750" in printed
    assert "published" in printed


BAD = [
    (("run", "--checkpoint", "/no/such/folder"), r"/no/such/folder"),
    (("run", "--wafer", "wse9"), r"wse9.*wse2"),
    (("run", "--grid", "12"), r"--grid 12: expected WIDTHxHEIGHT"),
    (("run", "--grid", "5000x5"), r"5000x5.*750x994"),
    (("run", "--grid", "2x2"), r"needs [\d,]+ bytes a PE, [\d,]+ more than .* would fit"),
    (("run", "--dtype", "f64"), r"--dtype f64: expected f32 or f16"),
    (("run", "--accumulate", "bf16"), r"--accumulate bf16: expected f32 or f16"),
    (("run", "--accumulate", "f16"), r"dtype f32 with accumulate f16: expected f32 with f32, or f16 with f16 or f32"),
    (("run", "--prompt", ""), r"prompt is empty"),
    (("run", "--prompt", "Alice " * 200), r"positions, but the context has 128"),
    (("run", "--tokens", "500"), r"positions, but the context has 128"),
    (("run", "--ids", "5,x"), r"--ids '5,x': expected token ids"),
    (("run", "--ids", "5,999999"), r"token 999999: expected 0 to 508"),
    (("run", "--ids", "5", "--prompt", "a"), r"both given"),
    (("run", "--out", "/proc/nowhere/results"), r"/proc/nowhere"),
    (("show", "wse9"), r"wse9"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_line_and_status_2(monkeypatch, capsys, arguments, message) -> None:
    assert call(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert re.search(message, error), error


def test_broken_checkpoints(monkeypatch, capsys, folder) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in weights if n.endswith("c_fc.weight"))
    weights[name] = weights[name].copy()
    weights[name].flat[3] = np.nan
    save_file(weights, folder / "model.safetensors")
    assert call(monkeypatch, "run", "--checkpoint", str(folder)) == 2
    assert "NaN" in capsys.readouterr().err
    whole = (SHIPPED / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert call(monkeypatch, "run", "--checkpoint", str(folder)) == 2
    assert "model.safetensors" in capsys.readouterr().err
    settings = json.loads((folder / "config.json").read_text())
    other = {**settings, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(other))
    assert call(monkeypatch, "run", "--checkpoint", str(folder)) == 2
    assert "llama" in capsys.readouterr().err.lower()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupt_stops_cleanly() -> None:
    long = "run --tokens 110 --grid 60x60"
    program = f"import sys; from wse_sim.mapping.cli import main; sys.argv[1:] = '{long}'.split(); main()"
    child = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(6)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in error
    assert "interrupted" in error
