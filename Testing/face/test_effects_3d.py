# ruff: noqa: F811
"""Clicks on surfaces in a 3D view, and the marks there."""

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    helper,
    make,
    room,
    three_d,
)

pytestmark = pytest.mark.usefixtures("host")


# In 3D


@pytest.fixture
def surface(room):
    """The 3D view looks at a ball from the front."""
    import vtk

    ball = vtk.vtkSphereSource()
    ball.SetCenter(*[float(v) for v in room.ras(6, 8, 10)])
    ball.SetRadius(4)
    ball.SetThetaResolution(40)
    ball.SetPhiResolution(40)
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "ball")
    model.SetPolyDataConnection(ball.GetOutputPort())
    model.CreateDefaultDisplayNodes()
    view = three_d()
    view.threeDView().forceRender()
    renderer = view.threeDView().renderWindow().GetRenderers().GetFirstRenderer()
    camera = renderer.GetActiveCamera()
    x, y, z = room.ras(6, 8, 10)
    camera.SetFocalPoint(x, y, z)
    camera.SetPosition(x, y - 60, z)
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCameraClippingRange()
    view.threeDView().forceRender()
    return view


def test_a_click_on_a_surface_in_3d(room, surface):
    width, height = surface.threeDView().renderWindow().GetSize()
    room.activate()
    room.host.click(surface, (width / 2, height / 2))
    room.settle()
    (prompt,) = room.prompts
    assert np.linalg.norm(prompt.position - room.ras(6, 4, 10)) < 0.5
    assert room.mask()[6, 4, 10]
    room.host.click(surface, (width / 2, height / 2), modifiers=["Control"])
    room.settle()
    assert not room.prompts[1].include


def test_a_drag_in_3d_turns_the_view_and_is_no_prompt(room, surface):
    room.activate()
    renderer = surface.threeDView().renderWindow().GetRenderers().GetFirstRenderer()
    before = renderer.GetActiveCamera().GetPosition()
    surface.threeDView().interactor().InvokeEvent("EnterEvent")
    room.host.drag(surface, [(160, 160), (220, 190)])
    room.turn()
    assert room.prompts == []
    assert renderer.GetActiveCamera().GetPosition() != before


def test_a_click_beside_everything_in_3d_does_nothing(room, surface):
    room.activate()
    room.host.click(surface, (3, 3))
    room.turn()
    assert room.prompts == []


def test_marks_are_shown_in_3d_and_follow_the_camera(room, surface):
    room.activate()
    room.click(6, 8, 10)
    before = room.props(surface)
    canvas = next(c for v, c in room.effect._stage._canvases.values() if v == surface)
    (_, lines) = canvas.actors

    def middle():
        surface.threeDView().forceRender()
        bounds = np.array(lines.GetMapper().GetInput().GetBounds()).reshape(3, 2)
        return bounds.mean(1)[:2]

    width, height = surface.threeDView().renderWindow().GetSize()
    assert np.abs(middle() - [width / 2, height / 2]).max() < 2
    renderer = surface.threeDView().renderWindow().GetRenderers().GetFirstRenderer()
    renderer.GetActiveCamera().SetFocalPoint(0, 0, 0)
    renderer.ResetCameraClippingRange()
    assert np.abs(middle() - [width / 2, height / 2]).max() > 10
    room.leave()
    assert room.props(surface) == before - 2
