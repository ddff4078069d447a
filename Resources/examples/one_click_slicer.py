"""One click in 3D Slicer, without a hand on the mouse.

    Slicer --no-main-window --python-script Resources/examples/one_click_slicer.py \\
           ct.nrrd liver.seg.nrrd 60 -10 120

The numbers are the place of the click, RAS mm.
"""

import sys

import slicer
from medseg import MedsegError


def main(image, output, *place):
    logic = slicer.util.getModuleLogic("MedSegFoundation")
    volume = slicer.util.loadVolume(image)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Result")
    session = logic.openLiveSession(volume, segmentation)
    try:
        step = logic.addPoint(session, [float(value) for value in place])
        print(f"{step.ml:.1f} ml in {step.seconds:.1f} s")
    finally:
        session.close()
    slicer.util.saveNode(segmentation, output)


if __name__ == "__main__":
    status = 0
    try:
        main(*sys.argv[1:])
    except MedsegError as error:  # a sentence that says what to do
        print(error, file=sys.stderr)
        status = 2
    slicer.util.exit(status)
