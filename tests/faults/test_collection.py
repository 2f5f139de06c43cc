"""A large collection with Ray: killed workers and drivers, broken files, two nodes."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from pyarrow import parquet

from tests.conftest import write_classes
from utils import collection
from utils.base.folders import ROOT
from utils.base.framework import tf

PICTURES, BROKEN, SIZE, BATCH = 600, 5, 32, 50
BASE = "efficientnet_lite0"
RAY = ("raylet", "gcs_server", "ray::")


TOKEN = f"of-{os.getpid()}"  # other tests may run Ray beside these


def ray_processes():
    """Processes of Ray's that these tests started, zombies left out."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = " ".join([process.info["name"] or "", *(process.info["cmdline"] or [])[:1]])
        if any(name in words for name in RAY):
            with contextlib.suppress(psutil.Error):  # it has ended, or is a zombie
                if process.environ().get("COURSE_TEST") == TOKEN:
                    found.append(process)
    return found


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch):
    """No process of Ray's outlives a test."""
    monkeypatch.setenv("COURSE_TEST", TOKEN)
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    # Agents of a run whose driver was killed wait a minute for an answer before they end.
    until = time.monotonic() + 100
    while (left := ray_processes()) and time.monotonic() < until:
        time.sleep(0.2)
    for process in left:
        process.kill()
    assert left == []


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = write_classes(tmp_path_factory.mktemp("collection"), PICTURES // 2, size=SIZE)
    for i in range(BROKEN):
        (folder / "cat" / f"broken {i}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(i))
    return collection.identified(folder)


@pytest.fixture(scope="module")
def wanted(rows):
    """What a base says of all of them, in this process: identifier → features, None if broken."""
    base, found = collection.pooled(BASE, SIZE), {}
    for first in range(0, len(rows), 64):
        some = rows[first : first + 64]
        batch = collection.read({"path": [row["path"] for row in some]}, SIZE)
        values = base(tf.cast(batch["image"], "float32"), training=False).numpy()
        for row, value, why in zip(some, values, batch["reason"], strict=True):
            found[row["identifier"]] = None if why else value
    assert sum(value is None for value in found.values()) == BROKEN
    return found


def must_hold(output, wanted):
    """Every picture is in the output once, as wanted."""
    found = {}
    for file in output.glob("*.parquet"):
        table = parquet.read_table(file)
        names = table["identifier"].to_pylist()
        assert not {*names} & {*found}
        found |= dict(zip(names, table["features"].to_pylist(), strict=True))
    assert set(found) == set(wanted)
    assert {name for name in found if found[name] is None} == {
        name for name in wanted if wanted[name] is None
    }
    good = [name for name in wanted if wanted[name] is not None]
    mine, usual = (np.array([each[name] for name in good]) for each in (found, wanted))
    np.testing.assert_allclose(mine, usual, atol=1e-4)


SCRIPT = f"""
import sys
from pathlib import Path
from utils import collection
rows = collection.identified(Path(sys.argv[1]))
collection.start(cores=2)
print(collection.extract(rows, Path(sys.argv[2]), {BASE!r}, {SIZE}, actors=2, batch={BATCH}))
"""


def started(rows, output):
    """The run as a process of its own."""
    folder = rows[0]["path"].removesuffix(rows[0]["identifier"])
    words = [sys.executable, "-c", SCRIPT, folder, str(output)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes)


def wait_for(what, process, seconds=120):
    """Wait until something is there, while a process runs; give it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("it never came")


def must_listen_to_this_computer_only(processes):
    """No process takes a connection from elsewhere: what Ray is sent, it runs."""
    listening = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = process.net_connections("tcp")
            listening += [one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN]
    assert len(listening) > 3
    assert {*listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(rows, wanted, tmp_path):
    output = tmp_path / "out"
    process = started(rows, output)
    wait_for(lambda: [*output.glob("*.parquet")], process)
    actors = [p for p in ray_processes() if "Extractor" in " ".join(p.info["cmdline"])]
    assert len(actors) == 2
    must_listen_to_this_computer_only([psutil.Process(process.pid), *ray_processes()])
    actors[0].send_signal(signal.SIGKILL)
    said, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert f"pictures={len(rows)}, computed={len(rows)}" in said
    must_hold(output, wanted)


def test_a_driver_that_is_killed_is_started_again_and_computes_what_is_missing(
    rows, wanted, tmp_path
):
    output = tmp_path / "out"
    process = started(rows, output)
    wait_for(lambda: len([*output.glob("*.parquet")]) > 1, process)
    process.kill()
    process.communicate()
    until = time.monotonic() + 30
    while any("Agent" not in p.info["name"] for p in ray_processes()):
        assert time.monotonic() < until, "a worker goes on without its driver"
        time.sleep(0.2)
    there = collection.done(output)
    assert 0 < len(there) < len(rows)
    (output / "a.parquet.partial-of-a-killed-run").write_bytes(b"half")
    said, errors = started(rows, output).communicate(timeout=180)
    assert f"computed={len(rows) - len(there)}" in said, errors
    must_hold(output, wanted)
    said, errors = started(rows, output).communicate(timeout=180)
    assert "computed=0" in said, errors


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
def test_two_nodes_divide_the_work_and_give_the_same(rows, wanted, tmp_path):
    from ray._private.state import actors
    from ray.cluster_utils import Cluster

    # Ray replaces 127.0.0.1 by an address that others could reach; these two are loopback as well.
    how = {"num_cpus": 1, "object_store_memory": 200_000_000}
    head = how | {"node_ip_address": "127.0.0.2", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(node_ip_address="127.0.0.3", **how)
        cluster.wait_for_nodes()
        collection.start(cluster.address)
        output = tmp_path / "out"
        collection.extract(rows, output, BASE, SIZE, actors=2, batch=BATCH)
        must_hold(output, wanted)
        nodes = {a["Address"]["NodeID"] for a in actors().values() if "Map" in a["ActorClassName"]}
        assert len(nodes) == 2
    finally:
        sys.modules["ray"].shutdown()
        cluster.shutdown()
