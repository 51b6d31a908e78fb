"""Runs of Snakemake and of its jobs, forked from a process that has loaded what they load.

Hundreds of runs are tested, and to load the libraries takes most of their time. The project's own code
is not loaded here: each loads it from the copy that it is to be of, as it does in a process of its own.
Real processes are those of `Workflow.start`, of the tests of the command line and of the clusters.

Run as a script with an address: a client, that has a job of its arguments forked and waits for it.
"""

import os
import socket
import sys

# What jobs and Snakemake's main process load, beside the project's own code.
LOADED = (
    "snakemake.cli",
    "snakemake.api",
    "snakemake.workflow",
    "snakemake.dag",
    "snakemake.script",
    "snakemake.scheduling.job_scheduler",
    "snakemake.scheduling.greedy",
    "snakemake.report",
    "numpy",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.signal",
    "scipy.spatial",
    "scipy.stats",
    "numba",
    "torch",
    "pandas",
    "pydantic",
    "zarr",
    "h5py",
    "tifffile",
    "skimage.filters",
    "skimage.measure",
    "skimage.segmentation",
    "torch._dynamo",
    "sklearn.decomposition",
    "safetensors.torch",
    "jinja2",
    "PIL.ImageDraw",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)


class Zygote:
    """The client of one such process, which is started with the first run."""

    def __init__(self):
        self._process = self._control = self._folder = None

    def run(self, arguments, folder, environment):
        """Run snakemake to its end: its exit code, and all that it and its jobs have printed."""
        if self._process is None:
            self._start()
        reading, writing = os.pipe()
        try:
            with _connect(self._address) as connection:
                _ask(connection, "snakemake", arguments, folder, environment, [writing, writing])
                os.close(writing)
                with open(reading, encoding="utf-8", errors="replace") as file:
                    text = file.read()
                return _receive(connection, 1)[0], text
        except BaseException:  # such as a test that took too long
            self.end(kill=True)
            raise

    def end(self, kill=False):
        """Let it end, so that what it has cost is accounted for."""
        if self._process is None:
            return
        if kill:
            os.killpg(self._process.pid, 9)
        self._control.close()
        self._process.wait()
        self._folder.cleanup()
        self._process = None

    def _start(self):
        import subprocess
        import tempfile

        self._folder = tempfile.TemporaryDirectory(prefix="zygote")
        self._address = os.path.join(self._folder.name, "socket")
        self._control, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--serve", self._address, str(other.fileno())],
                pass_fds=[other.fileno()],
                start_new_session=True,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
            )
        assert self._control.recv(1) == b"."


def _connect(address):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    return connection


def _ask(connection, what, arguments, folder, environment, files):
    import json

    request = json.dumps([what, arguments, str(folder), dict(environment)]).encode()
    socket.send_fds(connection, [len(request).to_bytes(4, "big")], files)
    connection.sendall(request)


def _receive(connection, size):
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            raise EOFError
        content += part
    return content


def _serve(address, control):
    import gc
    import importlib
    import select
    import signal

    for name in LOADED:
        importlib.import_module(name)
    own = [name for name in sys.modules if name.split(".")[0] in ("acuity", "tests")]
    assert not own, own
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda *_: _reap(os.WNOHANG))
    control.sendall(b".")
    while True:
        ready, _, _ = select.select([listener, control], [], [])
        if control in ready:
            break
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            control.close()
            _nurse(connection, address)
        connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _reap(0)


def _reap(how):
    try:
        while os.waitpid(-1, how)[0]:
            pass
    except ChildProcessError:
        pass


def _nurse(connection, address):
    """Fork what is asked for, and tell how it ended."""
    import json

    try:
        size, files, _, _ = socket.recv_fds(connection, 4, 2)
        what, arguments, folder, environment = json.loads(
            _receive(connection, int.from_bytes(size, "big"))
        )
        child = os.fork()
        if child == 0:
            connection.close()
            _become(what, arguments, folder, environment, files, address)
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        connection.sendall(bytes([os.waitstatus_to_exitcode(status) % 256]))
    finally:
        os._exit(0)


def _become(what, arguments, folder, environment, files, address):
    """Be `python -m snakemake` or `python script` with these arguments."""
    import atexit
    import contextlib
    import importlib
    import runpy
    import threading

    code = 1
    try:
        for number, file in enumerate(files, 1):
            os.dup2(file, number)
        for file in files:
            os.close(file)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        first = folder if what == "snakemake" else os.path.dirname(arguments[0])
        paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        sys.path[:0] = [first, *paths]
        sys.argv = ["snakemake", *arguments] if what == "snakemake" else arguments
        sys.orig_argv = [sys.executable, *arguments]
        importlib.invalidate_caches()
        sys.modules.pop("sitecustomize", None)
        with contextlib.suppress(ImportError):
            importlib.import_module("sitecustomize")
        try:
            if what == "snakemake":
                _fork_scripts(address)
                runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(arguments[0], run_name="__main__")
            code = 0
        except SystemExit as end:
            if end.code is not None and not isinstance(end.code, int):
                print(end.code, file=sys.stderr)
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _fork_scripts(address):
    """Let Snakemake start our client where it would start Python with a script."""
    from snakemake.script import PythonScript

    usual = PythonScript.execute_script

    def execute_script(script, fname, edit=False):
        if script.container_img or script.conda_env or script.env_modules:
            return usual(script, fname, edit)
        command = f"{sys.executable} -S -E {__file__} --ask {address} {{fname:q}}"
        return script._execute_cmd(command, fname=fname, is_python_script=True)

    PythonScript.execute_script = execute_script


if __name__ == "__main__":
    mode, address, *rest = sys.argv[1:]
    del sys.path[0]  # this folder
    if mode == "--serve":
        _serve(address, socket.socket(fileno=int(rest[0])))
    else:
        with _connect(address) as connection:
            _ask(connection, "script", rest, os.getcwd(), os.environ, [1, 2])
            sys.exit(_receive(connection, 1)[0])
