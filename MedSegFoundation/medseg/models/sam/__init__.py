"""SAM, SAM 2 and their medical descendants, run by Hugging Face transformers.

    spec        "sam2:PATH?memory=diverse" -> family, weights, options
    families    what each family of checkpoints expects of slices and prompts
    weights     a file, folder or cached hub id -> a network, strictly and safely
    keys, sizes original key layouts, and network sizes read from the tensors
    pixels      slices as a network wants them
    planes      the slice a prompt lies in, on the grid or oblique
    strokes     prompts of one slice as points, boxes and mask
    network     encode a slice, decode prompts
    features    encoded slices, kept in memory and on disk; neighbours encoded ahead
    model       the adapter for sessions (`medseg.model.Model`)
    video       one step of tracking
    tracker     the adapter for propagation (`medseg.propagation.Tracker`)

Nothing here touches the network: weights come from a path or from the local hub cache.
"""
