"""Formats that are not read: by which program, and which menu, each is converted."""

from pathlib import Path

_FIJI = "in Fiji with File > Import > Bio-Formats, then File > Save As > Tiff"
_FIJI_OPEN = "in Fiji with File > Open, then File > Save As > Tiff"
_SEQUENCE = "in Fiji with File > Import > Image Sequence, then File > Save As > Tiff"
_UNPACK = "unpack it first, and name what was in it"
_PARAVIEW = "in ParaView with File > Save Data, as a series of TIFF (a mesh has no voxels)"
# Endings to the name of the format, and how it is converted.
_REFUSED = {
    (".dm3", ".dm4"): (
        "Gatan DigitalMicrograph",
        "in DigitalMicrograph (GMS) with File > Save As > TIFF, or " + _FIJI_OPEN,
    ),
    (".lif", ".lof", ".xlef"): ("Leica LAS X", _FIJI + ", one series at a time"),
    (".czi", ".zvi"): ("Zeiss ZEN", "in ZEN with File > Export, or " + _FIJI),
    (".lsm",): ("Zeiss LSM", _FIJI_OPEN),
    (".dv", ".r3d"): ("DeltaVision", _FIJI),
    (".pic", ".ipw", ".klb", ".mnc"): ("another program's own", _FIJI),
    (".btf", ".tf2", ".tf8"): (
        "BigTIFF under an ending of its own",
        "name it .tif, and it is read",
    ),
    (".eer",): ("a camera's frames (EER)", "in RELION with relion_convert_to_tiff"),
    (".gipl",): ("GIPL", "in ITK-SNAP or 3D Slicer, saved as .nrrd"),
    (".nc",): ("NetCDF", 'numpy.save("name.npy", netCDF4.Dataset("name.nc")["variable"][:])'),
    (".pgm", ".ppm", ".pnm", ".tga"): ("a bitmap", _FIJI_OPEN),
    (".bil", ".bip", ".bsq"): (
        "ENVI",
        "name it .raw, and write what it is into a sidecar beside it",
    ),
    (".nd2",): ("Nikon NIS-Elements", "in NIS-Elements with File > Save As > TIFF, or " + _FIJI),
    (".txrm", ".txm", ".xrm"): (
        "Zeiss Xradia",
        "in Scout-and-Scan or XM3DViewer with File > Export > TIFF; a .txrm holds raw projections, "
        "reconstruct it first in XMReconstructor",
    ),
    (".oib", ".oif", ".oir", ".vsi", ".ets"): ("Olympus / Evident", _FIJI),
    (".ser", ".emi"): (
        "FEI TIA",
        "in TIA with File > Export Data > TIFF, or in Fiji with File > Import > TIA Reader",
    ),
    (".emd",): ("Velox or Berkeley EMD", "in Velox with File > Export > TIFF, or " + _FIJI),
    (".bcf", ".spx"): ("Bruker Esprit", "in Esprit with Export > TIFF of the image"),
    (".hspy", ".zspy"): ("HyperSpy", 'in HyperSpy with s.save("name.tif")'),
    (".tvips", ".blo"): ("TVIPS / NanoMegas", 'in HyperSpy with s.save("name.tif")'),
    (".stk", ".nd"): ("MetaMorph", _FIJI),
    (".ics", ".ids"): ("Image Cytometry Standard", _FIJI),
    (".scn", ".svs", ".ndpi", ".mrxs", ".bif", ".qptiff"): (
        "a slide scanner",
        "in QuPath with File > Export images, or " + _FIJI,
    ),
    (".avi", ".mp4", ".mov", ".mkv", ".wmv"): (
        "a film, whose packing changes values",
        "in Fiji with File > Import > AVI (or Movie), then File > Save As > Tiff",
    ),
    (".gif", ".webp", ".heic"): ("an image for pages", _FIJI_OPEN),
    (".jp2", ".j2k", ".jpx"): ("JPEG 2000", _FIJI),
    (".dcm", ".dicom", ".ima"): ("DICOM", _SEQUENCE),
    (".mat",): (
        "MATLAB",
        'in MATLAB with h5create and h5write, or numpy.save("name.npy", '
        'scipy.io.loadmat("name.mat")["variable"])',
    ),
    (".npz",): ("several arrays of NumPy", 'numpy.save("name.npy", numpy.load("name.npz")["key"])'),
    (".pkl", ".pickle", ".pt", ".pth", ".joblib"): (
        "a pickle of Python, which may run anything",
        'numpy.save("name.npy", array) where it was made',
    ),
    (".stl", ".ply", ".obj", ".3mf", ".vtk", ".vti", ".vtu", ".vtp", ".pvd"): (
        "a mesh or VTK",
        _PARAVIEW,
    ),
    (".am", ".amiramesh", ".hx", ".surf"): (
        "Avizo / Amira",
        "in Avizo with File > Save Data As > 3D TIFF, or " + _FIJI,
    ),
    (".vgl", ".vgarchive"): (
        "VGStudio MAX",
        "in VGStudio with File > Export > Image stack; or name the .vol beside it",
    ),
    (".rek",): ("Fraunhofer EZRT", "in VGStudio with File > Export > Image stack"),
    (".isq", ".aim", ".rsq"): (
        "Scanco",
        "in Fiji with File > Import > KHKs Scanco ISQ FileReader, then File > Save As > Tiff",
    ),
    (".xtekvolume", ".pca"): (
        "the description of a scan",
        "name the .vol or .raw beside it, or the folder of slices",
    ),
    (
        ".vff",
        ".sgy",
        ".segy",
        ".cbf",
        ".edf",
        ".img.bz2",
        ".fits",
        ".fit",
        ".his",
        ".seq",
        ".spe",
    ): (
        "a detector's or a laboratory's own",
        _FIJI + "; or its own program's export to TIFF",
    ),
    (".sxm", ".spm", ".gwy", ".jpk", ".ibw", ".nid"): (
        "a scanning probe's",
        "in Gwyddion with File > Save As > TIFF",
    ),
    (".psd", ".ai", ".svg", ".eps", ".pdf", ".docx", ".pptx", ".xlsx", ".xls", ".csv"): (
        "a document",
        "bring the image as the microscope saved it, or export it as TIFF",
    ),
    (".n5",): (
        "N5",
        "in Fiji with File > Import > HDF5/N5/Zarr/OME-NGFF, then File > Save As > Tiff",
    ),
    (".zip", ".gz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".tgz", ".zst", ".ozx"): (
        "packed",
        _UNPACK,
    ),
    (
        *(".xml", ".xmp", ".mvgl", ".bdv", ".log", ".ome", ".info", ".xdmf", ".xmf", ".hdr"),
        *(".mdoc", ".rawtlt", ".tlt", ".xtek2dct", ".xtekhelixct"),
    ): (
        "what is said of images, and no image",
        "name the file of the images beside it (BigDataViewer: the .h5)",
    ),
}
_BY_ENDING = {ending: said for endings, said in _REFUSED.items() for ending in endings}
# How files begin whose ending does not tell.
_BY_START = (
    (0, b"\xd0\xcf\x11\xe0", ".txrm"),
    (128, b"DICM", ".dcm"),
    (0, b"ZISRAWFILE", ".czi"),
    (0, b"\xda\xce\xbe\x0a", ".nd2"),
    (0, b"MATLAB ", ".mat"),
    (0, b"PK\x03\x04", ".zip"),
    (0, b"\x1f\x8b", ".gz"),
)


