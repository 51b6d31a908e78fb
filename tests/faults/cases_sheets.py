"""Bad sample sheets: what a table looks like that must not be read."""

import os
from functools import partial

import yaml

from acuity.study.reading import read_study
from tests.faults.case import Case

STUDY = {"study": "own", "samples": "own.tsv", "levels": [3], "methods": {"richardson_lucy": None}}
FOAM = STUDY | {"foam": {"size": 64, "diameter": [6, 20]}}
PAIR = STUDY | {"pair": {}, "levels": [2, 4], "methods": {"lanczos": None}, "segment": False}
AXIAL = STUDY | {"degrade": {"mode": "average"}, "methods": {"cubic": None}}
HEAD = "sample\trole\tpath\tvoxel_size\n"
ROW = "own\ttest\ta.tif\t2 um\n"


def sheet(name, content, said, study=STUDY, also=None):
    """A case: a sheet, text or bytes, beside the files a.tif and b.tif."""

    def make(folder):
        data = content.encode() if isinstance(content, str) else content
        (folder / "own.tsv").write_bytes(data)
        (folder / "own.yaml").write_text(yaml.safe_dump(study))
        for file in ("a.tif", "b.tif"):
            (folder / file).write_bytes(b"II*\0")
        if also:
            also(folder)
        return partial(read_study, "own.yaml")

    return Case(f"sheet: {name}", make, said)


def fifo(folder):
    os.mkfifo(folder / "pipe.tif")


def fifo_sheet(folder):
    (folder / "own.tsv").unlink()
    os.mkfifo(folder / "own.tsv")


def folder_sheet(folder):
    (folder / "own.tsv").unlink()
    (folder / "own.tsv").mkdir()


def loop(folder):
    (folder / "loop.tif").symlink_to("loop.tif")


def row(path="a.tif", size="2 um", name="own", role="test"):
    return HEAD + f"{name}\t{role}\t{path}\t{size}\n"


