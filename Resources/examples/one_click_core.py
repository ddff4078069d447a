"""One click without a window: plain Python with the package slicer-core.

    pip install '.[slicer-host]'
    python Resources/examples/one_click_core.py                            # on a made-up CT
    python Resources/examples/one_click_core.py ct.nrrd liver.seg.nrrd 60 -10 120

The last three numbers are the place of the click, RAS mm, as 3D Slicer shows it.
"""

import sys

import medseg_scene
import slicer
from medseg_scene.sample import add_sample


def read_volume(path):
    """A volume node with the image of a file."""
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(path)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    if not storage.ReadData(volume):
        sys.exit(f"'{path}' cannot be read.")
    return volume


def write_segmentation(segmentation, path):
    """A .seg.nrrd, with the prompts in it: Slicer and `medseg segment --edit` go on from there."""
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(path)
    if not storage.WriteData(segmentation):
        sys.exit(f"'{path}' cannot be written.")


def main(words):
    medseg_scene.ensure()
    logic = medseg_scene.Scripting()
    if words:
        image, output, *place = words
        volume = read_volume(image)
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    else:
        sample = add_sample()
        volume, segmentation, place = sample.volume, sample.segmentation, sample.place
        output = "kidney.seg.nrrd"
    session = logic.openLiveSession(volume, segmentation)
    step = logic.addPoint(session, [float(value) for value in place])
    print(f"{step.ml:.1f} ml in {step.seconds:.1f} s")
    session.close()
    write_segmentation(segmentation, output)
    medseg_scene.owner().close()


if __name__ == "__main__":
    main(sys.argv[1:])