def conversion(path: Path) -> str:
    """Say what a file or folder is and by which program it is converted.

    Parameters
    ----------
    path : pathlib.Path
        Of a format that is not read.

    Returns
    -------
    str
        To follow "found"; empty where the format is not known.
    """
    said = _BY_ENDING.get(path.suffix.lower())
    if said is None and path.is_file():
        with open(path, "rb") as file:
            head = file.read(256)
        for at, start, ending in _BY_START:
            if head[at:].startswith(start):
                said = _BY_ENDING[ending]
                break
    if said is None:
        return ""
    name, how = said
    lead = "" if how.startswith(("name ", "unpack ", "bring ", "numpy.")) else "convert it "
    return f"a file of {name} ({path.suffix.lower() or 'without ending'}), which is not read; {lead}{how}"


# How files begin that are read: name of the format, the endings under which it is read.
_HDF5 = (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".ims")
_READ = (
    *((0, start, "TIFF", (".tif", ".tiff")) for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5", _HDF5),
    (0, b"\x93NUMPY", "NPY", (".npy",)),
    (0, b"\x89PNG\r\n\x1a\n", "PNG", (".png",)),
    (0, b"\xff\xd8\xff", "JPEG", (".jpg", ".jpeg")),
    (0, b"NRRD000", "NRRD", (".nrrd", ".nhdr")),
    (208, b"MAP ", "MRC", (".mrc", ".mrcs", ".rec", ".map", ".st", ".ali", ".ccp4")),
    (344, b"n+1\0", "NIfTI", (".nii",)),
)


def begins_as(path: Path, other: str) -> str:
    """Say which ending a file needs that begins as another format than its name tells.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    other : str
        What is said where it begins as none, or as its name tells.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError:
        return other
    for at, start, name, endings in _READ:
        if head[at:].startswith(start) and path.suffix.lower() not in endings:
            return f"it begins as {name} does, give it the ending {endings[0]}"
    return other
