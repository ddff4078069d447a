"""The Slicer module: its setup page, and a way in for scripts.

The work is done by `medseg_face` (windows), `medseg_scene` (scene) and `medseg` (engine), which
lie beside this file. Nothing here loads torch, opens a connection or waits.
"""

import medseg_scene
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class MedSegFoundation(ScriptedLoadableModule):
    """What Slicer lists."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "MedSegFoundation"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations"]
        parent.contributors = ["MedSegFoundation contributors"]
        parent.helpText = _(
            "Segments structures of CT, MR and ultrasound images from prompts: a click, a box, a "
            "stroke. The built-in model runs on this computer; nothing is uploaded or downloaded. "
            "Results are aids for research, not for clinical decisions."
        )
        parent.acknowledgementText = _("Apache-2.0 licence, code and built-in model.")


class MedSegFoundationWidget(ScriptedLoadableModuleWidget):
    """The setup page; see `medseg_face.setup`."""

    def setup(self):
        super().setup()
        from medseg_face.setup.pages import Pages

        self.pages = Pages(self.layout)

    def cleanup(self):
        if hasattr(self, "pages"):
            self.pages.close()


class MedSegFoundationLogic(ScriptedLoadableModuleLogic, medseg_scene.Scripting):
    """What the panel does, one call each, with examples; see `medseg_scene.scripting`."""


class MedSegFoundationTest(ScriptedLoadableModuleTest):
    """Runs in the application: one click, undone and redone."""

    def runTest(self):  # noqa: N802
        self.setUp()
        self.test_a_click_is_undone_and_redone()

    def setUp(self):
        import slicer

        slicer.mrmlScene.Clear(0)

    def test_a_click_is_undone_and_redone(self):
        import numpy as np
        import slicer

        voxels = np.zeros((20, 24, 28), np.int16)
        voxels[6:14, 8:16, 10:20] = 200
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        slicer.util.updateVolumeFromArray(volume, voxels)
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        logic = MedSegFoundationLogic()
        session = logic.openSession(volume, segmentation)
        logic.addPoint(session, [15, 12, 10])
        mask = session.mask.copy()
        assert mask[10, 12, 15]
        session.undo()
        assert not session.mask.any()
        session.redo()
        assert (session.mask == mask).all()
