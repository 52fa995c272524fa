"""The loop: learns, is the same twice, goes on bit for bit after any stop, and keeps its memory."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from isocenter.core.errors import IsocenterError, StorageProblem
from isocenter.core.progress import Silent
from isocenter.learning.models._shared import Ensemble
from isocenter.learning.training.batches import Order
from isocenter.learning.training.log import Log, read_log
from isocenter.learning.training.members import School, train_members
from isocenter.learning.training.schedule import rate_at

sys.path.insert(0, str(Path(__file__).parent))
from training_samples import recipe, school, squares


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def weights(network: nn.Module) -> str:
    """The hash of all weights."""
    values = [value.numpy().tobytes() for value in network.state_dict().values()]
    return hashlib.sha256(b"".join(values)).hexdigest()


class Impatient:
    """Presses Ctrl-C after so many steps."""

    def __init__(self, after: int) -> None:
        self.left = after

    def start(self, what: str, total: int | None = None) -> None: ...

    def say(self, message: str) -> None: ...

    def advance(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_it_learns() -> None:
    trained = train_members(school(steps=80, average=0.0), Silent())
    truth = squares().targets[trained.rows].argmax(1)
    assert (trained.logits.argmax(1) == truth).mean() >= 0.9


def test_the_same_seed_gives_the_same_weights() -> None:
    assert weights(train_members(school(), Silent()).network) == weights(train_members(school(), Silent()).network)


@pytest.mark.parametrize("after", [1, 5, 11])
def test_a_stop_changes_nothing(tmp_path: Path, after: int) -> None:
    undisturbed = train_members(school(), Silent())
    with pytest.raises(KeyboardInterrupt):
        train_members(school(tmp_path), Impatient(after))
    resumed = train_members(school(tmp_path), Silent())
    assert weights(resumed.network) == weights(undisturbed.network)
    assert [one["step"] for one in read_log(tmp_path / "log.jsonl")] == [4, 8, 12]


def test_a_kill_at_any_moment_changes_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from training_samples import school\n"
        "from isocenter.learning.training.members import train_members\n"
        "from isocenter.core.progress import Silent\n"
        "print('begun', flush=True); train_members(school(Path(sys.argv[2]), steps=200), Silent())\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path)]
    rng = np.random.default_rng(0)
    for _ in range(3):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        before = _written(tmp_path)
        while _written(tmp_path) == before and child.poll() is None:
            time.sleep(0.001)
        try:
            child.wait(timeout=float(rng.uniform(0.0, 0.2)))
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        child.stdout.close()
    assert (tmp_path / "member-0.safetensors").is_file()
    resumed = train_members(school(tmp_path, steps=200), Silent())
    assert weights(resumed.network) == weights(train_members(school(steps=200), Silent()).network)
    assert [one["step"] for one in read_log(tmp_path / "log.jsonl")] == [67, 133, 200]


def _written(folder: Path) -> int:
    """When the checkpoint was last written; 0 where there is none."""
    place = folder / "member-0.safetensors"
    return place.stat().st_mtime_ns if place.is_file() else 0


def test_a_finished_member_is_not_trained_again(tmp_path: Path) -> None:
    first = train_members(school(tmp_path), Silent())
    again = train_members(school(tmp_path), Silent())
    assert weights(first.network) == weights(again.network)
    assert len(read_log(tmp_path / "log.jsonl")) == 3


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train_members(school(tmp_path), Silent())
    with pytest.raises(StorageProblem, match="belongs to another training"):
        train_members(school(tmp_path, learning_rate=1e-4), Silent())
    with pytest.raises(StorageProblem, match="belongs to another training"):
        train_members(replace(school(tmp_path), data="other cases"), Silent())


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    train_members(school(tmp_path), Silent())
    place = tmp_path / "member-0.safetensors"
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(StorageProblem, match=r"member-0.*Delete it"):
        train_members(school(tmp_path), Silent())


def test_members_judge_what_they_have_not_seen() -> None:
    trained = train_members(school(members=3), Silent())
    assert trained.rows.tolist() == list(range(24))
    logits, features, embedding = trained.network(torch.zeros(2, 1, 12, 12))
    assert logits.shape == (2, 2)
    assert features.shape[1] == 3 * (features.shape[1] // 3)
    assert embedding.shape[0] == 2


def test_a_loss_that_is_no_number_is_refused() -> None:
    material = squares()
    broken = school(material=material)
    with pytest.raises(IsocenterError, match="no longer a number"):
        train_members(_with_loss(broken), Silent())


def _with_loss(given: School) -> School:
    return replace(given, loss=lambda logits, targets: (logits.sum() + targets.sum()) * float("nan"))


def test_patience_ends_early() -> None:
    given = school(steps=40, looks=20, patience=2)
    train_members(given, Silent())
    assert given.log.entries[-1]["step"] < 40


def test_gradients_of_divided_batches_add_up() -> None:
    whole = recipe(batch=8)
    divided = recipe(batch=4, accumulate=2)
    rows = np.arange(24)
    first = Order(rows, batch=whole.training.batch, seed=[0, 0]).at(0)
    second = Order(rows, batch=divided.training.batch, seed=[0, 0])
    assert first.tolist() == [*second.at(0), *second.at(1)]


def test_every_epoch_holds_every_case_once() -> None:
    order = Order(np.arange(10), batch=4, seed=[3, 0])
    seen = np.concatenate([order.at(step) for step in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert Order(np.arange(10), batch=25, seed=[3, 0]).at(0).shape == (25,)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_the_rate_stays_in_its_bounds(schedule: str) -> None:
    training = recipe(steps=50, schedule=schedule).training
    rates = [rate_at(step, training) for step in range(50)]
    assert max(rates) == pytest.approx(training.learning_rate, rel=0.01)
    assert min(rates) > 0
    assert schedule == "constant" or rates[-1] < 0.001 * training.learning_rate


def test_half_a_line_of_log_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"member": 0, "step": 1}\n{"member": 0, "st')
    log = Log(path)
    log.write({"member": 0, "step": 2})
    assert [one["step"] for one in read_log(path)] == [1, 2]


def test_memory_does_not_grow(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    train_members(school(steps=60), Silent())
    before = process.memory_info().rss
    train_members(school(steps=400), Silent())
    assert process.memory_info().rss < before * 1.05


def test_a_step_leaves_nothing_behind_for_machines_that_are_not_there() -> None:
    """Seeding by `torch.manual_seed` queues a call and a stack trace for absent accelerators, with every step."""
    before = len(torch.xpu._queued_calls)
    train_members(school(steps=12), Silent())
    assert len(torch.xpu._queued_calls) <= before + 2  # that of the first weights, once for each member


def test_members_are_varied_as_strongly_as_their_turn_says() -> None:
    """A member whose turn is 0 learns as one without variations does; the next does not."""

    def learned(**variations: object) -> list[str]:
        given = school(members=2)
        given = replace(given, recipe=given.recipe.changed("augmentation", **variations))
        network = train_members(given, Silent()).network
        assert isinstance(network, Ensemble)
        return [weights(member) for member in network.members]

    none = dict.fromkeys(("rotation", "scaling", "shift", "brightness", "noise", "erased"), 0.0)
    plain, varied = learned(**none), learned(in_turn=(0.0, 1.0))
    assert plain[0] == varied[0]
    assert plain[1] != varied[1]
