"""The embedded models: nothing to download, any modality, CPU first.

    prompts --groups--> seed groups --maps--> channels on a working grid --(decide)--> logit
                                                         --finish--> mask on the image

`classical` and `network` differ in one step only: how channels become a logit.
"""
