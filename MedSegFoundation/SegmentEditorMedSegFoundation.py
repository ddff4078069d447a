"""Adds the effects to Slicer's Segment Editor when the application has started.

Nothing else happens here: no helper process, no model, no image library is loaded.
"""

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class SegmentEditorMedSegFoundation(ScriptedLoadableModule):
    """A module without a page."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "SegmentEditorMedSegFoundation"
        parent.categories = ["Segmentation"]
        parent.dependencies = ["Segmentations"]
        parent.contributors = ["MedSegFoundation contributors"]
        parent.hidden = True
        parent.helpText = _("Adds the effects of MedSegFoundation to the Segment Editor.")
        parent.acknowledgementText = _("Apache-2.0 licence.")
        slicer.app.connect("startupCompleted()", register_effects)


def register_effects():
    """Make the effects known; those that are known already stay as they are."""
    import medseg_effects

    factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
    known = {effect.name for effect in factory.registeredEffects()}
    for kind in medseg_effects.EFFECTS:
        if kind.name not in known:
            effect = slicer.qSlicerSegmentEditorScriptedEffect(None)
            effect.setPythonSource(kind.source().as_posix())
            effect.self().register()