LINE_2 = r"^own\.tsv: line 2: "
CASES = [
    # what the file is
    sheet("an Excel workbook", b"PK\x03\x04" + bytes(40), r"own\.tsv: is a spreadsheet .*Save As > Text"),
    sheet("an old Excel file", b"\xd0\xcf\x11\xe0" + bytes(40), r"own\.tsv: is an old Excel file .*Save As"),
    sheet("an image", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), r"own\.tsv: is no sample sheet, byte 0x"),
    sheet("a letter that no code page has", HEAD.encode() + b"own\ttest\t\x81.tif\t2 um\n", r"own\.tsv: .*byte 0x81 in line 2 .*UTF-8"),
    sheet("a bell in a cell", row("a\a.tif"), r"own\.tsv: .*line 2 holds the character 0x07"),
    sheet("UTF-16 cut in a letter", (HEAD + ROW).encode("utf-16")[:-1], r"own\.tsv: byte .* is no UTF-16"),
    sheet("a pipe", "", r"own\.tsv: is a pipe or a device", also=fifo_sheet),
    sheet("a folder", "", r"own\.tsv: is a folder", also=folder_sheet),
    sheet("empty", "", r"own\.tsv: is empty"),
    sheet("blank lines and comments alone", "\n# nothing\n\t\t\n", r"own\.tsv: is empty"),
    sheet("a heading alone", HEAD, r"own\.tsv: has no sample"),
    # the heading
    sheet("columns in line with blanks", "sample  role  path\nown  test  a.tif\n", r"own\.tsv: line 1: found one column, 'sample  role  path'"),
    sheet("a heading that is a comment", "#" + HEAD + "own\n", r"own\.tsv: line 2: found one column, 'own'.* a comment, also a heading"),
    sheet("no heading", ROW, r"own\.tsv: line 1: key 'own' is not known"),
    sheet("a column twice", "sample\trole\tpath\tpath\nown\ttest\ta.tif\tb.tif\n", r"own\.tsv: line 1: found the column 'path' 2 times"),
    sheet("a column twice in other letters", "sample\trole\tPath\tpath\nown\ttest\ta.tif\tb.tif\n", r"found the column 'path' 2 times"),
    sheet("a column without a name", "sample\t\trole\tpath\nown\tx\ttest\ta.tif\n", r"own\.tsv: line 1: found a column without a name"),
    sheet("a mistyped column below blank lines", "\n# mine\n\nsample\trole\tpaht\nown\ttest\ta.tif\n", r"own\.tsv: line 4: key 'paht' is not known \(did you mean 'path'\?\)"),
    sheet("a unit in a heading", "sample\trole\tpath\tvoxel_size_nm\nown\ttest\ta.tif\t10\n", r"line 1: key 'voxel_size_nm' is not known \(did you mean 'voxel_size'"),
    # rows
    sheet("a cell too many", HEAD + ROW.strip() + "\tx\n", LINE_2 + "found more fields than the 4 columns of line 1"),
    sheet("commas within a comma-separated region", "sample,role,path,region\nown,test,a.tif,0:3,0:4,:\n", LINE_2 + "found more fields .*separated by commas"),
    sheet("the line behind blanks and comments is named", "\n" + HEAD + "\n# one\n\n" + "own\ttset\ta.tif\t2 um\n", r"own\.tsv: line 6: key 'role': found 'tset'"),
    sheet("the line is named with the line ends of old Macs", (HEAD + ROW + "b\ttset\ta.tif\t2 um\n").replace("\n", "\r"), r"own\.tsv: line 3: key 'role'"),
    sheet("a row of commas below a heading of tabs", HEAD + ROW.replace("\t", ","), LINE_2 + r"found one field, 'own,test,a\.tif,2 um'; .*separated by tabs as there"),
    sheet("a row of blanks below a heading of tabs", HEAD + ROW.replace("\t", " "), LINE_2 + "found one field, .*separated by tabs as there"),
    sheet("a comment of another language", HEAD + "% mine\n" + ROW, LINE_2 + "found one field, '% mine'.* a comment begins with #"),
    sheet("a comma of decimals among commas", "sample,role,path,voxel_size\nown,test,a.tif,2,5 um\n", LINE_2 + "found more fields .*in quotation marks"),
    sheet("a cell of 200,000 letters", row("p" * 200_000), LINE_2 + r"found a line of \d+ letters"),
    sheet("a quotation mark that is not closed", row('"a.tif'), LINE_2 + "found a cell that begins with a quotation mark"),
    sheet("a line break in a cell", row('"a\nb.tif"'), LINE_2 + "found a cell that begins with a quotation mark"),
    sheet("a row that its first column makes a comment", "path\tsample\trole\n#a.tif\town\ttest\n", LINE_2 + "begins with #, which makes it a comment"),
    sheet("no role", "sample\tpath\nown\ta.tif\n", LINE_2 + "key 'role' is missing"),
    sheet("nobody to judge on", row(role="train"), r"own\.tsv: no sample has the role test"),
    # names
    sheet("a name of 300 letters", row(name="n" * 300), LINE_2 + "key 'sample': found 'n.*at most 100"),
    sheet("a name with a blank", row(name="sample 1"), LINE_2 + "key 'sample': found 'sample 1'; allowed are letters"),
    *(sheet(f"the name {name}", row(name=name), LINE_2 + f"key 'sample': found '{name}'; allowed are letters") for name in ("../up", "<script>", "a/b", ".hidden")),
    sheet("a name in Greek", row(name="δείγμα"), LINE_2 + "key 'sample': .*allowed are letters"),
    sheet("names that differ in capitals alone", HEAD + ROW + "\n" + ROW.replace("own", "OWN"), r"own\.tsv: line 4: sample 'OWN' has the name of 'own' in line 2"),
    sheet("a reserved name in capitals", row(name="Index"), LINE_2 + "sample name 'Index' is reserved"),
    # paths
    sheet("a file that is not there", row("none.tif"), LINE_2 + r"sample 'own': none\.tif: no such file"),
    sheet("a remark behind a path", row("a.tif # good"), LINE_2 + ".*# is part of the name, a comment is a line of its own"),
    sheet("a character in a path that cannot be seen", row("a\u200b.tif"), LINE_2 + r".*cannot be seen, it is 'a\\u200b\.tif'$"),
    sheet("a path of Windows", row(r"C:\data\a.tif"), LINE_2 + ".*folders are separated by /"),
    sheet("a path with a tilde", row("~/a.tif"), LINE_2 + ".*~ and variables of the shell"),
    sheet("a path in quotation marks", row("'a.tif'"), LINE_2 + ".*leave them out"),
    sheet("an address of the web", row("https://example.org/a.tif"), LINE_2 + ".*is an address; .*download it first"),
    sheet("an address of a file", row("file:///data/a.tif"), LINE_2 + ".*is an address"),
    sheet("a bucket without a name", row("s3:///a.tif"), LINE_2 + ".*is no address, allowed is s3://"),
    sheet("a pipe as an image", row("pipe.tif"), LINE_2 + r"sample 'own': pipe\.tif: .*pipe", also=fifo),
    sheet("a device as an image", row("/dev/zero"), LINE_2 + "sample 'own': /dev/zero: .*device"),
    sheet("a path of 5,000 letters", row("p" * 5000 + ".tif"), LINE_2 + "sample 'own': .*(too long|no such file)"),
    sheet("a link to itself", row("loop.tif"), LINE_2 + r"sample 'own': .*loop\.tif.*(symbolic links|no such file)", also=loop),
    sheet("a file as a folder", row("a.tif/b.tif"), LINE_2 + r"sample 'own': a\.tif/b\.tif: no such file"),
    # sizes
    sheet("a voxel size without a unit", row(size="2"), LINE_2 + "key 'voxel_size': '2': .*a unit"),
    sheet("a comma that may be one of thousands", row(size="1,000 nm"), LINE_2 + ".*a fraction or between thousands"),
    sheet("two numbers for three axes", row(size="20 10 nm"), LINE_2 + "key 'voxel_size': .*one number or three"),
    sheet("a voxel size of zero", row(size="0 nm"), LINE_2 + "key 'voxel_size': .*positive"),
    sheet("a voxel size in seconds", row(size="2 s"), LINE_2 + "key 'voxel_size': .*the unit 's'"),
    sheet("a formula that Excel did not find", row(size="#NAME?"), LINE_2 + "key 'voxel_size': '#NAME\\?'"),
    sheet("a pitch of three numbers", HEAD.replace("voxel_size", "pitch") + "own\ttest\ta.tif\t20 10 10 nm\n", LINE_2 + "key 'pitch': .*one number"),
    sheet("a region that Excel took for a time", HEAD.replace("voxel_size", "region") + "own\ttest\ta.tif\t00:60:00\n", LINE_2 + "key 'region': .*z0:z1,y0:y1,x0:x1"),
    # what belongs together
    sheet("a path in a study of foams", row(), LINE_2 + ".*needs a seed and no path", FOAM),
    sheet("a seed with a fraction", "sample\trole\tseed\nown\ttest\t1,5\n", LINE_2 + "key 'seed': found '1,5'", FOAM),
    sheet("a seed twice", "sample\trole\tseed\na\ttest\t7\nb\ttest\t7\n", r"own\.tsv: samples 'a' and 'b' have the same seed, 7", FOAM),
    sheet("the repeat of nobody", "sample\trole\tpath\trepeat_of\nown\ttest\ta.tif\tother\n", LINE_2 + "repeat_of of sample 'own' names 'other'"),
    sheet("a pair without its coarse image", "sample\trole\tpath\tlevel\nown\ttest\ta.tif\t2\n", LINE_2 + "sample 'own' has no low_path", PAIR),
    sheet("a level that the study has not", "sample\trole\tpath\tlow_path\tlevel\nown\ttest\ta.tif\tb.tif\t3\n", LINE_2 + "sample 'own' has the level 3; allowed are the study's, 2, 4", PAIR),
    sheet("slices to restore of no stated size", "sample\trole\tpath\nown\trestore\ta.tif\n", LINE_2 + "sample 'own' has the role restore and no voxel_size", AXIAL),
]  # fmt: skip
