"""medseg_face: the windows of MedSegFoundation, on Slicer's Qt.

Everything is decided on the floors below (`medseg_scene`, `medseg`): here events are forwarded
and answers are drawn. Nothing waits, starts a thread or opens a connection.
"""
