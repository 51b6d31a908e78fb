"""Runs of Snakemake forked from a process that has loaded it, so that none of hundreds loads it again.

What it has loaded are the libraries alone. The project's own code is loaded by each run, from the
copy that it is to be of, as it is in a run of its own.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import threading

# What Snakemake's main process loads in a run of a study, beside the project's own code.
LOADED = ("snakemake.cli", "snakemake.api", "snakemake.workflow", "snakemake.dag")


class Zygote:
    """The client of one such process, which is started with the first run."""

    def __init__(self):
        self._process = self._socket = None

    def run(self, arguments, folder, environment):
        """Run snakemake to its end: its exit code and all that it and its jobs have printed."""
        if self._process is None:
            self._start()
        reading, writing = os.pipe()
        request = json.dumps([arguments, str(folder), dict(environment)]).encode()
        try:
            self._socket.sendall(len(request).to_bytes(4, "big"))
            socket.send_fds(self._socket, [b"."], [writing])
            self._socket.sendall(request)
            os.close(writing)
            with open(reading, encoding="utf-8", errors="replace") as file:
                text = file.read()
            return int.from_bytes(_receive(self._socket, 1), "big"), text
        except BaseException:  # such as a test that took too long
            self.end(kill=True)
            raise

    def end(self, kill=False):
        """Let it end, so that what it has cost is accounted for."""
        if self._process is None:
            return
        if kill:
            os.killpg(self._process.pid, 9)
        self._socket.close()
        self._process.wait()
        self._process = self._socket = None

    def _start(self):
        self._socket, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                pass_fds=[other.fileno()],
                start_new_session=True,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
            )


def _receive(connection, size):
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            raise EOFError
        content += part
    return content


def _serve(connection):
    while True:
        try:
            size = int.from_bytes(_receive(connection, 4), "big")
        except EOFError:
            return
        _, [output], _, _ = socket.recv_fds(connection, 1, 1)
        arguments, folder, environment = json.loads(_receive(connection, size))
        child = os.fork()
        if child == 0:
            connection.close()
            _become(arguments, folder, environment, output)
        os.close(output)
        _, status = os.waitpid(child, 0)
        connection.sendall(bytes([os.waitstatus_to_exitcode(status) % 256]))


def _become(arguments, folder, environment, output):
    """Be `python -m snakemake` with these arguments."""
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        sys.path[:0] = [folder, *paths]
        sys.argv = ["snakemake", *arguments]
        importlib.invalidate_caches()
        try:
            runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


if __name__ == "__main__":
    del sys.path[0]  # this folder
    for name in LOADED:
        importlib.import_module(name)
    own = [name for name in sys.modules if name.split(".")[0] in ("acuity", "tests")]
    assert not own, own
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
