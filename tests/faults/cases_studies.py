"""Bad study files, and cards of models: what is none, and what none may say."""

import os
from functools import partial

import yaml

from acuity.predict.models import read_card
from acuity.seals import write_sealed
from acuity.study.reading import read_study
from tests.faults.case import Case

SHEET = "sample\trole\tseed\na\ttrain\t1\nb\ttest\t2\n"
GOOD = {
    "study": "own",
    "samples": "own.tsv",
    "foam": {"size": 64, "diameter": [6, 20]},
    "levels": [3, 5],
    "methods": {"deepnet": None},
}
TEXT = yaml.safe_dump(GOOD)


def study(name, content, said, also=None):
    """A case: a study file of text, bytes, or the good study with other values."""

    def make(folder):
        data = yaml.safe_dump(GOOD | content) if isinstance(content, dict) else content
        (folder / "own.yaml").write_bytes(data.encode() if isinstance(data, str) else data)
        (folder / "own.tsv").write_text(SHEET)
        if also:
            also(folder)
        return partial(read_study, "own.yaml")

    return Case(f"study: {name}", make, said)


def line(text):
    """The good study with one more line."""
    return TEXT + text + "\n"


def foam(**values):
    return {"foam": GOOD["foam"] | values}


def network(**values):
    return {"methods": {"deepnet": values}}


def absent(folder):
    (folder / "own.yaml").unlink()


def pipe(folder):
    absent(folder)
    os.mkfifo(folder / "own.yaml")


def a_folder(folder):
    absent(folder)
    (folder / "own.yaml").mkdir()


BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)
KEY = r"^own\.yaml: key "
CASES = [
    # what the file is
    study("absent", "", r"own\.yaml: no such study file", absent),
    study("a pipe", "", r"own\.yaml: is a pipe or a device", pipe),
    study("a folder", "", r"own\.yaml: is a folder", a_folder),
    study("empty", "", r"own\.yaml: a study is a mapping of keys to values; found nothing"),
    study("a list", "- a\n- b\n", r"own\.yaml: a study is a mapping .*found a list"),
    study("a sentence", "my study\n", r"own\.yaml: a study is a mapping .*found a text"),
    study("an image", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), r"own\.yaml: byte 0x89 in line 1 is no UTF-8"),
    study("in a code page of Windows", line("title: Größe").encode("cp1252"), r"own\.yaml: byte 0xf6 in line \d+ is no UTF-8; save"),
    study("a zero byte", line("title: a\0b"), r"own\.yaml: .*line \d+ holds the character 0x0"),
    study("indented by tabs", "study: own\nfoam:\n\tsize: 64\n", r"own\.yaml: not a YAML file \(.*line 3\); indent with blanks"),
    study("a bracket that is not closed", line("evaluate_on_train: [deepnet"), r"own\.yaml: not a YAML file"),
    study("a colon in a title", line("title: foam: the first"), r"own\.yaml: not a YAML file \(.*line \d+"),
    study("two documents", TEXT + "---\n" + TEXT, r"own\.yaml: not a YAML file \(expected a single document"),
    study("5,000 deep", "a: " + "[" * 5000 + "]" * 5000, r"own\.yaml: .*too deep"),
    study("5,000 deep in lines", "".join(f"{' ' * n}a:\n" for n in range(2000)), r"own\.yaml: .*too deep"),
    study("a key twice", line("levels: [2]"), r"own\.yaml: key 'levels' stands in line \d+ and again in line \d+"),
    study("a program", line("title: !!python/object/apply:os.getcwd []"), r"own\.yaml: not a YAML file \(could not determine a constructor"),
    study("a date that is none", line("title: 2024-13-45"), r"own\.yaml: not a YAML file \(month must be"),
    study("a number of 5,000 digits", line("seed: " + "9" * 5000), r"own\.yaml: not a YAML file \(Exceeds"),
    study("a truth value that is none", line("title: !!bool maybe"), r"own\.yaml: not a YAML file"),
    study("a time that is none", line("title: !!timestamp noon"), r"own\.yaml: not a YAML file"),
    study("an alias of nothing", line("title: *other"), r"own\.yaml: not a YAML file \(found undefined alias"),
    study("a billion laughs", line(BOMB), KEY + "'a' is not known"),
    study("a billion laughs at a key's place", line(BOMB.replace("i: &i", "title: &i").replace("a: &a", "evaluate_on_train: &a")), r"^own\.yaml: .{0,400}$"),
    study("keys that are numbers", line("1: 2"), KEY + "1: found a key that is no word"),
    study("keys of a method that are numbers", {"methods": {"deepnet": {3: 4}}}, r"own\.yaml: .*methods\.deepnet.*3"),
    # its keys
    study("a mistyped key", line("sampels: x"), KEY + r"'sampels' is not known \(did you mean 'samples'\?\)"),
    study("a key of a section at the top", line("size: 64"), KEY + "'size' is not known"),
    study("a mistyped key deep down", foam(fotons=3), KEY + r"'foam\.fotons' is not known \(did you mean 'photons'\?\)"),
    study("a method that is not there", {"methods": {"unet": None}}, "unet"),
    study("a method in capitals", {"methods": {"DeepNet": None}}, "'DeepNet' is no method name"),
    study("a list of methods", {"methods": ["deepnet"]}, KEY + r"'methods': found \['deepnet'\]; allowed is a mapping"),
    study("a path as a name", {"study": "../up"}, KEY + r"'study': found '\.\./up'; allowed are letters"),
    study("a name of 300 letters", {"study": "s" * 300}, KEY + "'study': found .*at most 100"),
    study("a number as a name", {"study": 7}, KEY + "'study': found 7; input should be a valid string, put it in quotes"),
    study("a day as a name", line("study: 2024-01-02").replace("study: own\n", ""), KEY + "'study': found 2024-01-02; .*in quotes"),
    study("a number as a method", {"methods": {1: None}}, KEY + "'methods': found 1 for the name of a key; allowed are words"),
    study("minutes for a level", TEXT.replace("- 3\n- 5\n", "- 3:30\n"), KEY + r"'levels\.0': found '3:30'; .*valid number"),
    study("a blank of a web page behind a colon", line("seed:\u00a01"), r"own\.yaml: not a YAML file \(.*could not find expected ':', line \d+\)$"),
    study("a name that YAML reads as no", line("study: no").replace("study: own\n", ""), "study: found false, as which YAML reads"),
    study("a sheet of the web", {"samples": "http://example.org/own.tsv"}, KEY + "'samples': found the address .*download"),
    study("a sheet that is not there", {"samples": "none.tsv"}, KEY + r"'samples': no sample sheet at 'none\.tsv'"),
    study("no sheet's name", {"samples": ""}, KEY + "'samples': no sample sheet"),
    study("a sheet of 5,000 letters", {"samples": "s" * 5000}, KEY + "'samples': no sample sheet"),
    study("a sheet with a zero byte", {"samples": "a\0b"}, KEY + "'samples': no sample sheet"),
    # its values
    study("a level that is true", {"levels": [3, True]}, "levels: found true, as which YAML reads"),
    study("a level of 0", {"levels": [0]}, KEY + r"'levels\.0': found 0; input should be greater than or equal to 0\.01"),
    study("a level below 0", {"levels": [-1]}, KEY + r"'levels\.0': found -1; input should be greater than or equal to 0\.01"),
    study("a level of 1,000", {"levels": [1000]}, KEY + r"'levels\.0': found 1000; input should be less than or equal to 64"),
    study("levels that are one number", {"levels": 3}, KEY + "'levels': found 3; allowed is a list"),
    study("a level twice", {"levels": [3, 3]}, "a level is given twice"),
    study("infinite photons", foam(photons=float("inf")), KEY + r"'foam\.photons': found inf; .*finite"),
    study("a size that is no number", foam(size=float("nan")), KEY + r"'foam\.size': found NaN"),
    study("a size of 100 digits", foam(size=10**100), KEY + r"'foam\.size': found 1000"),
    study("a size in words", foam(size="big"), KEY + r"'foam\.size': found 'big'; .*valid integer"),
    study("a negative count of photons", foam(photons=-5), KEY + r"'foam\.photons': found -5; .*greater than 0"),
    study("a range upside down", foam(diameter=[20, 6]), "diameter .*smallest < largest"),
    study("three lengths for one", foam(voxel_size="3 2 1 um"), KEY + r"'foam\.voxel_size': '3 2 1 um': .*one number and a unit"),
    study("a length without a unit", foam(voxel_size=3), KEY + r"'foam\.voxel_size': found 3; input should be a valid string"),
    study("a section that is a list", {"foam": [64]}, KEY + r"'foam': found \[64\]; allowed is .*a mapping of the keys size"),
    study("a switch for a section", {"segment": True}, KEY + "'segment': found true; allowed is false or a mapping"),
    study("a level below that of the target", {"levels": [0.5]}, "levels must lie above foam.target_level"),
    study("no step of training", network(train={"steps": 0}), KEY + r"'methods\.deepnet\.train\.steps': found 0"),
    study("a patch of two numbers", network(train={"patch": [5, 32]}), KEY + r"'methods\.deepnet\.train\.patch"),
    study("a device of another make", network(train={"device": "rocm"}), KEY + r"'methods\.deepnet\.train\.device': found 'rocm'"),
    study("a method judged that does not learn here", {"evaluate_on_train": ["srcnn3d"]}, "evaluate_on_train names 'srcnn3d'"),
    study("foams and stacks at once", {"align": {}}, "align and degrade.mode are for imported volumes, not for foams"),
    study("pairs degraded once more", {"foam": None, "pair": {}, "degrade": {"mode": "average"}, "levels": [2]}, "a study with a pair section has neither align nor degrade"),
    study("a fraction of a slice", {"foam": None, "degrade": {"mode": "average"}, "levels": [2.5]}, r"levels are numbers of slices .*found 2\.5"),
]  # fmt: skip


def card(name, said, **execution):
    """A case: a model's card that says what no run can do."""

    def make(folder):
        run = {"device": "cpu", "precision": "float32", "halo": [0, 2, 2], "stride": [1, 1, 1]}
        content = dict.fromkeys(
            ("method", "settings", "level", "scale", "normalisation", "weights")
        )
        write_sealed(folder / "model.json", content | {"execution": run | execution})
        return partial(read_card, "model.json")

    return Case(f"card: {name}", make, said)


CASES += [
    card("a precision of another version", r"^model\.json: found the precision 'float8', allowed are float32, bfloat16; .*remove it to train again", precision="float8"),
    card("a device that is none", r"^model\.json: found the device 'tpu', allowed are cpu, cuda, mps", device="tpu"),
    card("a halo of two numbers", r"^model\.json: found the halo \[2, 2\], allowed are three whole numbers", halo=[2, 2]),
    card("a halo in words", r"^model\.json: found the halo 'wide', allowed are three whole numbers", halo="wide"),
]  # fmt: skip
