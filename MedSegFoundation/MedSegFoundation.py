"""The Slicer module: says what the extension is, and gives scripts a way in.

The work is done by `medseg_scene` (scene) and `medseg` (engine), which lie beside this file.
Nothing here loads torch, opens a connection or waits.
"""

import medseg
import medseg_scene
import qt
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
    """Tells what is there; prompts come from Python until the Segment Editor effect exists."""

    def setup(self):
        super().setup()
        label = qt.QLabel(self.text())
        label.wordWrap = True
        label.textInteractionFlags = qt.Qt.TextSelectableByMouse
        self.layout.addWidget(label)
        self.layout.addStretch(1)

    def text(self):
        """What the panel shows."""
        models = ", ".join(MedSegFoundationLogic().modelNames())
        return "\n\n".join(
            [
                _("Segmentation from prompts, version {version}.").format(
                    version=medseg.__version__
                ),
                _("Models on this computer: {names}.").format(names=models),
                _("This version is used from the Python console:"),
                'logic = slicer.util.getModuleLogic("MedSegFoundation")\n'
                "session = logic.openSession(volumeNode, segmentationNode)\n"
                "logic.addPoint(session, [12.0, -30.5, 44.0])\n"
                "session.undo()",
            ]
        )


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
