"""A helper process for a program with a window: what is heavy or blocks happens there.

    GUI (numpy, events)                      helper (`python -m medseg.companion`)
    link, linked, images --- wire (TCP) ---> process, calls --> service or server
                         --- shared (file) -> the image's voxels

The GUI half starts no thread and never waits; any event loop can drive it (`watch.Watcher`).

    from medseg.companion.link import Companion

    companion = Companion(watcher, on_status=status_bar.showMessage)
    companion.start()
    session = companion.session(image)
    session.add(Point([12.0, -30.5, 44.0])).then(show, say)

Scripts use `watch.Pump` and `blocking.BlockingSession`.
"""
